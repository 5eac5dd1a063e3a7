package archive

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestWriter: what is written is read back, in every form, and is the same each time.
func TestWriter(t *testing.T) {
	content := strings.Repeat("compiler", 1000)
	make := func(name string) []byte {
		t.Helper()
		var b bytes.Buffer
		w, err := NewWriter(&b, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{
			w.Symlink("/bin", "usr/bin"), w.Directory("/usr"), w.Directory("/usr/bin"),
			w.File("/usr/bin/cc", true, int64(len(content)), strings.NewReader(content)),
			w.File("/usr/"+strings.Repeat("n", 200), false, 0, strings.NewReader("")), w.Close(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	want := []Member{
		{Path: "/bin", Kind: Symlink, Target: "usr/bin"}, {Path: "/usr", Kind: Directory}, {Path: "/usr/bin", Kind: Directory},
		{Path: "/usr/bin/cc", Kind: Regular, Digest: digest.Of([]byte(content)), Executable: true},
		{Path: "/usr/" + strings.Repeat("n", 200), Kind: Regular, Digest: digest.Empty()},
	}
	for name, begins := range map[string]string{"a.tar": "bin\x00", "a.tar.gz": "\x1f\x8b", "a.tgz": "\x1f\x8b", "a": "\x1f\x8b", "a.tar.zst": "\x28\xb5\x2f\xfd"} {
		b := make(name)
		got, err := read(b, small)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
		if !bytes.HasPrefix(b, []byte(begins)) || !bytes.Equal(b, make(name)) {
			t.Errorf("%s begins with %q, or is another each time", name, b[:4])
		}
	}
	for _, name := range []string{"a.tar.xz", "a.tar.bz2"} {
		if _, err := NewWriter(&bytes.Buffer{}, name); err == nil || !strings.Contains(err.Error(), "allowed: .tar, .tar.gz, .tar.zst") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err := NewWriter(&bytes.Buffer{}, "a.tar")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.File("/a", false, 5, strings.NewReader("four")); err == nil {
		t.Error("a file that is shorter than it was is written")
	}
}
