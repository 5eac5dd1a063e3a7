package filestate_test

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
)

// separating returns a View that goes by fine stamps, and skips the test where the
// kernel has none. That it is Linux 6.13 or newer is then no reason to skip.
func separating(t testing.TB) *filestate.View {
	v := filestate.New(filestate.Clock)
	if err := v.Separate(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(v.Close)
	return v
}

// places are directories on disk and in memory.
func places(t *testing.T) map[string]string {
	shm, err := os.MkdirTemp("/dev/shm", "filestate-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(shm) })
	return map[string]string{"disk": t.TempDir(), "memory": shm}
}

// edits are ways to change the file at p, each of which changes the stamp.
func edits(t *testing.T, p string) []func() {
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	other := p + ".other"
	return []func(){
		func() { _, _ = f.WriteAt([]byte("x"), 0) },
		func() { _ = f.Chmod(0o644) },
		func() { _ = os.Link(p, other); _ = os.Remove(other) },
		func() { _ = f.Truncate(1) },
		func() { _ = os.Rename(p, other); _ = os.Rename(other, p) },
	}
}

// TestMomentsSeparate: what is changed right before a moment is known to be older,
// and what is changed right after it is not, whoever has looked at the file before.
func TestMomentsSeparate(t *testing.T) {
	for name, d := range places(t) {
		t.Run(name, func(t *testing.T) {
			v := separating(t)
			p := d + "/f"
			write(t, p, "f")
			all := edits(t, p)
			late := 0
			for i := range 20000 {
				edit := all[i%len(all)]
				if i%3 > 0 {
					edit()
				}
				if i%2 == 0 {
					stat(t, p) // or nobody has looked at the stamp
				}
				m := v.Now()
				if id := stat(t, p); !v.Before(p, id, m) {
					late++ // a tick began just then: no harm, but it must be rare
				}
				if i%5 == 0 {
					m = v.Now()
				}
				edit()
				if id := stat(t, p); v.Before(p, id, m) {
					t.Fatalf("round %d, edit %d: stamped %d after %d", i, i%len(all), id.Ctime, m.Fine())
				}
			}
			if late > 200 {
				t.Errorf("%d of 20000 changes before a moment looked as if they were later", late)
			}
		})
	}
}

// TestMomentsSeparateUnseenFiles is the same for files that nobody looks at in
// between: only the floor makes their stamps new enough.
func TestMomentsSeparateUnseenFiles(t *testing.T) {
	for name, d := range places(t) {
		t.Run(name, func(t *testing.T) {
			v := separating(t)
			p := d + "/f"
			write(t, p, "f")
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			must(t, err)
			defer f.Close()
			fresh := d + "/fresh"
			for i := range 5000 {
				_, err := f.WriteAt([]byte("a"), 0)
				must(t, err)
				m := v.Now()
				_, err = f.WriteAt([]byte("b"), 0)
				must(t, err)
				must(t, os.WriteFile(fresh, nil, 0o600))
				for _, p := range []string{p, fresh} {
					if id := stat(t, p); v.Before(p, id, m) {
						t.Fatalf("round %d: %s stamped %d after %d", i, p, id.Ctime, m.Fine())
					}
				}
				must(t, os.Remove(fresh))
			}
		})
	}
}

func stat(t *testing.T, p string) filestate.ID {
	t.Helper()
	id, err := filestate.StatLink(p)
	must(t, err)
	return id
}

// TestKnownAtOnce: a file read right after it was written is known, and every
// later change is seen, however soon it comes.
func TestKnownAtOnce(t *testing.T) {
	for name, d := range places(t) {
		t.Run(name, func(t *testing.T) {
			v := separating(t)
			p := d + "/f"
			unsettled := 0
			for i := range 3000 {
				content := []byte{byte('0' + i%3)}
				if i%4 == 0 {
					must(t, os.WriteFile(p, content, 0o600))
				} else {
					f, err := os.OpenFile(p, os.O_WRONLY, 0)
					must(t, err)
					_, err = f.WriteAt(content, 0)
					must(t, err)
					must(t, f.Close())
				}
				c, err := v.File(p)
				must(t, err)
				if c.Digest != digest.Of(content) {
					t.Fatalf("round %d: old content", i)
				}
				if !c.Settled {
					unsettled++
				}
			}
			if unsettled > 100 {
				t.Errorf("%d of 3000 files were not known at once", unsettled)
			}
		})
	}
}

// TestWriteUnderWay: a file that is read while one long write call fills it anew is
// not taken for known half way.
func TestWriteUnderWay(t *testing.T) {
	for name, d := range places(t) {
		t.Run(name, func(t *testing.T) {
			v := separating(t)
			const size = 1 << 20
			p := d + "/f"
			must(t, os.WriteFile(p, make([]byte, size), 0o600))
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			must(t, err)
			defer f.Close()
			whole := make(map[digest.Digest]bool)
			contents := make([][]byte, 8)
			for i := range contents {
				contents[i] = bytes.Repeat([]byte{byte(i)}, size)
				whole[digest.Of(contents[i])] = true
			}
			done := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
						_, _ = f.WriteAt(contents[i%len(contents)], 0)
					}
				}
			})
			settled := 0
			for range 1500 {
				if c, err := v.File(p); err == nil && c.Settled {
					settled++
					if !whole[c.Digest] {
						t.Error("a mixture of two contents is taken for known")
						break
					}
				}
			}
			close(done)
			wg.Wait()
			if c, err := v.File(p); err != nil || !c.Settled || !whole[c.Digest] {
				t.Errorf("at the end: %v, %v", c, err)
			}
			t.Logf("%d of 1500 readings settled", settled)
		})
	}
}

