package storage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/storagetest"
)

func TestFaultOf(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOSPC: "cannot store: disk full: write x: no space left on device",
		syscall.EDQUOT: "cannot store: disk full: write x: disk quota exceeded",
		syscall.EFBIG:  "cannot store: disk full: write x: file too large",
		syscall.EROFS:  "cannot store: storage is read-only: write x: read-only file system",
		syscall.EACCES: "cannot store: permission denied: write x: permission denied",
		syscall.EMFILE: "cannot store: out of descriptors or memory: write x: too many open files",
		syscall.EIO:    "cannot store: storage unavailable: write x: input/output error",
	} {
		got := storage.FaultOf("store", &os.PathError{Op: "write", Path: "x", Err: err}).Error()
		if got != want {
			t.Errorf("FaultOf(%v) = %q, want %q", err, got, want)
		}
	}
}

// reader is a tier whose blobs are read from r.
type reader struct {
	*storagetest.Memory
	r io.Reader
}

func (t reader) GetBlob(context.Context, digest.Digest) (io.ReadCloser, error) {
	return io.NopCloser(t.r), nil
}

// endless yields zeros for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestReadBlobVerifies: whatever a tier gives out, ReadBlob gives the right bytes
// or one of the errors that tiers have.
func TestReadBlobVerifies(t *testing.T) {
	content := []byte("content of the blob")
	d := digest.Of(content)
	cut := errors.New("connection lost")
	for name, test := range map[string]struct {
		r             io.Reader
		want          error
		corrupt, fail bool
	}{
		"right":     {r: iotest.OneByteReader(bytes.NewReader(content))},
		"data+EOF":  {r: iotest.DataErrReader(bytes.NewReader(content))},
		"other":     {r: bytes.NewReader([]byte("content of the blub")), corrupt: true},
		"short":     {r: bytes.NewReader(content[:5]), corrupt: true},
		"empty":     {r: bytes.NewReader(nil), corrupt: true},
		"endless":   {r: endless{}, corrupt: true},
		"appended":  {r: io.MultiReader(bytes.NewReader(content), endless{}), corrupt: true},
		"cut":       {r: io.MultiReader(bytes.NewReader(content[:5]), iotest.ErrReader(cut)), fail: true, want: cut},
		"own fault": {r: iotest.ErrReader(storage.FaultOf("read", syscall.EIO)), fail: true, want: syscall.EIO},
		"own miss":  {r: iotest.ErrReader(storage.CorruptBlob(d, cut)), corrupt: true, want: cut},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := storage.ReadBlob(t.Context(), reader{r: test.r}, d)
			_, fault := errors.AsType[*storage.Fault](err)
			switch {
			case storage.IsMiss(err) != test.corrupt, fault != test.fail, test.want != nil && !errors.Is(err, test.want):
				t.Errorf("error %v", err)
			case err == nil && !bytes.Equal(got, content):
				t.Errorf("content %q", got)
			}
		})
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestCopyBlobWriter: an error of the writer is not taken for one of the tier.
func TestCopyBlobWriter(t *testing.T) {
	tier := storagetest.NewMemory()
	d, err := storage.WriteBlob(t.Context(), tier, []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("the writer is full")
	err = storage.CopyBlob(t.Context(), tier, d, failingWriter{full})
	if _, ok := errors.AsType[*storage.Fault](err); ok || storage.IsMiss(err) || !errors.Is(err, full) {
		t.Errorf("CopyBlob = %v, want the writer's error", err)
	}
}

// TestLyingSize: a digest that claims to be huge costs no memory.
func TestLyingSize(t *testing.T) {
	d := digest.Digest{Size: 1 << 50}
	_, err := storage.ReadBlob(t.Context(), reader{r: bytes.NewReader([]byte("little"))}, d)
	if !storage.IsMiss(err) {
		t.Errorf("ReadBlob = %v, want a miss", err)
	}
}
