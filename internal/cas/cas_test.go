package cas_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

func open(t testing.TB, dir string, ledger cas.Ledger) *cas.Store {
	t.Helper()
	s, err := cas.Open(dir, ledger)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// content returns n bytes that differ with seed.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// file returns an open file with content b whose offset is at its end.
func file(t testing.TB, b []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t testing.TB, s *cas.Store, b []byte) digest.Digest {
	t.Helper()
	d, err := s.PutBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func path(t testing.TB, s *cas.Store, d digest.Digest) string {
	t.Helper()
	p, err := s.Path(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// files returns the names of all files below dir.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestPutFile(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for _, size := range []int{0, 1, 20_000, 256<<10 - 1, 256 << 10, 3<<20 + 1} {
		b := content(1, size)
		src := file(t, b)
		d, err := s.PutFile(t.Context(), src)
		if err != nil || d != digest.Of(b) {
			t.Errorf("%d bytes: put = %s, %v, want %s", size, d, err, digest.Of(b))
			continue
		}
		if off, err := src.Seek(0, io.SeekCurrent); err != nil || off != int64(size) {
			t.Errorf("%d bytes: the offset of the source moved to %d, %v", size, off, err)
		}
		got, err := os.ReadFile(path(t, s, d))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: the blob has %d bytes that differ, %v", size, len(got), err)
		}
	}
}

// TestPutFileAcross stores a large file of another file system.
func TestPutFileAcross(t *testing.T) {
	src, err := os.CreateTemp("/dev/shm", "cachepot-test-")
	if err != nil {
		t.Skip("no second file system here")
	}
	defer src.Close()
	if err := os.Remove(src.Name()); err != nil {
		t.Fatal(err)
	}
	b := content(3, 1<<20)
	if _, err := src.Write(b); err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir(), nil)
	if d, err := s.PutFile(t.Context(), src); err != nil || d != digest.Of(b) {
		t.Errorf("put = %s, %v, want %s", d, err, digest.Of(b))
	}
}

// TestPutFileLyingStat stores a file that has more bytes than stat says.
func TestPutFileLyingStat(t *testing.T) {
	src, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Skip("no /proc here")
	}
	defer src.Close()
	s := open(t, t.TempDir(), nil)
	d, err := s.PutFile(t.Context(), src)
	if err != nil || d.Size == 0 {
		t.Errorf("put = %s, %v, want all that can be read", d, err)
	}
	path(t, s, d)
}

// TestStage: what is published is what was staged, whatever becomes of the source.
func TestStage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for _, size := range []int{1000, 1 << 20} {
		b := content(2, size)
		src := file(t, b)
		g, err := s.Stage(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		if g.Size() != int64(size) {
			t.Errorf("size %d, want %d", g.Size(), size)
		}
		if _, err := src.WriteAt([]byte("changed"), 10); err != nil {
			t.Fatal(err)
		}
		if s.Has(digest.Of(b)) {
			t.Error("the blob is there before it was published")
		}
		d, err := g.Publish(t.Context())
		if err != nil || d != digest.Of(b) {
			t.Errorf("publish = %s, %v, want the content at the time of Stage", d, err)
		}
		path(t, s, d)
		g.Discard()
		path(t, s, d)
	}
	g, err := s.Stage(t.Context(), file(t, []byte("dropped")))
	if err != nil {
		t.Fatal(err)
	}
	g.Discard()
	if names := files(t, dir); len(names) != 2 {
		t.Errorf("files after a discard: %v, want the two blobs", names)
	}
}

// TestStageSmall: what is small takes no file until it is published.
func TestStageSmall(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	src := file(t, []byte("small"))
	before, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	g, err := s.Stage(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadDir("/proc/self/fd"); err != nil || len(after) != len(before) {
		t.Errorf("%d descriptors, %v, want %d", len(after), err, len(before))
	}
	if got, err := io.ReadAll(g.Content()); err != nil || string(got) != "small" {
		t.Errorf("staged %q, %v", got, err)
	}
	d, err := g.Publish(t.Context())
	if err != nil || d != digest.Of([]byte("small")) {
		t.Errorf("publish = %s, %v", d, err)
	}
	path(t, s, d)
}

func TestCancelledPut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	cause := errors.New("the caller left")
	ctx, cancel := context.WithCancelCause(t.Context())
	g, err := s.Stage(t.Context(), file(t, []byte("content")))
	if err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	if _, err := g.Publish(ctx); !errors.Is(err, cause) {
		t.Errorf("publish: %v, want the cause", err)
	}
	if _, err := s.PutFile(ctx, file(t, []byte("content"))); !errors.Is(err, cause) {
		t.Errorf("put: %v, want the cause", err)
	}
	if names := files(t, dir); names != nil {
		t.Errorf("visible after cancelled puts: %v", names)
	}
}

