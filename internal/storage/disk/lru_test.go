//go:build linux

package disk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// eventually waits until cond holds; housekeeping is done in the background.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// block returns the i-th of blobs that take one block each.
func block(i int) []byte { return fmt.Appendf(nil, "blob %d", i) }

func putBlock(t *testing.T, tier storage.Tier, i int) {
	t.Helper()
	if _, err := storage.WriteBlob(t.Context(), tier, block(i)); err != nil {
		t.Fatal(err)
	}
}

func blobPath(dir string, b []byte) string {
	return filepath.Join(dir, "cas", name(digest.Of(b)))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func setUsed(t *testing.T, path string, used time.Time) {
	t.Helper()
	if err := os.Chtimes(path, used, time.Time{}); err != nil {
		t.Fatal(err)
	}
}

func usage(t *testing.T, tier *disk.Tier) disk.Usage {
	t.Helper()
	u, err := tier.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// count returns the number of files below dir.
func count(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		if errors.Is(err, fs.ErrNotExist) { // evicted meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestEviction fills a tier of 100 blocks with blobs of which the first is the
// oldest, uses some of the oldest, and stores more.
func TestEviction(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: 100 * 4096})
	usage(t, tier) // the first scan is over
	now := time.Now()
	for i := range 100 {
		putBlock(t, tier, i)
		setUsed(t, blobPath(dir, block(i)), now.Add(time.Duration(i-200)*time.Hour))
	}
	used := []int{0, 3, 7}
	for _, i := range used {
		if _, err := storage.ReadBlob(t.Context(), tier, digest.Of(block(i))); err != nil {
			t.Fatal(err)
		}
	}
	putBlock(t, tier, 100)
	eventually(t, "eviction", func() bool { return count(t, dir) <= 90 })

	var gone []int
	for i := range 101 {
		if !exists(blobPath(dir, block(i))) {
			gone = append(gone, i)
		}
	}
	if want := "[1 2 4 5 6 8 9 10 11 12 13]"; fmt.Sprint(gone) != want {
		t.Errorf("evicted %v, want %s: the oldest that were not used, down to 90 blocks", gone, want)
	}
	// Blocks that were stored during the count may have been counted twice.
	eventually(t, "usage below the limit", func() bool {
		u := usage(t, tier)
		return u.Files >= 90 && u.Files < 100 && u.Bytes == u.Files*4096
	})
	tier.Close()
	tier = open(t, disk.Config{Dir: dir, Limit: 100 * 4096})
	if u, want := usage(t, tier), (disk.Usage{Bytes: 90 * 4096, Files: 90, Limit: 100 * 4096}); u != want {
		t.Errorf("usage counted anew is %+v, want %+v", u, want)
	}
}

// TestEvictionOfRecords: records age like blobs, and a look-up keeps them.
func TestEvictionOfRecords(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: 20 * 4096})
	usage(t, tier)
	old := time.Now().Add(-100 * time.Hour)
	for i := range 20 {
		key := digest.Of(block(i))
		if err := storage.Put(t.Context(), tier, storage.Entry, key, block(i)); err != nil {
			t.Fatal(err)
		}
		setUsed(t, filepath.Join(dir, "ac", name(key)), old)
	}
	if _, err := storage.Get(t.Context(), tier, storage.Entry, digest.Of(block(5))); err != nil {
		t.Fatal(err)
	}
	putBlock(t, tier, 0)
	eventually(t, "eviction", func() bool { return count(t, dir) <= 18 })
	if !exists(filepath.Join(dir, "ac", name(digest.Of(block(5))))) || !exists(blobPath(dir, block(0))) {
		t.Error("what was used last was evicted")
	}
}

// TestFutureUse: a use that a wrong clock recorded years ahead does not keep a
// file, unless the file is really used.
func TestFutureUse(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: 20 * 4096})
	usage(t, tier)
	for i := range 20 {
		putBlock(t, tier, i)
		if i >= 15 {
			setUsed(t, blobPath(dir, block(i)), time.Now().AddDate(10, 0, 0))
		}
	}
	if _, err := storage.ReadBlob(t.Context(), tier, digest.Of(block(17))); err != nil {
		t.Fatal(err)
	}
	putBlock(t, tier, 20)
	eventually(t, "eviction", func() bool { return count(t, dir) <= 18 })
	var left []string
	for i := 15; i < 20; i++ {
		if exists(blobPath(dir, block(i))) {
			left = append(left, fmt.Sprint(i))
		}
	}
	if len(left) != 2 || !strings.Contains(fmt.Sprint(left), "17") {
		t.Errorf("of those with a use in the future %v are left, want two, 17 among them", left)
	}
}

