package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

func TestOpenRefuses(t *testing.T) {
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o770); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := disk.Open(disk.Config{Dir: shared, Limit: mib, Now: time.Now})
	if _, ok := errors.AsType[*safefile.NotPrivateError](err); !ok {
		t.Errorf("directory that others can write to: %v", err)
	}
	_, err = disk.Open(disk.Config{Dir: filepath.Join(file, "sub"), Limit: mib, Now: time.Now})
	if _, ok := errors.AsType[*storage.Fault](err); !ok {
		t.Errorf("directory below a file: %v", err)
	}
	if _, err = disk.Open(disk.Config{Dir: t.TempDir(), Now: time.Now}); err == nil {
		t.Error("a limit of 0 was accepted")
	}
}

// TestDirectoryVanishes: a user may remove the cache under a running coordinator.
func TestDirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	tier := open(t, disk.Config{Dir: dir, Limit: 10 * mib, Memory: mib})
	key := digest.Of([]byte("key"))
	for range 2 {
		if err := storage.Put(t.Context(), tier, storage.Entry, key, []byte("payload")); err != nil {
			t.Fatal(err)
		}
		if _, err := storage.WriteBlob(t.Context(), tier, []byte("blob")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := storage.Get(t.Context(), tier, storage.Entry, key); !storage.IsMiss(err) {
			t.Errorf("get: %v, want a miss", err)
		}
	}
}

// TestUnwritable: what can be read is, and what cannot be stored is a fault.
func TestUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; TestNoSpace covers faults of puts")
	}
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: 10 * mib})
	d, err := storage.WriteBlob(t.Context(), tier, []byte("blob"))
	if err != nil {
		t.Fatal(err)
	}
	cas := filepath.Join(dir, "cas")
	if err := os.Chmod(cas, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(cas, 0o700) })
	_, err = storage.WriteBlob(t.Context(), tier, []byte("another"))
	if f, ok := errors.AsType[*storage.Fault](err); !ok || f.Trouble != storage.Denied {
		t.Errorf("put: %v, want it denied", err)
	}
	if _, err := storage.ReadBlob(t.Context(), tier, d); err != nil {
		t.Errorf("read: %v", err)
	}
}
