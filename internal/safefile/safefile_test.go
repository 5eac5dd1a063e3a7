package safefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/safefile"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// list returns all paths below dir.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if path != dir {
			paths = append(paths, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "file")
	for _, content := range []string{"first", "second", ""} {
		if err := safefile.Write(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != content {
			t.Errorf("content %q, want %q", got, content)
		}
	}
	if diff := cmp.Diff([]string{"a", "a/b", "a/b/file"}, list(t, dir)); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory made with mode %v, %v, want 0700", info.Mode(), err)
	}
}

func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "file")
	if err := safefile.WriteNew(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := safefile.WriteNew(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second WriteNew: %v, want fs.ErrExist", err)
	}
	if got := read(t, path); got != "first" {
		t.Errorf("content %q, want that of the first", got)
	}
	if diff := cmp.Diff([]string{"a", "a/file"}, list(t, dir)); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

// TestWriteInTheWay: files and directories that do not belong where a file or its
// directory goes are replaced.
func TestWriteInTheWay(t *testing.T) {
	dir := t.TempDir()
	shard := filepath.Join(dir, "ab")
	if err := os.WriteFile(shard, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := safefile.WriteNew(filepath.Join(shard, "x"), []byte("x"), 0o600); err != nil {
		t.Errorf("a file in the place of the directory: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(shard, "y", "z"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := safefile.Write(filepath.Join(shard, "y"), []byte("y"), 0o600); err != nil {
		t.Errorf("a directory in the place of the file: %v", err)
	}
	if diff := cmp.Diff([]string{"ab", "ab/x", "ab/y"}, list(t, dir)); diff != "" {
		t.Errorf("files (-want +got)\n%s", diff)
	}
}

// TestConcurrent: readers of a file that many replace see one whole content, never
// none; exactly one of those that put a new file wins.
func TestConcurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := func(w int) []byte { return []byte(strings.Repeat(string(rune('a'+w)), 5000)) }
	if err := safefile.Write(path, content(0), 0o600); err != nil {
		t.Fatal(err)
	}
	var wins atomic.Int64
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for i := range 50 {
				if err := safefile.Write(path, content(w), 0o600); err != nil {
					t.Errorf("write: %v", err)
				}
				switch err := safefile.WriteNew(path+strconv.Itoa(i), content(w), 0o600); {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, fs.ErrExist):
					t.Errorf("write new: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 200 {
				b, err := os.ReadFile(path)
				if err != nil || len(b) != 5000 || strings.Count(string(b), string(b[:1])) != 5000 {
					t.Errorf("read %d bytes, %v, want one whole content", len(b), err)
				}
			}
		})
	}
	wg.Wait()
	if wins.Load() != 50 {
		t.Errorf("50 new files were made %d times", wins.Load())
	}
}
