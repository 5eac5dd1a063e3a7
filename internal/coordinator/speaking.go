package coordinator

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/roots"
)

// A file that is read may say by a full path what else is to be read or written. The same
// file elsewhere leads to the same places still, which are no longer those of the call: so
// what it has a hand in is for the directory that it names.

// silent remembers which contents name none of the roots of a map. The zero value is ready.
type silent struct {
	mu   sync.Mutex // guards seen
	seen map[silence]struct{}
}

type silence struct {
	roots   string // Map.String
	content digest.Digest
}

// maxSilent bounds the memory of contents, of about 200 bytes each.
const maxSilent = 1 << 17

func (s *silent) has(k silence) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.seen[k]
	return ok
}

func (s *silent) add(k silence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) >= maxSilent {
		s.seen = make(map[silence]struct{})
	}
	s.seen[k] = struct{}{}
}

// inputsName returns why a file among those that were read cannot be read elsewhere, ""
// where none names a root. The system's own know of none.
func (f *face) inputsName(snap *filestate.Snapshot) (string, error) {
	as := f.places.String()
	for _, file := range snap.Files() {
		k := silence{as, file.Digest}
		if strings.HasPrefix(file.Path, "/usr/") && !f.places.Within(file.Path) || f.j.s.silent.has(k) {
			continue
		}
		speaks, err := speaks(f.places, &file)
		if err != nil {
			return "", err
		}
		if speaks {
			return "a file that is read names the project's directory", nil
		}
		f.j.s.silent.add(k)
	}
	return "", nil
}

// speaks reports whether a file is text, or the like, that names a root.
func speaks(m *roots.Map, file *filestate.File) (bool, error) {
	in, err := os.OpenFile(file.Path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer in.Close()
	start := make([]byte, 8)
	n, err := io.ReadFull(in, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	if isMade(start[:n]) {
		return false, nil
	}
	sum := digest.NewHasher()
	content := io.TeeReader(io.MultiReader(bytes.NewReader(start[:n]), in), sum)
	if named, err := finds(content, func(b []byte) bool { return m.Spoken(b) }); named || err != nil {
		return named, err
	}
	if sum.Digest() != file.Digest {
		return false, compiler.NotCacheable("input changed during the compile")
	}
	return false, nil
}

// isMade reports whether a file that begins so was made by a compiler or a linker, or holds
// what was: it leads to no other file. A thin archive, which does, begins otherwise.
func isMade(start []byte) bool {
	for _, magic := range []string{"\x7fELF", "!<arch>\n", "rust\x00"} {
		if bytes.HasPrefix(start, []byte(magic)) {
			return true
		}
	}
	return false
}
