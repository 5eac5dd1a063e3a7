package disk

import (
	"cmp"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

const (
	blobDir = "cas"
	// shardLen is the length of a shard's name; why it is so short says package cas.
	shardLen = 1
	// tempLife is the age at which a file that is being written is taken for left
	// behind. The longest put is a toolchain over a slow disk: minutes.
	tempLife = time.Hour
	// Eviction goes down to keep/whole of the limit, so that it happens once for
	// every tenth of the limit that is stored.
	keep, whole = 9, 10
)

// age is what the choice of files to evict needs: the last use, in nanoseconds,
// and the bytes that go with the file.
type age struct{ used, bytes int64 }

// candidate is a file that may have to go.
type candidate struct {
	age
	path string
}

// tidy counts all files, removes what is left of writers that died, and evicts.
func (l *ledger) tidy(ctx context.Context) {
	l.begin()
	now := l.now()
	var ages []age
	var size tally
	walk(ctx, l.dir, func(path string, info safefile.Info) {
		switch {
		case safefile.IsTemp(filepath.Base(path)):
			removeStale(path, info, now)
		case info.Regular:
			size.add(info.Size)
			if !l.stays(path) {
				ages = append(ages, age{lastUse(info, now), blocks(info.Size)})
			}
		}
	})
	if size.bytes > l.limit {
		l.flush() // what was used during the count must not go by its old last use
		goal := l.limit / whole * keep
		size = l.evict(ctx, goal, horizon(ages, size.bytes-goal), now)
	}
	if ctx.Err() == nil { // half a count is worse than the old one
		l.end(size)
	}
}

// evict removes files that were used last at or before horizon, the oldest first,
// until all together take goal bytes, and returns what is left. It counts again,
// since other processes may be evicting too: what they have removed and what was
// used meanwhile is no longer chosen. The first count told the horizon, so that
// the paths of all files need not be held at once.
func (l *ledger) evict(ctx context.Context, goal, horizon int64, now time.Time) tally {
	var left tally
	var old []candidate
	walk(ctx, l.dir, func(path string, info safefile.Info) {
		if !info.Regular || safefile.IsTemp(filepath.Base(path)) {
			return
		}
		left.add(info.Size)
		if used := lastUse(info, now); used <= horizon {
			old = append(old, candidate{age{used, blocks(info.Size)}, path})
		}
	})
	slices.SortFunc(old, func(a, b candidate) int { return cmp.Compare(a.used, b.used) })
	for _, c := range old {
		if left.bytes <= goal || ctx.Err() != nil {
			break
		}
		if l.stays(c.path) {
			continue
		}
		// Another process may have been faster; it is gone either way.
		if err := os.Remove(c.path); err == nil || isAbsent(err) {
			left.bytes -= c.bytes
			left.files--
		}
	}
	return left
}

// stays reports whether path is a blob that is pinned.
func (l *ledger) stays(path string) bool {
	if l.pinned == nil || filepath.Base(filepath.Dir(filepath.Dir(path))) != blobDir {
		return false
	}
	d, ok := keyOf(filepath.Base(path))
	return ok && l.pinned(d)
}

// horizon returns the last use of the youngest file that has to go so that all
// older ones with it make up at least excess bytes.
func horizon(all []age, excess int64) int64 {
	slices.SortFunc(all, func(a, b age) int { return cmp.Compare(a.used, b.used) })
	for _, f := range all {
		excess -= f.bytes
		if excess <= 0 {
			return f.used
		}
	}
	return math.MaxInt64
}

// lastUse returns when the file was used last. A time in the future was recorded
// by a clock that was wrong; it must not keep the file for years, so such files
// go first unless they are used.
func lastUse(info safefile.Info, now time.Time) int64 {
	if info.Used > now.Add(useInterval).UnixNano() {
		return 0
	}
	return info.Used
}

func removeStale(path string, info safefile.Info, now time.Time) {
	age := now.Sub(time.Unix(0, info.Mtime))
	if age > tempLife || age < -tempLife {
		_ = safefile.Remove(path, info.Stamp) // tried again at the next count
	}
}

// walk calls visit for everything in the shards and for the temporary files. What
// vanishes meanwhile is not visited. Names of other programs in the directory
// itself are left alone.
func walk(ctx context.Context, dir string, visit func(path string, info safefile.Info)) {
	tops := []string{blobDir}
	for _, k := range storage.Kinds() {
		tops = append(tops, k.String())
	}
	for _, top := range tops {
		top = filepath.Join(dir, top)
		for _, name := range names(top) {
			if ctx.Err() != nil {
				return
			}
			path := filepath.Join(top, name)
			if len(name) == shardLen {
				walkShard(path, visit)
			} else if info, err := safefile.Lstat(path); err == nil && safefile.IsTemp(name) {
				visit(path, info)
			}
		}
	}
}

func walkShard(shard string, visit func(path string, info safefile.Info)) {
	for _, name := range names(shard) {
		path := filepath.Join(shard, name)
		if info, err := safefile.Lstat(path); err == nil {
			visit(path, info)
		}
	}
}

// names returns the names in dir, those before the first error if there is one.
func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Name()
	}
	return list
}
