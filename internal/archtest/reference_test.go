package archtest

import (
	"bytes"
	"testing"

	"github.com/cachepot/cachepot/internal/config"
)

const (
	settingsBegin = "<!-- settings: written by internal/config -->\n"
	settingsEnd   = "<!-- end of settings -->\n"
	serversBegin  = "<!-- server settings: written by internal/config -->\n"
	serversEnd    = "<!-- end of server settings -->\n"
)

// TestBookShowsSettings keeps the reference in the manual the one that the
// tables in internal/config give.
func TestBookShowsSettings(t *testing.T) {
	const chapter = "docs/book/configuration.md"
	for _, part := range []struct{ begin, end, want string }{
		{settingsBegin, settingsEnd, config.Reference()},
		{serversBegin, serversEnd, config.ServerReference()},
	} {
		_, rest, ok := bytes.Cut(realTree(t).read(chapter), []byte(part.begin))
		got, _, closed := bytes.Cut(rest, []byte(part.end))
		if want := "\n" + part.want + "\n"; !ok || !closed || string(got) != want {
			t.Errorf("%s: between %q and %q put\n%s", chapter, part.begin, part.end, want)
		}
	}
}
