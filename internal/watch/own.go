//go:build linux && (amd64 || arm64)

package watch

import "golang.org/x/sys/unix"

// ownFiles knows what the tree made itself. A file is known by its inode, which
// stays when it is renamed or linked and is the same by whatever path it is
// reached. Since calls are seen before they are carried out, the inode of a new
// file is learned a little later: see learn.
type ownFiles struct {
	inodes  map[inode]struct{}
	dirs    bool // one of them at least is a directory
	making  []making
	removed map[string]struct{} // paths, as spelled, that the tree freed
}

type inode struct{ dev, ino uint64 }

func inodeOf(st *unix.Stat_t) inode { return inode{uint64(st.Dev), st.Ino} }

// making is a call that will have made or emptied a file once its thread makes
// its next one.
type making struct {
	thread   uint32
	path     string // with a NUL
	nofollow bool
	was      inode // zero: nothing was there
	ctime    unix.Timespec
}

func newOwnFiles() ownFiles {
	return ownFiles{inodes: make(map[inode]struct{}), removed: make(map[string]struct{})}
}

// learn finds the inodes of files that were being made. A call that was reported
// before is over when its thread reports the next; it may be over before that,
// so a file is looked for at each report by any thread: no thread can use it
// before it is there.
func (s *server) learn() {
	kept := s.tree.making[:0]
	for _, m := range s.tree.making {
		flags := uintptr(0)
		if m.nofollow {
			flags = unix.AT_SYMLINK_NOFOLLOW
		}
		e := s.fstatat(atFDCWD, &[]byte(m.path)[0], flags)
		switch {
		case e == 0 && (inodeOf(&s.st) != m.was || s.st.Ctim != m.ctime):
			s.tree.inodes[inodeOf(&s.st)] = struct{}{}
			s.tree.dirs = s.tree.dirs || isDir(s.st.Mode)
		case m.thread != s.n.pid:
			kept = append(kept, m)
		}
	}
	s.tree.making = kept
}

// ownNow reports whether what stat found, or did not find, is the tree's work.
func (s *server) ownNow(p *pathBuf, found bool) bool {
	if found {
		_, own := s.tree.inodes[inodeOf(&s.st)]
		return own
	}
	if _, own := s.tree.removed[string(p.path())]; own {
		return true
	}
	return s.tree.dirs && s.inOwnDir(p)
}

// inOwnDir reports whether p lies directly in a directory that the tree made:
// whatever is absent there was never there.
func (s *server) inOwnDir(p *pathBuf) bool {
	keep := s.st
	e := s.statParent(p)
	_, own := s.tree.inodes[inodeOf(&s.st)]
	s.st = keep
	return e == 0 && own
}

func isDir(mode uint32) bool     { return mode&unix.S_IFMT == unix.S_IFDIR }
func isRegular(mode uint32) bool { return mode&unix.S_IFMT == unix.S_IFREG }
