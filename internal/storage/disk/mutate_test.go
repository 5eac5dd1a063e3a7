//go:build linux

package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// object is something that was put, with all that is needed to check it.
type object struct {
	kind storage.Kind // 0 for a blob
	key  digest.Digest
	want []byte
}

func (o object) path(dir string) string {
	if o.kind == 0 {
		return filepath.Join(dir, "cas", name(o.key))
	}
	return filepath.Join(dir, o.kind.String(), name(o.key))
}

func (o object) put(t *testing.T, tier storage.Tier) {
	t.Helper()
	var err error
	if o.kind == 0 {
		err = tier.PutBlob(t.Context(), o.key, bytes.NewReader(o.want))
	} else {
		err = storage.Put(t.Context(), tier, o.kind, o.key, o.want)
	}
	if err != nil {
		t.Fatalf("put %s: %v", o.path(""), err)
	}
}

// check reads o and reports whether it was there. Wrong bytes and all errors but
// misses fail the test.
func (o object) check(t *testing.T, tier storage.Tier, after string) bool {
	t.Helper()
	var got []byte
	var err error
	if o.kind == 0 {
		got, err = storage.ReadBlob(t.Context(), tier, o.key)
	} else {
		got, err = storage.Get(t.Context(), tier, o.kind, o.key)
	}
	switch {
	case err != nil && !storage.IsMiss(err):
		t.Errorf("after %s: %v", after, err)
	case err == nil && !bytes.Equal(got, o.want):
		t.Errorf("after %s: wrong bytes for %s", after, o.path(""))
	}
	return err == nil
}

func objects(r *rand.Rand) []object {
	var all []object
	for i := range 16 {
		b := make([]byte, r.IntN(20_000))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		all = append(all, object{0, digest.Of(b), b})
		for _, k := range storage.Kinds() {
			payload := fmt.Appendf(nil, "payload %d of %s %*d", i, k, r.IntN(2000), i)
			all = append(all, object{k, digest.Of(payload), payload})
		}
	}
	return all
}

// mutation does something to the file of an object; other is that of another.
type mutation struct {
	name string
	do   func(r *rand.Rand, path, other string) error
}

// inPlace changes the bytes of a file without another trace.
func inPlace(change func(r *rand.Rand, b []byte) []byte) func(*rand.Rand, string, string) error {
	return func(r *rand.Rand, path, _ string) error {
		return rewrite(path, func(b []byte) []byte { return change(r, b) })
	}
}

// instead puts something else in the place of a file.
func instead(make func(path, other string) error) func(*rand.Rand, string, string) error {
	return func(_ *rand.Rand, path, other string) error {
		return errors.Join(os.RemoveAll(path), make(path, other))
	}
}

func mutations() []mutation {
	return []mutation{
		{"bit flip", inPlace(func(r *rand.Rand, b []byte) []byte {
			if len(b) > 0 {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
			return b
		})},
		{"truncation", inPlace(func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b)+1)] })},
		{"growth", inPlace(func(r *rand.Rand, b []byte) []byte { return append(b, make([]byte, 1+r.IntN(5000))...) })},
		{"no bytes", inPlace(func(*rand.Rand, []byte) []byte { return nil })},
		{"zeros from somewhere on", inPlace(func(r *rand.Rand, b []byte) []byte { clear(b[r.IntN(len(b)+1):]); return b })},
		{"huge file", func(_ *rand.Rand, path, _ string) error {
			return errors.Join(os.Chmod(path, 0o600), os.Truncate(path, 1<<40))
		}},
		{"removal", instead(func(string, string) error { return nil })},
		{"swap", func(_ *rand.Rand, path, other string) error {
			return errors.Join(os.Rename(path, path+"x"), os.Rename(other, path), os.Rename(path+"x", other))
		}},
		{"hard link of another", instead(func(path, other string) error { return os.Link(other, path) })},
		{"link to another", instead(func(path, other string) error { return os.Symlink(other, path) })},
		{"link to itself", instead(func(path, _ string) error { return os.Symlink(path, path) })},
		{"directory", instead(func(path, _ string) error { return os.MkdirAll(filepath.Join(path, "a"), 0o700) })},
		{"fifo", instead(func(path, _ string) error { return syscall.Mkfifo(path, 0o600) })},
		{"no permission", func(_ *rand.Rand, path, _ string) error { return os.Chmod(path, 0) }},
		{"file for shard", func(_ *rand.Rand, path, _ string) error {
			shard := filepath.Dir(path)
			return errors.Join(os.RemoveAll(shard), os.WriteFile(shard, nil, 0o600))
		}},
		{"no shard", func(_ *rand.Rand, path, _ string) error { return os.RemoveAll(filepath.Dir(path)) }},
		{"more entries", func(r *rand.Rand, path, _ string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(path), fmt.Sprint(r.IntN(5))), []byte("extra"), 0o600)
		}},
	}
}

// memoryDir returns a directory in memory where there is one: ext4 takes long to
// make files where thousands were removed lately.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "cachepot-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestMutations does 10,000 random things to a small store. Each object is then
// what was put or a miss, and can be put again.
func TestMutations(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	dir := memoryDir(t)
	tier := open(t, disk.Config{Dir: dir, Limit: 1000 * mib, Memory: 10 * mib})
	all := objects(r)
	for _, o := range all {
		o.put(t, tier)
	}
	kinds := mutations()
	done := map[string]int{}
	hits := 0
	rounds := 10_000
	if testing.Short() {
		rounds = 1000
	}
	for i := range rounds {
		o, other := all[r.IntN(len(all))], all[r.IntN(len(all))]
		m := kinds[r.IntN(len(kinds))]
		if err := m.do(r, o.path(dir), other.path(dir)); err == nil {
			done[m.name]++
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			t.Fatalf("%s: %v", m.name, err)
		}
		for _, o := range []object{o, other, all[r.IntN(len(all))]} {
			if o.check(t, tier, fmt.Sprintf("%s, number %d", m.name, i)) {
				hits++
				continue
			}
			o.put(t, tier)
			if !o.check(t, tier, m.name+" and put") {
				t.Fatalf("%s, number %d: %s cannot be put again", m.name, i, o.path(""))
			}
		}
		if t.Failed() {
			return
		}
	}
	if len(done) != len(kinds) || hits < rounds/2 {
		t.Errorf("too little was tested: mutations %v, %d hits", done, hits)
	}
}
