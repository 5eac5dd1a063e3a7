package execute

import (
	"path"
	"strings"
	"testing"
)

// FuzzWithin: whatever a path of a client's is, it lies at its top or below, or is refused.
func FuzzWithin(f *testing.F) {
	for _, name := range []string{"a", "../a", "../../a", "a/../..", "/etc/passwd", "a\x00", "./.././b", "", "w/../../../w", "../../../etc/passwd"} {
		f.Add("/", "w", name)
		f.Add(Workspace, "w/sub", name)
	}
	f.Fuzz(func(t *testing.T, top, dir, name string) {
		if top != "/" {
			top = Workspace
		}
		from, err := within(top, top, dir)
		if err != nil {
			return
		}
		got, err := within(top, from, name)
		if err != nil {
			return
		}
		if got != path.Clean(got) || got != top && !strings.HasPrefix(got, strings.TrimSuffix(top, "/")+"/") || strings.ContainsRune(got, 0) {
			t.Errorf("%q from %q is %q, which is not below %q", name, from, got, top)
		}
		if want := path.Join(from, name); got != want {
			t.Errorf("%q from %q is %q, want %q", name, from, got, want)
		}
	})
}
