package disk_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// The figures of puts mean little on ext4 where thousands of files were removed
// lately: it keeps their inodes back for a minute and searches past them.

func benchTier(b *testing.B, memory int64) *disk.Tier {
	return open(b, disk.Config{Dir: b.TempDir(), Limit: 1 << 40, Memory: memory})
}

func benchmarkGet(b *testing.B, memory int64) {
	tier := benchTier(b, memory)
	key := digest.Of([]byte("key"))
	payload := bytes.Repeat([]byte("x"), 1000)
	if err := storage.Put(b.Context(), tier, storage.Entry, key, payload); err != nil {
		b.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond) // until the file's stamp is settled
	for b.Loop() {
		if _, err := storage.Get(b.Context(), tier, storage.Entry, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetWarm1K(b *testing.B)     { benchmarkGet(b, mib) }
func BenchmarkGetUnmemoed1K(b *testing.B) { benchmarkGet(b, 0) }

func BenchmarkPath(b *testing.B) {
	tier := benchTier(b, mib)
	d, err := storage.WriteBlob(b.Context(), tier, make([]byte, 20_000))
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(30 * time.Millisecond)
	for b.Loop() {
		if _, err := tier.Blobs().Path(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutBlob20K(b *testing.B) {
	tier := benchTier(b, mib)
	data := make([]byte, 20_000)
	for i := uint64(0); b.Loop(); i++ {
		binary.LittleEndian.PutUint64(data, i)
		if _, err := storage.WriteBlob(b.Context(), tier, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutEntry1K(b *testing.B) {
	tier := benchTier(b, mib)
	payload := make([]byte, 1000)
	for i := int64(0); b.Loop(); i++ {
		if err := storage.Put(b.Context(), tier, storage.Entry, digest.Digest{Size: i}, payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReplaceRequest1K(b *testing.B) {
	tier := benchTier(b, mib)
	payload := make([]byte, 1000)
	for i := uint64(0); b.Loop(); i++ {
		binary.LittleEndian.PutUint64(payload, i)
		if err := storage.Put(b.Context(), tier, storage.Request, digest.Empty(), payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSameRequest1K(b *testing.B) {
	tier := benchTier(b, mib)
	payload := make([]byte, 1000)
	for b.Loop() {
		if err := storage.Put(b.Context(), tier, storage.Request, digest.Empty(), payload); err != nil {
			b.Fatal(err)
		}
	}
}
