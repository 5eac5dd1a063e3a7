package coordinator

import "testing"

// TestWord: what stands alone is found, what is a part of another word is not.
func TestWord(t *testing.T) {
	for text, want := range map[string]bool{
		"ann": true, "to ann.": true, "\x00ann\x01": true, "/ann/x": true, "annann ann": true, "anna ann": true,
		"": false, "an": false, "anna": false, "joann": false, "ann_": false, "1ann": false, "ANN": false,
	} {
		if got := word("ann").Names([]byte(text)) != ""; got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}