// TestQuiet: with ticks a file is not quiet in the tick of its change, with fine
// stamps it is at once; either way, once it is, a change shows.
func TestQuiet(t *testing.T) {
	for name, v := range map[string]*filestate.View{"fine": separating(t), "ticks": filestate.New(filestate.Clock)} {
		t.Run(name, func(t *testing.T) {
			d := t.TempDir()
			p := d + "/f"
			ps := &action.PathSet{Paths: []string{p}}
			loud := 0
			for i := range 600 {
				must(t, os.WriteFile(p, []byte{byte(i)}, 0o600))
				m := v.Now()
				for !v.Quiet(p, m) {
					loud++
					m = v.Now()
				}
				if i%2 == 0 {
					s, _ := evaluate(t, v, ps)
					if got := s.ChangedSince(m, nil); got != "" {
						t.Fatalf("round %d: nothing happened, but %s", i, got)
					}
				}
				must(t, os.Chmod(p, 0o600))
				s, _ := evaluate(t, v, ps)
				if got := s.ChangedSince(m, nil); got != p {
					t.Fatalf("round %d: change not seen", i)
				}
			}
			if name == "fine" && loud > 60 {
				t.Errorf("waited %d times in 600", loud)
			}
			if name == "ticks" && loud == 0 {
				t.Error("no tick was waited for")
			}
		})
	}
	if !filestate.New(filestate.Clock).Quiet(t.TempDir()+"/none", filestate.Moment{}) {
		t.Error("what is not there is waited for")
	}
}

// TestBeforeBySeconds: a stamp in whole seconds may be one that was cut short, and
// proves nothing for two seconds.
func TestBeforeBySeconds(t *testing.T) {
	v := separating(t)
	p := t.TempDir() + "/f"
	write(t, p, "f")
	id := stat(t, p)
	const second = 1_000_000_000
	now := v.Now()
	for _, c := range []struct {
		ago  int64
		want bool
	}{{0, false}, {1 * second, false}, {4 * second, true}} {
		id.Ctime = (filestate.Clock() - c.ago) / second * second
		if got := v.Before(p, id, now); got != c.want {
			t.Errorf("a stamp in whole seconds, %d s ago: before %v, want %v", c.ago/second, got, c.want)
		}
	}
}

// TestOutputStamps: an output counts as written after a moment only if it was.
func TestOutputStamps(t *testing.T) {
	for name, d := range places(t) {
		t.Run(name, func(t *testing.T) {
			v := separating(t)
			p := d + "/o"
			late := 0
			for i := range 1000 {
				must(t, os.WriteFile(p, []byte("o"), 0o600))
				id := stat(t, p)
				m := v.Now()
				if v.StampedSince(p, id.Dev, id.Ctime, m) {
					late++ // a tick began just then
				}
				must(t, os.WriteFile(p, []byte("o"), 0o600))
				if id := stat(t, p); !v.StampedSince(p, id.Dev, id.Ctime, m) {
					t.Fatalf("round %d: a new output looks old", i)
				}
			}
			if late > 30 {
				t.Errorf("%d of 1000 old outputs looked new", late)
			}
		})
	}
}

// BenchmarkNow is the price of a moment between changes.
func BenchmarkNow(b *testing.B) {
	v := separating(b)
	for b.Loop() {
		_ = v.Now()
	}
}
