package cas

import (
	"fmt"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
)

// TestMemo: a verification is remembered, but not that of a file whose last change
// is so young that another could have the same times. (Kernels from 6.13 on give
// finer times to a file that was looked at; the rule must hold without them.)
func TestMemo(t *testing.T) {
	s, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.memo == nil {
		t.Skip("the file system's stamps are not reliable")
	}
	for i := range 100 { // a busy machine may let a file grow old at once
		d, err := s.PutBytes(t.Context(), fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		young := 0
		for !look(t, s, d).Settled(safefile.Now()) {
			young++
			time.Sleep(100 * time.Microsecond)
		}
		if !s.verified(d, look(t, s, d)) {
			t.Error("not remembered although it is settled")
		}
		if young > 0 {
			return
		}
	}
	t.Error("no file was ever seen young")
}

// look verifies d and returns its stamp. It fails if that was remembered too soon.
func look(t *testing.T, s *Store, d digest.Digest) safefile.Stamp {
	t.Helper()
	p, err := s.Path(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	info, err := safefile.Lstat(p)
	if err != nil {
		t.Fatal(err)
	}
	if s.verified(d, info.Stamp) && !info.Settled(safefile.Now()) {
		t.Fatal("remembered before the tick of the last change was over")
	}
	return info.Stamp
}
