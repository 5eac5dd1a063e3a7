package cfamily

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
)

const (
	// maxScans bounds the memo: a large C++ project has some 10,000 headers, and
	// a scan takes about 1 KB.
	maxScans = 20000
	// maxText bounds a source: larger ones are refused, as they would be held in
	// memory whole. The largest amalgamations are below 20 MB.
	maxText = 256 << 20
	// settled is the age from which a file's change time tells its versions
	// apart: the clock of file systems ticks at least once a second, some once in
	// two. Younger files are known by their content.
	settled = 2 * time.Second
)

// Memo remembers what was found in files, by their state and by the digest of
// their content. It forgets all when it is full. It is safe for concurrent use.
type Memo struct {
	mu      sync.Mutex
	states  map[fileState]*Scan
	digests map[digest.Digest]*Scan
}

// fileState names a version of a file: no two have one change time.
type fileState struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// NewMemo returns an empty memo.
func NewMemo() *Memo {
	return &Memo{states: map[fileState]*Scan{}, digests: map[digest.Digest]*Scan{}}
}

// File scans the file at path.
func (m *Memo) File(path string) (*Scan, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	if state, ok := stateOf(info); ok {
		m.mu.Lock()
		s := m.states[state]
		m.mu.Unlock()
		if s != nil {
			return s, nil
		}
	}
	// A FIFO must neither block us nor lose to us what was meant for the compiler.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("scan %s: not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxText {
		return nil, fmt.Errorf("scan %s: not a regular file of sensible size", path)
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, fmt.Errorf("scan %s: %w", path, err)
	}
	s := m.text(text)
	state, ok := stateOf(info)
	if ok && time.Since(time.Unix(state.ctime.Unix())) > settled {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.states) >= maxScans {
			clear(m.states)
		}
		m.states[state] = s
	}
	return s, nil
}

func stateOf(info os.FileInfo) (fileState, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileState{}, false
	}
	return fileState{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}, true
}

func (m *Memo) text(text []byte) *Scan {
	key := digest.Of(text)
	m.mu.Lock()
	s := m.digests[key]
	m.mu.Unlock()
	if s != nil {
		return s
	}
	s = ScanText(text)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.digests) >= maxScans {
		clear(m.digests)
	}
	m.digests[key] = s
	return s
}