// tampers are changes that keep the length and, as far as they can, the times.
func tampers() map[string]func(path string) error {
	flip := func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		var b [1]byte
		_, readErr := f.ReadAt(b[:], 100)
		b[0] ^= 1
		_, err = f.WriteAt(b[:], 100)
		return errors.Join(readErr, err)
	}
	return map[string]func(path string) error{
		"in place": flip,
		"in place, time put back": func(path string) error {
			before, err := os.Stat(path)
			return errors.Join(err, flip(path), os.Chtimes(path, time.Time{}, before.ModTime()))
		},
		"replaced": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[100] ^= 1
			return safefile.Write(path, b, 0o600)
		},
	}
}

// TestTamperAtOnce: a change within the same tick of the clock as the put and the
// verification is noticed.
func TestTamperAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for name, tamper := range tampers() {
		for i := range 200 {
			d := put(t, s, content(uint64(i), 5000))
			p := path(t, s, d)
			if err := os.Chmod(p, 0o600); err != nil {
				t.Fatal(err)
			}
			path(t, s, d) // verified just before it changes
			if err := tamper(p); err != nil {
				t.Fatal(err)
			}
			wantCorrupt(t, s, d, name)
		}
	}
}

// TestTamperLater: so is one of a blob that is known to be good for long.
func TestTamperLater(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	for name, tamper := range tampers() {
		d := put(t, s, content(1, 5000))
		p := path(t, s, d)
		if err := os.Chmod(p, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
		path(t, s, d)
		path(t, s, d)
		if err := tamper(p); err != nil {
			t.Fatal(err)
		}
		wantCorrupt(t, s, d, name)
	}
}

func wantCorrupt(t *testing.T, s *cas.Store, d digest.Digest, what string) {
	t.Helper()
	for _, want := range []storage.Reason{storage.Corrupt, storage.Absent} {
		_, err := s.Path(t.Context(), d)
		if m, ok := errors.AsType[*storage.Miss](err); !ok || m.Reason != want {
			t.Errorf("%s: %v, want a miss because it is %s", what, err, want)
		}
	}
}

// TestPutHeals: a corrupt file does not keep a blob from being stored, even one
// that cannot be told by its length.
func TestPutHeals(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	b := content(1, 5000)
	for name, tamper := range tampers() {
		p := path(t, s, put(t, s, b))
		if err := errors.Join(os.Chmod(p, 0o600), tamper(p)); err != nil {
			t.Fatal(err)
		}
		d, err := s.PutFile(t.Context(), file(t, b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		path(t, s, d)
	}
}

// TestEvictedWhileOpen: who has a blob open keeps its content.
func TestEvictedWhileOpen(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	d := put(t, s, content(1, 5000))
	f, err := s.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Remove(path(t, s, d)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, content(1, 5000)) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if _, err := s.Path(t.Context(), d); !storage.IsMiss(err) {
		t.Errorf("path: %v, want a miss", err)
	}
}

// TestDirectoryVanishes: a directory that is removed under a running process is
// made again.
func TestDirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "cas")
	s := open(t, dir, nil)
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	path(t, s, put(t, s, []byte("content")))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v, want mode 0700", info, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := cas.Open(dir, nil)
	if _, ok := errors.AsType[*safefile.NotPrivateError](err); !ok {
		t.Errorf("open of a directory that all can write to: %v", err)
	}
}

// book is a ledger that remembers.
type book struct {
	mu   sync.Mutex
	log  []string
	last time.Time
}

func (b *book) Stored(size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, "stored "+strconv.FormatInt(size, 10))
}

func (b *book) Used(path string, last time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, "used "+filepath.Base(path)[:4])
	b.last = last
}

func TestLedger(t *testing.T) {
	b := &book{}
	s := open(t, t.TempDir(), b)
	d := put(t, s, []byte("abc"))
	put(t, s, []byte("abc"))
	used := time.Unix(1_600_000_000, 0)
	if err := os.Chtimes(path(t, s, d), used, used); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := s.Path(t.Context(), digest.Of([]byte("absent"))); err == nil {
		t.Error("a blob that was never put is there")
	}
	want := []string{"stored 3", "used ba78", "used ba78", "used ba78"}
	if diff := cmp.Diff(want, b.log); diff != "" {
		t.Errorf("ledger (-want +got)\n%s", diff)
	}
}
