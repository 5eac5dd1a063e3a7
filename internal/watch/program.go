//go:build linux && (amd64 || arm64)

package watch

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// recordProgram records a program that was started without a report.
func (s *server) recordProgram(path string) {
	p := &s.paths[0]
	p.rel = 0
	p.set([]byte(path))
	s.found = s.found[:0]
	s.exec(p)
	s.record()
}

// recordInterpreters records what the kernel reads without any call when it
// starts the program: the interpreter of a script, which may be a script too,
// and the dynamic loader.
func (s *server) recordInterpreters(path string) {
	const deepest = 5 // as in the kernel
	for i := 0; i < deepest; i++ {
		next, ok := s.interpreter(path)
		if !ok {
			s.incomplete("a program of unknown format: " + path)
		}
		if next == "" {
			return
		}
		if next[0] != '/' {
			s.incomplete("a script names its interpreter by a relative path")
			return
		}
		p := &s.paths[0]
		p.rel = 0
		p.set([]byte(next))
		if s.knows(p, Exec) {
			return
		}
		e := s.stat(p, false)
		f := finding{op: Exec, path: p, own: s.ownNow(p, e == 0), errno: e}
		if e == 0 {
			f.mode = s.st.Mode
		}
		s.add(&f)
		path = next
	}
}

// interpreter returns what the kernel starts together with path: "" for nothing.
// It is not ok where the format is not one that the kernel itself knows. A file
// that cannot be read or is no regular one cannot be executed either.
func (s *server) interpreter(path string) (string, bool) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return "", true
	}
	defer unix.Close(fd)
	head := make([]byte, pageSize)
	n, err := unix.Pread(fd, head, 0)
	if err != nil || n <= 0 {
		return "", true
	}
	head = head[:n]
	if name, ok := shebang(head); ok {
		return name, true
	}
	off, size, ok := loaderName(head)
	if !ok || size == 0 {
		return "", ok
	}
	name := make([]byte, size)
	if n, err := unix.Pread(fd, name, off); err != nil || n != len(name) {
		return "", false
	}
	return string(bytes.TrimRight(name, "\x00")), true
}

// shebang returns the interpreter that a script names, as the kernel reads it:
//
//	"#!" blank* name ( blank | newline | end ), all in the first 256 bytes
func shebang(head []byte) (string, bool) {
	line, ok := bytes.CutPrefix(head[:min(len(head), 256)], []byte("#!"))
	if !ok {
		return "", false
	}
	line, _, _ = bytes.Cut(line, []byte{'\n'})
	line, _, _ = bytes.Cut(line, []byte{0})
	line = bytes.TrimLeft(line, " \t")
	if end := bytes.IndexAny(line, " \t"); end >= 0 {
		line = line[:end]
	}
	return string(line), len(line) > 0
}

// loaderName finds the name of the dynamic loader in the beginning of an ELF
// file of this machine's kind: its place and length, 0 for a static program.
func loaderName(head []byte) (off int64, size int, ok bool) {
	const (
		headerSize, entrySize = 64, 56
		loader                = 3 // PT_INTERP
	)
	if len(head) < headerSize || string(head[:6]) != "\x7fELF\x02\x01" || le(head[18:20]) != nativeMachine {
		return 0, 0, false
	}
	table, entry, n := le(head[32:40]), le(head[54:56]), le(head[56:58])
	if entry != entrySize || table > uint64(len(head)) || n > (uint64(len(head))-table)/entrySize {
		return 0, 0, false
	}
	for ; n > 0; n-- {
		h := head[table : table+entrySize]
		if le(h[0:4]) == loader {
			at, length := le(h[8:16]), le(h[32:40])
			if length > pathMax || at > 1<<62 {
				return 0, 0, false
			}
			return int64(at), int(length), true
		}
		table += entrySize
	}
	return 0, 0, true
}

// le reads an unsigned number, lowest byte first.
func le(b []byte) uint64 {
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}