// TestUseDuringCount: what is used after housekeeping began, but before the
// overflow that it then finds, stays.
func TestUseDuringCount(t *testing.T) {
	dir := t.TempDir()
	var armed atomic.Bool
	var tier *disk.Tier
	// Housekeeping asks for the time once it has taken the uses that wait.
	clock := func() time.Time {
		if armed.CompareAndSwap(true, false) {
			if _, err := storage.ReadBlob(t.Context(), tier, digest.Of(block(7))); err != nil {
				t.Error(err)
			}
			if _, err := storage.WriteBlob(t.Context(), tier, block(20)); err != nil {
				t.Error(err)
			}
		}
		return time.Now()
	}
	tier = open(t, disk.Config{Dir: dir, Limit: 20 * 4096, Now: clock})
	usage(t, tier)
	old := time.Now().Add(-100 * time.Hour)
	for i := range 19 {
		putBlock(t, tier, i)
		setUsed(t, blobPath(dir, block(i)), old.Add(time.Duration(i)*time.Minute))
	}
	// Merely reading a file puts right an old time of its last use, never one ahead.
	setUsed(t, blobPath(dir, block(7)), time.Now().AddDate(10, 0, 0))
	armed.Store(true)
	putBlock(t, tier, 19)
	eventually(t, "eviction", func() bool { return !armed.Load() && count(t, dir) <= 19 })
	if !exists(blobPath(dir, block(7))) {
		t.Error("what was just used was evicted")
	}
}

// TestLastUseSurvivesClose: uses that wait are recorded when the tier closes, and
// the modification time, which a file of a build may share, stays.
func TestLastUseSurvivesClose(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().Truncate(time.Second)
	for _, test := range []struct{ used, want time.Time }{
		{now.Add(-2 * time.Hour), now},
		{now.Add(48 * time.Hour), now},
	} {
		tier := open(t, disk.Config{Dir: dir, Limit: mib, Now: func() time.Time { return now }})
		putBlock(t, tier, 1)
		path := blobPath(dir, block(1))
		// The first reading after a write sets the time by itself (relatime).
		if _, err := os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		mtime := now.Add(-1000 * time.Hour)
		if err := os.Chtimes(path, test.used, mtime); err != nil {
			t.Fatal(err)
		}
		if _, err := tier.Blobs().Path(t.Context(), digest.Of(block(1))); err != nil {
			t.Fatal(err)
		}
		tier.Close()
		got, modified := times(t, path)
		if !got.Equal(test.want) || !modified.Equal(mtime) {
			t.Errorf("last use %v became %v, want %v; modification time %v, want %v", test.used, got, test.want, modified, mtime)
		}
	}
}

// TestLeftovers: what a writer that was killed has left goes after an hour, at
// open; what is being written stays.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	open(t, disk.Config{Dir: dir, Limit: mib}).Close()
	var old, young []string
	for _, place := range []string{"cas", "cas/a", "ac/a", "rq"} {
		if err := os.MkdirAll(filepath.Join(dir, place), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{filepath.Join(dir, place, ".tmp-old"), filepath.Join(dir, place, ".tmp-young")} {
			if err := os.WriteFile(path, []byte("part"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		old = append(old, filepath.Join(dir, place, ".tmp-old"))
		young = append(young, filepath.Join(dir, place, ".tmp-young"))
	}
	for _, path := range old {
		past := time.Now().Add(-61 * time.Minute)
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	usage(t, open(t, disk.Config{Dir: dir, Limit: mib}))
	for i := range old {
		if exists(old[i]) || !exists(young[i]) {
			t.Errorf("%s exists: %v, want false; %s exists: %v, want true", old[i], exists(old[i]), young[i], exists(young[i]))
		}
	}
}

func TestClear(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: 100 * mib, Memory: mib})
	key := digest.Of([]byte("key"))
	for i := range 1000 {
		putBlock(t, tier, i)
	}
	if err := storage.Put(t.Context(), tier, storage.Entry, key, nil); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "README")
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if u := usage(t, tier); u.Files < 1001 {
		t.Errorf("usage before: %+v, want at least 1001 files", u)
	}
	var reports, last int64
	err := tier.Clear(t.Context(), func(done, total int64) {
		if done < last || total != 1001 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		reports++
		last = done
	})
	if err != nil || last != 1001 || reports < 3 {
		t.Errorf("clear: %v, %d reports up to %d, want some up to 1001", err, reports, last)
	}
	if u := usage(t, tier); u.Files != 0 || u.Bytes != 0 {
		t.Errorf("usage after: %+v", u)
	}
	if _, err := storage.Get(t.Context(), tier, storage.Entry, key); !storage.IsMiss(err) {
		t.Errorf("get after clear: %v, want a miss", err)
	}
	if !exists(foreign) {
		t.Error("a file that is not the tier's was removed")
	}
	putBlock(t, tier, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tier.Clear(ctx, nil); err == nil {
		t.Error("clear with a cancelled context gave no error")
	}
}

// times returns when path was used and modified last.
func times(t *testing.T, path string) (used, modified time.Time) {
	t.Helper()
	info, err := safefile.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, info.Used), time.Unix(0, info.Mtime)
}
