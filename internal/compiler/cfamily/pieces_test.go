package cfamily

import "testing"

func TestJoinable(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"__TI ME__", true},
		{"__ TI ME __", true},
		{"__T I ME__", true},
		{"_ _TIMESTAMP_ _", true},
		{"__DA TE", false},
		{"__ D A T E", false}, // letters alone: template parameters
		{"TIME DATE", false},
		{"__TIME__", false}, // whole: found elsewhere
	} {
		parts := map[string]bool{}
		for _, p := range pieces([]byte(c.text)) {
			parts[p] = true
		}
		if got := joinable(parts, 0); got != c.want {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}

func TestSpliced(t *testing.T) {
	for text, want := range map[string]string{
		"a\\\nb":    "ab",
		"a\\ \t\nb": "ab",
		"a\\b\nc":   "a\\b\nc",
		"\\\n\\\nx": "x",
		"none":      "none",
	} {
		if got, _ := spliced([]byte(text)); string(got) != want {
			t.Errorf("spliced(%q) = %q, want %q", text, got, want)
		}
	}
}
