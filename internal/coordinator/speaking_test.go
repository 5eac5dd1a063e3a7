package coordinator

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/roots"
)

// TestAcrossBuffers: what is looked for is found where two readings meet.
func TestAcrossBuffers(t *testing.T) {
	const dir = "/srv/someone/project"
	m := roots.NewMap([]roots.Root{{Real: dir, Fixed: roots.Base + "/src", Name: "."}})
	for _, at := range []int{0, 1<<20 - len(dir), 1<<20 - len(dir)/2, 1<<20 - 1, 1 << 20, 1<<21 - 4096 - len(dir)/2, 3 << 20} {
		content := append(bytes.Repeat([]byte{'.'}, at), dir...)
		if named, err := names(m, bytes.NewReader(content)); err != nil || !named {
			t.Errorf("at %d: %t, %v", at, named, err)
		}
	}
	if named, err := names(m, strings.NewReader("another text")); err != nil || named {
		t.Errorf("another text: %t, %v", named, err)
	}
}

// TestSpeaks: texts that name a root are told from others, and from what compilers make,
// which leads to no other file.
func TestSpeaks(t *testing.T) {
	m := roots.NewMap([]roots.Root{{Real: "/srv/someone/project", Fixed: roots.Base + "/src", Name: "."}})
	name := filepath.Join(t.TempDir(), "file")
	for text, want := range map[string]bool{
		"":   false,
		"ab": false,
		"#include \"/srv/someone/project/x.h\"\n": true,
		"/srv/someone/project":                    true,
		"#include \"/srv/someone/else/x.h\"\n":    false,
		"\x7fELF /srv/someone/project":            false,
		"!<arch>\n /srv/someone/project":          false,
		"!<thin>\n /srv/someone/project/x.o":      true,
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := speaks(m, &filestate.File{Path: name, Digest: digest.Of([]byte(text))})
		if err != nil || got != want {
			t.Errorf("%q: %t, %v", text, got, err)
		}
	}
	if err := os.WriteFile(name, []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := speaks(m, &filestate.File{Path: name, Digest: digest.Of([]byte("what it was"))}); err == nil {
		t.Error("a file that has changed is taken for what it was")
	}
}
