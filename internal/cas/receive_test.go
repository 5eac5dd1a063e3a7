package cas_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

func TestReceive(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	b := content(1, 300000)
	d := digest.Of(b)
	in, err := s.Receive(d)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Discard()
	for i := 0; i < len(b); i += 1000 {
		if s.Has(d) {
			t.Fatal("a part of it is a blob")
		}
		if _, err := in.Write(b[i : i+1000]); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.Commit(t.Context()); err != nil || in.Size() != d.Size {
		t.Fatal(err)
	}
	if _, err := s.Path(t.Context(), d); err != nil {
		t.Error(err)
	}
}

// TestReceiveLies: what is not the blob that it is called is not stored, and what is
// longer takes no more room than was asked for.
func TestReceiveLies(t *testing.T) {
	b := content(1, 5000)
	for name, d := range map[string]digest.Digest{
		"other content": digest.Of(content(2, 5000)),
		"shorter":       {Hash: digest.Of(b).Hash, Size: 6000},
		"longer":        {Hash: digest.Of(b).Hash, Size: 4999},
		"empty":         digest.Empty(),
	} {
		dir := t.TempDir()
		in, err := open(t, dir, nil).Receive(d)
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Write(b)
		if err == nil {
			err = in.Commit(t.Context())
		}
		if !errors.Is(err, storage.ErrWrongContent) || in.Size() > d.Size {
			t.Errorf("%s: %v after %d bytes", name, err, in.Size())
		}
		in.Discard()
		err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				t.Errorf("%s: left %s", name, path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
