package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cachepot/cachepot/internal/storage"
)

const (
	writers = 8
	rounds  = 40
)

// testConcurrentPuts: many put the same names; for immutable kinds all then agree
// on one writer.
func testConcurrentPuts(t *testing.T, s storage.Tier) {
	blob := content(1, 10_000)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				k := key(fmt.Sprint("record ", r))
				payload := fmt.Appendf(nil, "of writer %d", w)
				err := errors.Join(
					storage.Put(t.Context(), s, storage.Entry, k, payload),
					storage.Put(t.Context(), s, storage.Request, k, payload))
				if err != nil {
					t.Errorf("put: %v", err)
				}
				if _, err := storage.WriteBlob(t.Context(), s, append(bytes.Clone(blob), byte(r))); err != nil {
					t.Errorf("put blob: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for r := range rounds {
		for _, k := range []storage.Kind{storage.Entry, storage.Request} {
			got, err := storage.Get(t.Context(), s, k, key(fmt.Sprint("record ", r)))
			if err != nil || !strings.HasPrefix(string(got), "of writer ") {
				t.Errorf("get %s: %q, %v", k, got, err)
			}
		}
	}
}

// testConcurrentReads: who reads while others write sees nothing or one whole
// object; an immutable record that was seen once does not change.
func testConcurrentReads(t *testing.T, s storage.Tier) {
	payload := func(w int) string { return strings.Repeat(string(rune('a'+w)), 3000+500*w) }
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				for _, k := range []storage.Kind{storage.Entry, storage.Subject} {
					if err := storage.Put(t.Context(), s, k, key(fmt.Sprint(r)), []byte(payload(w))); err != nil {
						t.Errorf("put: %v", err)
					}
				}
			}
		})
		wg.Go(func() {
			for r := range rounds {
				readTwice(t, s, storage.Entry, fmt.Sprint(r), payload)
				readTwice(t, s, storage.Subject, fmt.Sprint(r), payload)
			}
		})
	}
	wg.Wait()
}

func readTwice(t *testing.T, s storage.Tier, k storage.Kind, name string, payload func(int) string) {
	var seen []byte
	for range 2 {
		got, err := storage.Get(t.Context(), s, k, key(name))
		if m, ok := errors.AsType[*storage.Miss](err); ok && m.Reason == storage.Absent && seen == nil {
			continue
		}
		if err != nil || len(got) == 0 || string(got) != payload(int(got[0]-'a')) {
			t.Errorf("get %s: %d bytes, %v, want one whole payload", k, len(got), err)
			return
		}
		if !k.Mutable() && seen != nil && !bytes.Equal(seen, got) {
			t.Errorf("immutable %s has changed", k)
		}
		seen = got
	}
}
