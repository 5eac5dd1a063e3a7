package digest_test

import (
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
)

func TestKnownDigest(t *testing.T) {
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/3"
	if got := digest.Of([]byte("abc")).String(); got != want {
		t.Errorf("Of(abc) = %s, want %s", got, want)
	}
	d, err := digest.Read(strings.NewReader("abc"))
	if err != nil || d.String() != want {
		t.Errorf("Read(abc) = %s, %v, want %s", d, err, want)
	}
}

// FuzzParse: what parses has exactly one spelling.
func FuzzParse(f *testing.F) {
	f.Add(digest.Of([]byte("abc")).String())
	f.Add(digest.Empty().Hex() + "/00")
	f.Add("/")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := digest.Parse(s)
		if err == nil && d.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, d.String())
		}
	})
}
