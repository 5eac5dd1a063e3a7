package layout

import (
	"strings"
	"testing"
	"unicode/utf8"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// FuzzDirectory: whatever a directory of a client's says, what is taken has names that are each
// one step down, no two of them one, and no link that is absolute.
func FuzzDirectory(f *testing.F) {
	x := &repb.Digest{Hash: digest.Empty().Hex()}
	for _, name := range []string{"a", "..", "a/b", "", "\x00", strings.Repeat("n", 256)} {
		enc, err := proto.Marshal(&repb.Directory{Files: []*repb.FileNode{{Name: name, Digest: x}}, Symlinks: []*repb.SymlinkNode{{Name: name + "l", Target: name}},
			Directories: []*repb.DirectoryNode{{Name: name + "d", Digest: x}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(enc)
	}
	f.Fuzz(func(t *testing.T, enc []byte) {
		var msg repb.Directory
		if proto.Unmarshal(enc, &msg) != nil {
			return
		}
		dir, err := decode(digest.Of(enc), &msg)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		check := func(name string) {
			if seen[name] || name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > maxName || !utf8.ValidString(name) {
				t.Errorf("%q is taken", name)
			}
			seen[name] = true
		}
		for _, n := range dir.files {
			check(n.name)
		}
		for _, n := range dir.links {
			check(n.name)
			if n.target == "" || n.target[0] == '/' || strings.ContainsRune(n.target, 0) {
				t.Errorf("a link to %q is taken", n.target)
			}
		}
		for _, n := range dir.subs {
			check(n.name)
		}
		if dir.nodes != len(seen) {
			t.Errorf("%d nodes, counted as %d", len(seen), dir.nodes)
		}
	})
}
