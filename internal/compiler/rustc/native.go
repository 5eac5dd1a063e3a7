package rustc

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// rustc puts the members of a static native library into the rlib. It takes the
// first lib<name>.a (or <name>, with +verbatim) of the -L native directories and
// the sysroot, and no other place. The name comes from -l or from a #[link]
// attribute.

// nativeInputs claims the search for native libraries in dirs.
func (c *command) nativeInputs(dirs []string, seen *scan, run *compiler.Observed, set *action.PathSet) error {
	if len(dirs) == 0 {
		return nil
	}
	if seen.unclearLink {
		return compiler.NotCacheable("#[link] of a computed name")
	}
	names := append([]string{}, seen.links...)
	for _, v := range c.natives {
		if _, after, ok := strings.Cut(v, "="); ok {
			v = after
		}
		name, renamed, _ := strings.Cut(v, ":")
		names = append(names, name, renamed)
	}
	s := action.Search{Dirs: dirs}
	for _, n := range names {
		switch {
		case strings.HasPrefix(n, "/"):
			return compiler.NotCacheable("native library by its path")
		case n != "":
			s.Names = append(s.Names, "lib"+n+".a", n)
		}
	}
	set.Searches = append(set.Searches, s)
	found, err := foundArchives(s)
	if err != nil || found || run.Output == nil { // before a run there is nothing to check
		return err
	}
	return c.checkMembers(run)
}

// foundArchives reports whether s finds any file. One that only names other
// files, which lie elsewhere, is an error.
func foundArchives(s action.Search) (bool, error) {
	found := false
	for _, d := range s.Dirs {
		for _, n := range s.Names {
			f, err := os.Open(d + "/" + n)
			if err != nil {
				continue
			}
			found = true
			magic := make([]byte, 8)
			_, err = io.ReadFull(f, magic)
			f.Close()
			if err == nil && string(magic) == "!<thin>\n" {
				return true, compiler.NotCacheable("thin archive")
			}
		}
	}
	return found, nil
}

// checkMembers refuses a call whose rlib holds what rustc did not make itself:
// a macro of another crate has expanded to a #[link] that no source shows.
func (c *command) checkMembers(run *compiler.Observed) error {
	if _, ok := c.emit["link"]; !ok {
		return nil
	}
	f, err := run.Output(c.linked()[0].path) // an rlib: all else is watched
	if err != nil {
		return compiler.NotCacheable("rlib missing")
	}
	members, err := arMembers(f)
	if err != nil {
		return compiler.NotCacheable("rlib not understood")
	}
	for _, m := range members {
		if !c.ownMember(m) {
			return compiler.NotCacheable("native library of unknown name")
		}
	}
	return nil
}

// ownMember reports whether rustc itself makes a member of that name: metadata,
// what links need to know of it (since 1.97), the objects of the codegen units.
func (c *command) ownMember(m string) bool {
	if m == "lib.rmeta" || m == "lib.rmeta-link" {
		return true
	}
	return strings.HasPrefix(m, c.crate+c.extra+".") &&
		(strings.HasSuffix(m, ".rcgu.o") || strings.HasSuffix(m, ".rcgu.dwo"))
}

// arMembers returns the names of the members of a GNU archive, less its symbol
// and name tables.
func arMembers(f io.ReadSeeker) ([]string, error) {
	const headerSize = 60
	r := bufio.NewReaderSize(f, headerSize)
	magic := make([]byte, 8)
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != "!<arch>\n" {
		return nil, errArchive()
	}
	var names []string
	var long []byte
	pos := int64(len(magic))
	for {
		if _, err := f.Seek(pos, io.SeekStart); err != nil {
			return nil, err
		}
		r.Reset(f)
		h := make([]byte, headerSize)
		if _, err := io.ReadFull(r, h); err == io.EOF {
			return names, nil
		} else if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(h[48:58])), 10, 64)
		if err != nil || size < 0 {
			return nil, errArchive()
		}
		name := strings.TrimRight(string(h[:16]), " ")
		switch {
		case name == "/" || name == "/SYM64/":
		case name == "//":
			if size > 1<<20 {
				return nil, errArchive()
			}
			long = make([]byte, size)
			if _, err := io.ReadFull(r, long); err != nil {
				return nil, err
			}
		default:
			if name, err = arName(name, long); err != nil {
				return nil, err
			}
			names = append(names, name)
		}
		pos += headerSize + size + size%2
	}
}

// arName returns the name that a header's field stands for: "/" and an offset
// into the table of long names, or the name itself with "/" after it.
func arName(field string, long []byte) (string, error) {
	offset, ok := strings.CutPrefix(field, "/")
	if !ok {
		return strings.TrimSuffix(field, "/"), nil
	}
	n, err := strconv.Atoi(offset)
	if err != nil || n < 0 || n > len(long) {
		return "", errArchive()
	}
	name, _, ok := bytes.Cut(long[n:], []byte("/\n"))
	if !ok {
		return "", errArchive()
	}
	return string(name), nil
}

func errArchive() error { return compiler.NotCacheable("archive not understood") }
