package storagetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

// content returns n bytes that differ with seed and do not compress.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func testBlobRoundTrip(t *testing.T, s storage.Tier) {
	for i, size := range []int{0, 1, 20_000, 128 << 10, 1<<20 + 1} {
		b := content(uint64(i), size)
		d := mustPutBlob(t, s, b)
		wantBlob(t, s, d, b)
		mustPutBlob(t, s, b)
		wantBlob(t, s, d, b)
	}
}

func testMissingBlobs(t *testing.T, s storage.Tier) {
	a := mustPutBlob(t, s, []byte("a"))
	b := mustPutBlob(t, s, []byte("b"))
	x, y := digest.Of([]byte("x")), digest.Of([]byte("y"))
	for _, test := range []struct{ ask, want []digest.Digest }{
		{nil, nil},
		{[]digest.Digest{a, b}, nil},
		{[]digest.Digest{y, a, x, b}, []digest.Digest{y, x}},
	} {
		got, err := s.MissingBlobs(t.Context(), test.ask)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("missing blobs: %v, (-want +got)\n%s", err, diff)
		}
	}
}

func testWrongContent(t *testing.T, s storage.Tier) {
	right := content(1, 5000)
	d := digest.Of(right)
	for name, wrong := range map[string][]byte{
		"other": content(2, 5000),
		"short": right[:4999],
		"empty": {},
	} {
		err := s.PutBlob(t.Context(), d, bytes.NewReader(wrong))
		if !errors.Is(err, storage.ErrWrongContent) {
			t.Errorf("put of %s content: %v, want ErrWrongContent", name, err)
		}
		_, err = storage.ReadBlob(t.Context(), s, d)
		wantMiss(t, "read after put of "+name+" content", err, storage.Absent)
	}
	long := append(bytes.Clone(right), "more"...)
	if err := s.PutBlob(t.Context(), d, bytes.NewReader(long)); err != nil {
		t.Errorf("put from a source that goes on: %v", err)
	}
	wantBlob(t, s, d, right)
}

func testFailingSource(t *testing.T, s storage.Tier) {
	zeros := make([]byte, 300_000)
	d := digest.Of(zeros)
	err := s.PutBlob(t.Context(), d, errReader{n: 200_000})
	if _, ok := errors.AsType[*storage.Fault](err); !ok || !errors.Is(err, errSource) {
		t.Errorf("put from a source that fails: %v, want a fault that wraps its error", err)
	}
	_, err = storage.ReadBlob(t.Context(), s, d)
	wantMiss(t, "read after the put that failed", err, storage.Absent)
	mustPutBlob(t, s, zeros)
	wantBlob(t, s, d, zeros)
}

func testCorruptBlob(t *testing.T, s storage.Tier) {
	rw, ok := s.(Rewriter)
	if !ok {
		t.Skip("the tier is no Rewriter")
	}
	var seed uint64
	for name, change := range changes() {
		seed++
		b := content(seed, 30_000)
		d := mustPutBlob(t, s, b)
		wantBlob(t, s, d, b) // so that a tier that remembers does
		if err := rw.RewriteBlob(d, change); err != nil {
			t.Fatalf("%s: rewrite: %v", name, err)
		}
		_, err := storage.ReadBlob(t.Context(), s, d)
		wantMiss(t, name, err, storage.Corrupt)
		mustPutBlob(t, s, b)
		wantBlob(t, s, d, b)
	}
}
