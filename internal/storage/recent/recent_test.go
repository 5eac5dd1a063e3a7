package recent_test

import (
	"fmt"
	"testing"

	"github.com/cachepot/cachepot/internal/storage/recent"
)

func size(s string) int64 { return int64(len(s)) }

func TestKeepsWhatIsUsed(t *testing.T) {
	m := recent.New[int](100, size)
	m.Put(-1, "0123456789")
	for i := range 50 {
		m.Put(i, "0123456789")
		if _, ok := m.Get(-1); !ok {
			t.Fatalf("after %d puts a value that is used each time was forgotten", i+1)
		}
	}
	if _, ok := m.Get(0); ok {
		t.Error("a value that was never used again is still there")
	}
}

// TestBound counts what can still be found: never more than the limit.
func TestBound(t *testing.T) {
	const limit = 64
	m := recent.New[int](limit, size)
	for i := range 1000 {
		m.Put(i%97, fmt.Sprintf("%*d", i%13, i))
		if i%7 == 0 {
			m.Remove(i % 97)
		}
	}
	var held int64
	for i := range 97 {
		if v, ok := m.Get(i); ok {
			held += size(v)
		}
	}
	if held > limit || held == 0 {
		t.Errorf("the map holds %d bytes, want 1 to %d", held, limit)
	}
}

func TestReplaceRemoveClear(t *testing.T) {
	m := recent.New[string](100, size)
	m.Put("a", "1")
	m.Put("a", "22")
	if v, _ := m.Get("a"); v != "22" {
		t.Errorf("a = %q, want 22", v)
	}
	m.Put("a", string(make([]byte, 51)))
	if v, ok := m.Get("a"); ok {
		t.Errorf("a = %q, want nothing: the new value is too large to keep and the old one is wrong", v)
	}
	m.Put("b", "1")
	m.Remove("b")
	m.Put("c", "1")
	m.Clear()
	for _, k := range []string{"b", "c"} {
		if _, ok := m.Get(k); ok {
			t.Errorf("%s was removed and is there", k)
		}
	}
}
