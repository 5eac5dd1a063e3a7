//go:build linux

package disk_test

import (
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// TestPinned: a blob that is needed stays, though it is the oldest.
func TestPinned(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: 20 * 4096, Pinned: func(d digest.Digest) bool { return d == digest.Of(block(1)) }})
	usage(t, tier) // the first scan is over
	for i := range 20 {
		putBlock(t, tier, i)
		setUsed(t, blobPath(dir, block(i)), time.Now().Add(time.Duration(i-200)*time.Hour))
	}
	putBlock(t, tier, 20)
	eventually(t, "eviction", func() bool { return count(t, dir) <= 18 })
	if !exists(blobPath(dir, block(1))) || exists(blobPath(dir, block(0))) || exists(blobPath(dir, block(2))) {
		t.Error("the pinned blob is gone, or its neighbours are not")
	}
}
