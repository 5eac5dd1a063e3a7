package rustc

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// disk is Files and Records in memory.
type disk struct {
	now     int64
	files   map[string]digest.Digest
	changed map[string]int64
	records map[digest.Digest][]byte
}

func newDisk() *disk {
	return &disk{files: map[string]digest.Digest{}, changed: map[string]int64{}, records: map[digest.Digest][]byte{}}
}

func (d *disk) put(path, text string) digest.Digest {
	d.now++
	d.files[path], d.changed[path] = digest.Of([]byte(text)), d.now
	return d.files[path]
}

func (d *disk) Content(path string) (digest.Digest, int64, error) {
	sum, ok := d.files[path]
	if !ok {
		return digest.Digest{}, 0, errors.New("not there")
	}
	return sum, d.changed[path], nil
}

func (d *disk) Clock() int64 { return d.now }

func (d *disk) LoadOrigin(sum digest.Digest) ([]byte, bool) {
	b, ok := d.records[sum]
	return b, ok
}

func (d *disk) SaveOrigin(sum digest.Digest, b []byte) { d.records[sum] = b }

// chainCalls are a call that makes a library p and one that makes q of it.
func chainCalls() (p, q *compiler.Call) {
	return callWith("/w", lib("p", "p.rs")...), callWith("/w", lib("q", "q.rs", "--extern", "p=out/libp.rmeta")...)
}

// TestLedgerOfRemovedFile: a file that was stored is known when it comes back,
// although it was removed before anybody looked at it.
func TestLedgerOfRemovedFile(t *testing.T) {
	p, _ := chainCalls()
	for _, stored := range []bool{true, false} {
		d := newDisk()
		l := New(NewLedger(d, d))
		done := l.Producing(p)
		sum := d.put("/w/out/libp.rmeta", "p")
		delete(d.files, "/w/out/libp.rmeta")
		if stored {
			done(true, map[string]digest.Digest{"/w/out/libp.rmeta": sum})
		} else {
			done(true, nil)
		}
		d.put("/w/out/libp.rmeta", "p")
		if _, _, ok := l.origins.Origin("/w/out/libp.rmeta"); ok != stored {
			t.Errorf("stored %t: known %t", stored, ok)
		}
	}
}

// TestLedgerOfFailure: what a call that failed has left is of unknown origin.
func TestLedgerOfFailure(t *testing.T) {
	p, _ := chainCalls()
	d := newDisk()
	l := New(NewLedger(d, d))
	done := l.Producing(p)
	sum := d.put("/w/out/libp.rmeta", "p")
	done(false, map[string]digest.Digest{"/w/out/libp.rmeta": sum})
	if _, _, ok := l.origins.Origin("/w/out/libp.rmeta"); ok {
		t.Error("a failed call's file is known")
	}
}

// TestReplayed: a hit brings back what has been evicted, unless the inputs may be
// others by now, and leaves alone what is known.
func TestReplayed(t *testing.T) {
	p, q := chainCalls()
	d := newDisk()
	l := New(NewLedger(d, d))
	made := func(path string, sum digest.Digest) map[string]digest.Digest {
		return map[string]digest.Digest{path: sum, "/w/out/x.d": digest.Of(nil)}
	}
	sumP, sumQ := d.put("/w/out/libp.rmeta", "p"), d.put("/w/out/libq.rmeta", "q")
	always, never := func() bool { return true }, func() bool { return false }

	l.Replayed(q, made("/w/out/libq.rmeta", sumQ), always)
	if len(d.records) > 0 {
		t.Fatal("q is known, and what it was made from is not")
	}
	l.Replayed(p, made("/w/out/libp.rmeta", sumP), never)
	if len(d.records) > 0 {
		t.Fatal("p is known from inputs that have changed")
	}
	l.Replayed(p, made("/w/out/libp.rmeta", sumP), always)
	l.Replayed(q, made("/w/out/libq.rmeta", sumQ), always)
	l = New(NewLedger(d, d)) // as after a restart
	o, _, ok := l.origins.Origin("/w/out/libq.rmeta")
	want := Origin{Stem: "q", Dir: "/w", DepInfo: filepath.Join("/w", "out/q.d"), Deps: []Dep{{Stem: "p", Digest: sumP}}}
	if diff := cmp.Diff(want, o); !ok || diff != "" {
		t.Fatalf("known %t (-want +got):\n%s", ok, diff)
	}

	d.put("/w/out/libp.rmeta", "another p")
	l.Replayed(q, made("/w/out/libq.rmeta", sumQ), always)
	if again, _, _ := l.origins.Origin("/w/out/libq.rmeta"); !cmp.Equal(want, again) {
		t.Errorf("what was known has become %v", again)
	}
}
