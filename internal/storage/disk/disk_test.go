package disk_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
	"github.com/cachepot/cachepot/internal/storage/storagetest"
)

const mib = 1 << 20

func open(t testing.TB, c disk.Config) *disk.Tier {
	t.Helper()
	if c.Now == nil {
		c.Now = time.Now
	}
	tier, err := disk.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tier.Close() })
	return tier
}

func name(d digest.Digest) string {
	h := d.Hex()
	return filepath.Join(h[:1], h+"-"+strconv.FormatInt(d.Size, 10))
}

// rewriter changes the files of a tier in place, without another trace.
type rewriter struct {
	*disk.Tier
	dir string
}

func (r rewriter) RewriteRecord(kind storage.Kind, key digest.Digest, change func([]byte) []byte) error {
	return rewrite(filepath.Join(r.dir, kind.String(), name(key)), change)
}

func (r rewriter) RewriteBlob(d digest.Digest, change func([]byte) []byte) error {
	return rewrite(filepath.Join(r.dir, "cas", name(d)), change)
}

func rewrite(path string, change func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, change(b), 0o600)
}

func TestConformance(t *testing.T) {
	for name, memory := range map[string]int64{"memory": mib, "no memory": 0} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Tier {
				dir := t.TempDir()
				return rewriter{open(t, disk.Config{Dir: dir, Limit: 100 * mib, Memory: memory}), dir}
			})
		})
	}
}

// TestLayout: where things lie is a promise to other versions.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: mib})
	d, err := storage.WriteBlob(t.Context(), tier, []byte("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Put(t.Context(), tier, storage.Entry, d, []byte("def")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"cas/b/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad-3": "abc",
		"ac/b/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad-3":  string(storage.Seal(storage.Entry, d, []byte("def"))),
	} {
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", path, got, err, want)
		}
	}
}

// TestSameRecord: a record that is there is not written anew, and another takes its place.
func TestSameRecord(t *testing.T) {
	dir := t.TempDir()
	tier := open(t, disk.Config{Dir: dir, Limit: mib, Memory: mib})
	key := digest.Of([]byte("key"))
	put := func(payload string) os.FileInfo {
		t.Helper()
		if err := storage.Put(t.Context(), tier, storage.Request, key, []byte(payload)); err != nil {
			t.Fatal(err)
		}
		if got, err := storage.Get(t.Context(), tier, storage.Request, key); err != nil || string(got) != payload {
			t.Fatalf("got %q, %v, want %q", got, err, payload)
		}
		info, err := os.Stat(filepath.Join(dir, storage.Request.String(), name(key)))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := put("one")
	if !os.SameFile(first, put("one")) {
		t.Error("the same record was written again")
	}
	if os.SameFile(first, put("two")) {
		t.Error("another record did not take its place")
	}
}
