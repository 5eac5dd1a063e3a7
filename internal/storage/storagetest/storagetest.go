// Package storagetest is the suite that every tier must pass, and a tier in
// memory. Only tests import it.
package storagetest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

// Rewriter is implemented by tiers whose stored bytes a test can alter. For those
// Run also tests what becomes of corrupt objects. Both methods pass what is stored
// to change and store the result, past all checks. That there is nothing stored
// is an error.
type Rewriter interface {
	RewriteRecord(kind storage.Kind, key digest.Digest, change func([]byte) []byte) error
	RewriteBlob(d digest.Digest, change func([]byte) []byte) error
}

// Run tests the tiers that open returns against the contract of storage.Tier.
// Open is called once for each test and must return a tier without objects that
// other tests have put.
func Run(t *testing.T, open func(t *testing.T) storage.Tier) {
	tests := map[string]func(*testing.T, storage.Tier){
		"Absent":          testAbsent,
		"RecordRoundTrip": testRecordRoundTrip,
		"Immutable":       testImmutable,
		"Mutable":         testMutable,
		"WholeNames":      testWholeNames,
		"BadRecords":      testBadRecords,
		"BlobRoundTrip":   testBlobRoundTrip,
		"MissingBlobs":    testMissingBlobs,
		"WrongContent":    testWrongContent,
		"FailingSource":   testFailingSource,
		"Cancelled":       testCancelled,
		"ConcurrentPuts":  testConcurrentPuts,
		"ConcurrentReads": testConcurrentReads,
		"CorruptRecord":   testCorruptRecord,
		"CorruptBlob":     testCorruptBlob,
		"SwappedRecords":  testSwappedRecords,
		"Drop":            testDrop,
		"CallerOwnsBytes": testCallerOwnsBytes,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// key returns a key of its own for each name.
func key(name string) digest.Digest { return digest.Of([]byte("key of " + name)) }

func mustPut(t *testing.T, s storage.Tier, k storage.Kind, key digest.Digest, payload string) {
	t.Helper()
	if err := storage.Put(t.Context(), s, k, key, []byte(payload)); err != nil {
		t.Fatalf("put %s: %v", k, err)
	}
}

func mustPutBlob(t *testing.T, s storage.Tier, b []byte) digest.Digest {
	t.Helper()
	d, err := storage.WriteBlob(t.Context(), s, b)
	if err != nil {
		t.Fatalf("put blob of %d bytes: %v", len(b), err)
	}
	return d
}

func wantRecord(t *testing.T, s storage.Tier, k storage.Kind, key digest.Digest, want string) {
	t.Helper()
	got, err := storage.Get(t.Context(), s, k, key)
	if err != nil || string(got) != want {
		t.Errorf("get %s = %.40q, %v, want %.40q", k, got, err, want)
	}
}

func wantBlob(t *testing.T, s storage.Tier, d digest.Digest, want []byte) {
	t.Helper()
	got, err := storage.ReadBlob(t.Context(), s, d)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read blob %s: %d bytes, %v, want %d bytes", d, len(got), err, len(want))
	}
}

// wantMiss fails unless err is a miss of one of the reasons.
func wantMiss(t *testing.T, what string, err error, reasons ...storage.Reason) {
	t.Helper()
	m, ok := errors.AsType[*storage.Miss](err)
	if !ok {
		t.Errorf("%s: error %v, want a miss", what, err)
		return
	}
	for _, r := range reasons {
		if m.Reason == r {
			return
		}
	}
	t.Errorf("%s: miss with reason %s, want %v", what, m.Reason, reasons)
}

// errReader fails after the first n bytes of zeros.
type errReader struct{ n int64 }

var errSource = errors.New("source failed")

func (r errReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= r.n {
		clear(p)
		return len(p), nil
	}
	return 0, errSource
}

var _ io.ReaderAt = errReader{}
