package filestate

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Close gives up what Separate and Pin hold.
func (v *View) Close() {
	if v.separator != nil {
		v.separator.close()
	}
	if p := v.pins; p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(func(*unix.Stat_t) bool { return true })
		_ = unix.Close(p.mounts.fd)
	}
}

// Fine is the stamp that separates, 0 where there is none.
func (m Moment) Fine() int64 { return m.fine }

// PinAll makes v pin files of any age, owner and mount. On an overlay what cannot
// be pinned there is still left out.
func (v *View) PinAll(t testing.TB, overlay bool) {
	t.Helper()
	if err := v.Pin(4096); err != nil {
		t.Fatal(err)
	}
	v.pins.fits = func(fd int, st *unix.Stat_t, _ int64) bool { return !overlay || !copyable(st) }
}

// Pinned returns how many pins are open.
func (v *View) Pinned() int {
	v.pins.mu.Lock()
	defer v.pins.mu.Unlock()
	return len(v.pins.open)
}

// ByPins returns which files and directories of s a call of Unchanged, which must
// have been true before, looks at by pins, and which by their paths.
func (s *Snapshot) ByPins() (pinned, others []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mounts := s.view.mountsNow()
	known := mounts != 0 && mounts == s.mounts
	sort := func(p cpath, byPin bool) {
		if known && byPin {
			pinned = append(pinned, p.String())
		} else {
			others = append(others, p.String())
		}
	}
	for i := range s.dirs {
		d := &s.dirs[i]
		sort(d.path, d.up != none && s.dirs[d.up].same && d.settled && d.pin.shows(&d.id))
	}
	for i := range s.files {
		f := &s.files[i]
		sort(f.path, f.dir != none && s.dirs[f.dir].same && f.settled && f.pin.shows(&f.id))
	}
	return pinned, others
}

// Before is View.before.
func (v *View) Before(p string, id ID, m Moment) bool { return v.before(p, id, m) }

// GoByTicks makes v take the file system that p lies on for one with stamps of the
// coarse clock alone.
func (v *View) GoByTicks(t testing.TB, p string) {
	t.Helper()
	id, err := StatLink(p)
	if err != nil {
		t.Fatal(err)
	}
	v.origins[id.Dev] = ticking
}

// IdleTends is idleTends.
const IdleTends = idleTends
