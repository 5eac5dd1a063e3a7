package storage_test

import (
	"errors"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

// TestSealed: the form is a promise to other versions and to other tiers.
func TestSealed(t *testing.T) {
	key := digest.Of([]byte("abc"))
	const want = "cachepot-record-1 ac ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad/3 7 " +
		"b377fdaf32ecfd83d08fcbc91eaa081d4ee9adc18a099b20ca769ee96be80bbb\npayload"
	if got := storage.Seal(storage.Entry, key, []byte("payload")); string(got) != want {
		t.Errorf("Seal = %q\nwant   %q", got, want)
	}
}

// FuzzSealed: what opens has exactly one spelling.
func FuzzSealed(f *testing.F) {
	key := digest.Of([]byte("key"))
	f.Add([]byte(storage.Seal(storage.Entry, key, []byte("payload"))))
	f.Add([]byte(storage.Seal(storage.Request, key, []byte("payload"))))
	f.Add([]byte(storage.Seal(storage.Entry, digest.Empty(), nil)))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, err := storage.Sealed(b).Open(storage.Entry, key)
		if err == nil && string(storage.Seal(storage.Entry, key, payload)) != string(b) {
			t.Errorf("%q opens but is not what Seal makes of its payload", b)
		}
		if err != nil && !storage.IsMiss(err) {
			t.Errorf("Open(%q): %v, want a miss", b, err)
		}
	})
}

// TestSealedIsBound alters each bit of a record and opens it as all else than
// what it is.
func TestSealedIsBound(t *testing.T) {
	key := digest.Of([]byte("key"))
	s := storage.Seal(storage.Entry, key, []byte("payload"))
	if p, err := s.Open(storage.Entry, key); err != nil || string(p) != "payload" {
		t.Fatalf("Open = %q, %v", p, err)
	}
	for i := range 8 * len(s) {
		s[i/8] ^= 1 << (i % 8)
		if _, err := s.Open(storage.Entry, key); !storage.IsMiss(err) {
			t.Errorf("bit %d altered: %v, want a miss", i, err)
		}
		s[i/8] ^= 1 << (i % 8)
	}
	for i := range s {
		if _, err := s[:i].Open(storage.Entry, key); !storage.IsMiss(err) {
			t.Errorf("cut to %d bytes: %v, want a miss", i, err)
		}
	}
	for _, k := range storage.Kinds() {
		if _, err := s.Open(k, key); k != storage.Entry && !storage.IsMiss(err) {
			t.Errorf("entry opened as %s: %v, want a miss", k, err)
		}
	}
	longer := key
	longer.Size++
	for _, other := range []digest.Digest{digest.Empty(), longer, {}} {
		if _, err := s.Open(storage.Entry, other); !storage.IsMiss(err) {
			t.Errorf("opened under another key: %v, want a miss", err)
		}
	}
}

// TestPathSetIsItsKey: a path set that was sealed under a foreign key, as only
// another program would, is not believed.
func TestPathSetIsItsKey(t *testing.T) {
	key := digest.Of([]byte("key"))
	s := storage.Seal(storage.PathSet, key, []byte("payload"))
	_, err := s.Open(storage.PathSet, key)
	if m, ok := errors.AsType[*storage.Miss](err); !ok || m.Reason != storage.Corrupt {
		t.Errorf("Open = %v, want a corrupt miss", err)
	}
}
