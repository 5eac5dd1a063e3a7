//go:build linux && (amd64 || arm64)

package watch

func (s *server) knows(p *pathBuf, op Op) bool {
	_, ok := s.known[string(p.key(op))]
	return ok
}

// record makes events of what was found.
func (s *server) record() {
	for i := range s.found {
		f := &s.found[i]
		s.add(f)
		s.take(f)
	}
}

func (s *server) add(f *finding) {
	if s.knows(f.path, f.op) {
		return
	}
	key := string(f.path.key(f.op))
	s.known[key] = struct{}{}
	s.report.Events = append(s.report.Events, Event{Op: f.op, Own: f.own, Errno: f.errno, Mode: f.mode, Path: key[1:]})
}

// take changes what is known of the tree's files.
func (s *server) take(f *finding) {
	switch f.then {
	case makes, makesLink, empties:
		if f.then == empties && f.own {
			return
		}
		m := making{thread: s.n.pid, path: string(f.path.path()) + "\x00", nofollow: f.then == makesLink}
		if f.then == empties {
			m.was, m.ctime = f.inode, f.ctime
		}
		s.tree.making = append(s.tree.making, m)
	case adopts:
		s.tree.inodes[f.inode] = struct{}{}
	case drops:
		delete(s.tree.inodes, f.inode)
		s.tree.removed[string(f.path.path())] = struct{}{}
	case frees:
		s.tree.removed[string(f.path.path())] = struct{}{}
	case starts:
		if isRegular(f.mode) {
			s.recordInterpreters(string(f.path.path()))
		}
	}
}

// incomplete notes a reason, once.
func (s *server) incomplete(reason string) {
	for _, r := range s.report.Incomplete {
		if r == reason {
			return
		}
	}
	s.report.Incomplete = append(s.report.Incomplete, reason)
}
