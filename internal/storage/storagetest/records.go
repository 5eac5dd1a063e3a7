package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

func testAbsent(t *testing.T, s storage.Tier) {
	for _, k := range storage.Kinds() {
		_, err := storage.Get(t.Context(), s, k, key("absent"))
		wantMiss(t, k.String(), err, storage.Absent)
	}
	_, err := storage.ReadBlob(t.Context(), s, key("absent"))
	wantMiss(t, "blob", err, storage.Absent)
}

func testRecordRoundTrip(t *testing.T, s storage.Tier) {
	for _, k := range storage.Kinds() {
		for _, size := range []int{0, 1, 1000, 4096, storage.MaxRequest} {
			payload := strings.Repeat("\n", size)
			name := digest.Of([]byte(payload))
			mustPut(t, s, k, name, payload)
			wantRecord(t, s, k, name, payload)
		}
	}
}

func testImmutable(t *testing.T, s storage.Tier) {
	for _, k := range storage.Kinds() {
		if k.Mutable() || k == storage.PathSet { // a path set has only one payload
			continue
		}
		mustPut(t, s, k, key("a"), "first")
		mustPut(t, s, k, key("a"), "second")
		wantRecord(t, s, k, key("a"), "first")
	}
}

func testMutable(t *testing.T, s storage.Tier) {
	for _, k := range storage.Kinds() {
		if !k.Mutable() {
			continue
		}
		for _, payload := range []string{"first", "second, longer", "3rd", "", "first"} {
			mustPut(t, s, k, key("a"), payload)
			wantRecord(t, s, k, key("a"), payload)
		}
	}
}

// testWholeNames: kind, hash and size are all part of a record's name, and blobs
// are apart from records.
func testWholeNames(t *testing.T, s storage.Tier) {
	short, long := key("a"), key("a")
	long.Size++
	mustPut(t, s, storage.Entry, short, "short")
	mustPut(t, s, storage.Entry, long, "long")
	mustPut(t, s, storage.Toolchain, short, "toolchain")
	wantRecord(t, s, storage.Entry, short, "short")
	wantRecord(t, s, storage.Entry, long, "long")
	wantRecord(t, s, storage.Toolchain, short, "toolchain")
	_, err := storage.ReadBlob(t.Context(), s, short)
	wantMiss(t, "blob under the key of a record", err, storage.Absent)
}

func testBadRecords(t *testing.T, s storage.Tier) {
	err := storage.Put(t.Context(), s, storage.Request, key("a"), make([]byte, storage.MaxRequest+1))
	if !errors.Is(err, storage.ErrTooLong) {
		t.Errorf("put of a request that is too long: %v, want ErrTooLong", err)
	}
	err = storage.Put(t.Context(), s, storage.PathSet, key("a"), []byte("b"))
	if !errors.Is(err, storage.ErrWrongContent) {
		t.Errorf("put of a path set under a foreign key: %v, want ErrWrongContent", err)
	}
	for _, k := range []storage.Kind{storage.Request, storage.PathSet} {
		_, err := storage.Get(t.Context(), s, k, key("a"))
		wantMiss(t, "get after a refused put", err, storage.Absent)
	}
}

func testCallerOwnsBytes(t *testing.T, s storage.Tier) {
	record := storage.Seal(storage.Entry, key("a"), []byte("payload"))
	if err := s.PutRecord(t.Context(), storage.Entry, key("a"), record); err != nil {
		t.Fatal(err)
	}
	clear(record)
	for range 3 {
		got, err := s.GetRecord(t.Context(), storage.Entry, key("a"))
		if err != nil {
			t.Fatal(err)
		}
		clear(got)
	}
	wantRecord(t, s, storage.Entry, key("a"), "payload")
}

