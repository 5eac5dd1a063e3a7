package disk_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

func TestKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tier")
	tier, err := disk.Open(disk.Config{Dir: dir, Limit: 1 << 30, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer tier.Close()
	if got, err := tier.Keys(t.Context(), storage.Entry); err != nil || len(got) != 0 {
		t.Fatalf("Keys of an empty tier = %v, %v", got, err)
	}
	var want []digest.Digest
	for _, s := range []string{"a", "b", "c", "d"} {
		key := digest.Of([]byte(s))
		want = append(want, key)
		if err := storage.Put(t.Context(), tier, storage.Entry, key, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	other := digest.Of([]byte("of another kind"))
	if err := storage.Put(t.Context(), tier, storage.Subject, other, nil); err != nil {
		t.Fatal(err)
	}
	shard := filepath.Join(dir, "ac", want[0].Hex()[:1])
	for _, stray := range []string{".tmp-xyz", "README", want[1].Hex() + "-01", other.Hex() + "-1"} {
		if err := os.WriteFile(filepath.Join(shard, stray), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := tier.Keys(t.Context(), storage.Entry)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want, func(a, b digest.Digest) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tier.Keys(ctx, storage.Entry); err == nil {
		t.Error("no error after cancellation")
	}
}
