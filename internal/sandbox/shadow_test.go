package sandbox_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/sandbox"
)

func clearCloseOnExec(t *testing.T, f *os.File) {
	t.Helper()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
}

// attempt is what the stage in a shadow tries, and what came of it.
type attempt struct {
	Read, Write []string
	Result      map[string]string
	UID         int
	Temp        string
}

func inShadow() error {
	var a attempt
	temp, reply, err := sandbox.EnterShadow(&a)
	if err != nil {
		return err
	}
	a.Result, a.UID, a.Temp = map[string]string{}, os.Getuid(), temp
	for _, p := range append(a.Write, filepath.Join(temp, "t")) {
		err := os.WriteFile(p, []byte("shadow"), 0o644)
		switch {
		case errors.Is(err, unix.EROFS):
			a.Result[p] = "read-only"
		case err != nil:
			a.Result[p] = err.Error()
		}
	}
	for _, p := range a.Read {
		b, err := os.ReadFile(p)
		a.Result[p] = string(b)
		if err != nil {
			a.Result[p] = err.Error()
		}
	}
	return reply(a)
}

// TestShadow: what is written in a shadow is seen there and nowhere else.
func TestShadow(t *testing.T) {
	s := open(t)
	dir := filepath.Join(t.TempDir(), `odd, name: with\all`)
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("old"), "live")
	write(t, in("sub/old"), "live")
	write(t, in("kept"), "live")
	elsewhere := filepath.Join(t.TempDir(), "file")
	write(t, elsewhere, "live")
	a := attempt{
		Write: []string{in("old"), in("new"), in("sub/old"), elsewhere},
		Read:  []string{in("old"), in("new"), in("sub/old"), in("kept"), elsewhere},
	}
	var got attempt
	if err := s.Shadow(t.Context(), "try", []string{in("sub"), dir}, a, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{in("old"): "shadow", in("new"): "shadow", in("sub/old"): "shadow", in("kept"): "live", elsewhere: "live"}
	if d := cmp.Diff(want, got.Result); d != "" {
		t.Error(d)
	}
	if got.UID != os.Getuid() {
		t.Errorf("user %d, want that of the caller", got.UID)
	}
	for _, p := range []string{in("old"), in("sub/old"), elsewhere} {
		if b, err := os.ReadFile(p); err != nil || string(b) != "live" {
			t.Errorf("%s = %q, %v", p, b, err)
		}
	}
	for _, p := range []string{in("new"), got.Temp} {
		if _, err := os.Lstat(p); !os.IsNotExist(err) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if err := s.Shadow(t.Context(), "try", []string{"/"}, a, &got); err == nil {
		t.Error("a shadow of / hides what is mounted below it")
	}
}
