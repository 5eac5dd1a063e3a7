package archtest

import (
	"bytes"
	"testing"

	"github.com/cachepot/cachepot/internal/config"
)

const (
	settingsBegin = "<!-- settings: written by internal/config -->\n"
	settingsEnd   = "<!-- end of settings -->\n"
)

// TestBookShowsSettings keeps the reference in the manual the one that the
// table in internal/config gives.
func TestBookShowsSettings(t *testing.T) {
	const chapter = "docs/book/configuration.md"
	_, rest, ok := bytes.Cut(realTree(t).read(chapter), []byte(settingsBegin))
	got, _, closed := bytes.Cut(rest, []byte(settingsEnd))
	if want := "\n" + config.Reference() + "\n"; !ok || !closed || string(got) != want {
		t.Errorf("%s: between %q and %q put\n%s", chapter, settingsBegin, settingsEnd, want)
	}
}