func testCorruptRecord(t *testing.T, s storage.Tier) {
	rw, ok := s.(Rewriter)
	if !ok {
		t.Skip("the tier is no Rewriter")
	}
	for name, change := range changes() {
		for _, k := range storage.Kinds() {
			payload := "payload " + name
			at := digest.Of([]byte(payload))
			mustPut(t, s, k, at, payload)
			wantRecord(t, s, k, at, payload) // so that a tier that remembers does
			if err := rw.RewriteRecord(k, at, change); err != nil {
				t.Fatalf("%s: rewrite %s: %v", name, k, err)
			}
			_, err := storage.Get(t.Context(), s, k, at)
			wantMiss(t, name+" "+k.String(), err, storage.Corrupt)
		}
	}
}

// testSwappedRecords: a record that was valid in one place is not in another.
func testSwappedRecords(t *testing.T, s storage.Tier) {
	rw, ok := s.(Rewriter)
	if !ok {
		t.Skip("the tier is no Rewriter")
	}
	mustPut(t, s, storage.Entry, key("a"), "result of a")
	mustPut(t, s, storage.Entry, key("b"), "result of b")
	mustPut(t, s, storage.Toolchain, key("a"), "tree of a")
	var ofA []byte
	err := rw.RewriteRecord(storage.Entry, key("a"), func(b []byte) []byte { ofA = b; return b })
	put := func([]byte) []byte { return ofA }
	err = errors.Join(err,
		rw.RewriteRecord(storage.Entry, key("b"), put),
		rw.RewriteRecord(storage.Toolchain, key("a"), put))
	if err != nil {
		t.Fatal(err)
	}
	_, err = storage.Get(t.Context(), s, storage.Entry, key("b"))
	wantMiss(t, "entry of a under the key of b", err, storage.Corrupt)
	_, err = storage.Get(t.Context(), s, storage.Toolchain, key("a"))
	wantMiss(t, "entry as toolchain", err, storage.Corrupt)
	wantRecord(t, s, storage.Entry, key("a"), "result of a")
}

func testDrop(t *testing.T, s storage.Tier) {
	d, ok := s.(storage.Dropper)
	if !ok {
		t.Skip("the tier is no Dropper")
	}
	mustPut(t, s, storage.Entry, key("a"), "first")
	wantRecord(t, s, storage.Entry, key("a"), "first")
	for range 2 {
		if err := d.DropRecord(t.Context(), storage.Entry, key("a")); err != nil {
			t.Fatalf("drop: %v", err)
		}
	}
	_, err := storage.Get(t.Context(), s, storage.Entry, key("a"))
	wantMiss(t, "dropped entry", err, storage.Absent)
	mustPut(t, s, storage.Entry, key("a"), "second")
	wantRecord(t, s, storage.Entry, key("a"), "second")
}

func testCancelled(t *testing.T, s storage.Tier) {
	cause := errors.New("the caller left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, getErr := storage.Get(ctx, s, storage.Entry, key("a"))
	_, readErr := storage.ReadBlob(ctx, s, key("a"))
	_, missErr := s.MissingBlobs(ctx, []digest.Digest{key("a")})
	_, writeErr := storage.WriteBlob(ctx, s, []byte("content"))
	for name, err := range map[string]error{
		"get":     getErr,
		"read":    readErr,
		"missing": missErr,
		"put":     storage.Put(ctx, s, storage.Entry, key("a"), []byte("payload")),
		"write":   writeErr,
	} {
		if !errors.Is(err, cause) {
			t.Errorf("%s with a cancelled context: %v, want its cause", name, err)
		}
	}
}

// changes are ways in which stored bytes go bad.
func changes() map[string]func([]byte) []byte {
	flip := func(at func(int) int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at(len(b))] ^= 1
			return b
		}
	}
	return map[string]func([]byte) []byte{
		"first bit":  flip(func(int) int { return 0 }),
		"middle bit": flip(func(n int) int { return n / 2 }),
		"last bit":   flip(func(n int) int { return n - 1 }),
		"empty":      func([]byte) []byte { return nil },
		"short":      func(b []byte) []byte { return b[:len(b)-1] },
		"long":       func(b []byte) []byte { return append(b, 0) },
		"zeros":      func(b []byte) []byte { clear(b); return b },
		"twice":      func(b []byte) []byte { return append(b, b...) },
		"garbage":    func([]byte) []byte { return []byte("garbage\n") },
	}
}
