//go:build linux

package safefile_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/safefile"
)

func TestSettled(t *testing.T) {
	const second, milli = int64(time.Second), int64(time.Millisecond)
	for _, test := range []struct {
		ctime, now int64
		want       bool
	}{
		{100*second + 1, 100*second + 1, false},
		{100*second + 1, 100*second + 10*milli, false},
		{100*second + 1, 100*second + 11*milli, true},
		{100 * second, 100*second + 11*milli, false}, // may be a whole-second clock
		{100 * second, 102 * second, false},
		{100 * second, 102*second + 1, true},
		{200*second + 1, 100 * second, false}, // a change in the future
	} {
		s := safefile.Stamp{Ctime: test.ctime, Mtime: test.now + second}
		if got := s.Settled(test.now); got != test.want {
			t.Errorf("changed at %d, now %d: Settled = %v", test.ctime, test.now, got)
		}
	}
}

// TestStampShowsChanges: a settled file that is changed in place, its size and
// modification time put back, has another stamp.
func TestStampShowsChanges(t *testing.T) {
	dir := t.TempDir()
	if !safefile.StampsReliable(dir) {
		t.Skip("the file system's stamps are not reliable")
	}
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := safefile.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	for !before.Settled(safefile.Now()) {
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(path, []byte("abd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(0, before.Mtime)); err != nil {
		t.Fatal(err)
	}
	after, err := safefile.Lstat(path)
	if err != nil || after.Stamp == before.Stamp || after.Mtime != before.Mtime {
		t.Errorf("stamps %+v and %+v, %v", before.Stamp, after.Stamp, err)
	}
}

func TestOpenRegular(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = errors.Join(
		os.WriteFile(at("file"), []byte("abc"), 0o600),
		os.Symlink("file", at("link")),
		os.Symlink("loop", at("loop")),
		os.Mkdir(at("dir"), 0o700),
		syscall.Mkfifo(at("fifo"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"file":   nil,
		"link":   safefile.ErrNotRegular,
		"loop":   safefile.ErrNotRegular,
		"dir":    safefile.ErrNotRegular,
		"fifo":   safefile.ErrNotRegular,
		"socket": safefile.ErrNotRegular,
		"absent": fs.ErrNotExist,
	} {
		f, info, err := safefile.OpenRegular(at(name))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err == nil {
			now, err := safefile.Lstat(at(name))
			if err != nil || info != now || info.Size != 3 {
				t.Errorf("%s: %+v, then %+v, %v", name, info, now, err)
			}
			f.Close()
		}
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	stamp := func() safefile.Stamp {
		t.Helper()
		info, err := safefile.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Stamp
	}
	if err := safefile.Write(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := stamp()
	if err := safefile.Write(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := safefile.Remove(path, old); err != nil || read(t, path) != "new" {
		t.Errorf("the file that took the place of the one to remove: %v", err)
	}
	for range 2 {
		if err := safefile.Remove(path, stamp()); err != nil {
			t.Error(err)
		}
		if err := os.MkdirAll(filepath.Join(path, "sub"), 0o700); err != nil {
			t.Errorf("path is not free: %v", err)
		}
	}
}

func TestTouch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := safefile.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	used := time.Unix(1_000_000_000, 5000)
	if err := safefile.Touch(path, used); err != nil {
		t.Fatal(err)
	}
	after, err := safefile.Lstat(path)
	if err != nil || after.Used != used.UnixNano() || after.Mtime != before.Mtime {
		t.Errorf("%+v, %v, want used at %d, modified at %d", after, err, used.UnixNano(), before.Mtime)
	}
}
