package worker

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/internal/reapi"
)

// TestRootless: a worker that is not root runs jobs, too.
func TestRootless(t *testing.T) {
	w := start(t, withoutToken())
	w.kill(syscall.SIGTERM)
	if os.Getuid() == 0 {
		err := filepath.WalkDir(w.dir, func(p string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(p, 4242, 4242)
		})
		if err != nil {
			t.Fatal(err)
		}
		program, err := product.Servers()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{program, filepath.Dir(program)} {
			if err := os.Chmod(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		w.as = &syscall.Credential{Uid: 4242, Gid: 4242}
	}
	w.run()
	c, err := reapi.New(reapi.Config{Address: w.address})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProbeRoot(t.Context(), "x86-64"); err != nil {
		t.Error(err)
	}
	if !strings.Contains(w.log.String(), "sandbox=rootless") {
		t.Error("it is not rootless")
	}
}
