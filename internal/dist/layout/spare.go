package layout

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// spares are empty directories that jobs have left and the next ones take. To give a
// directory another name is several times as quick as to remove one and to make one, the more
// so on ext4 without a journal, which looks at all that was removed of late for each that is made.
type spares struct {
	dir string

	mu   sync.Mutex // guards what follows
	free []string
	made int // so far, which names the next
}

const (
	// maxSpares bounds them.
	maxSpares = 4096
	// maxSpareSize is the size, in bytes, of a directory that has not grown: they do not
	// shrink again, and a large one takes long to look through.
	maxSpareSize = 4096
)

// move makes a spare the directory called at. It reports false where that could not be.
func (s *spares) move(at string) bool {
	s.mu.Lock()
	if len(s.free) == 0 {
		s.mu.Unlock()
		return false
	}
	name := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.mu.Unlock()
	// What is there would be replaced if it is empty.
	if _, err := os.Lstat(at); err == nil {
		s.put(name)
		return false
	}
	return os.Rename(name, at) == nil
}

// keep makes the directory called at a spare, if it is empty and there is room; else it
// stays where it is.
func (s *spares) keep(at string) {
	if !empty(at) {
		return
	}
	s.mu.Lock()
	if len(s.free) >= maxSpares {
		s.mu.Unlock()
		return
	}
	s.made++
	name := filepath.Join(s.dir, strconv.Itoa(s.made))
	s.mu.Unlock()
	if os.Rename(at, name) == nil {
		s.put(name)
	}
}

func (s *spares) put(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, name)
}

// empty reports whether a directory is as it was made: whatever went wrong before, no job
// finds there what another has had.
func empty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > maxSpareSize || info.Mode() != fs.ModeDir|0o755 {
		return false
	}
	_, err = f.Readdirnames(1)
	return errors.Is(err, io.EOF)
}
