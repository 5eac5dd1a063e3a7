package audit

import (
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/tree"
	"github.com/cachepot/cachepot/internal/watch"
)

// judge knows what a command may look at: what its key holds.
type judge struct {
	nodes   map[string]tree.Node // the input tree
	paths   []*action.PathSet    // of the entry and of the toolchain
	outputs []string
	temp    string
	lists   map[string]bool // directories of which a part is listed, by real path
}

func newJudge(s *subject, in *inputs, temp string) *judge {
	j := &judge{nodes: in.here, paths: []*action.PathSet{s.hereFor, in.toolPaths}, temp: temp, lists: make(map[string]bool)}
	for _, o := range s.here.Command.Outputs {
		p := against(s.here.Command.Dir, o)
		real, _ := resolve(path.Dir(p))
		j.outputs = append(j.outputs, p, path.Join(real, path.Base(p)))
	}
	for _, p := range j.paths {
		for _, l := range p.Listings {
			real, _ := resolve(l.Dir)
			j.lists[real] = true
		}
	}
	return j
}

// fault says what is wrong with one look, "" where nothing is.
func (j *judge) fault(e *watch.Event) string {
	if !e.Input() || toolchain.Volatile(e.Path) || j.isOutput(e) {
		return ""
	}
	real, found := resolve(e.Path)
	switch {
	case e.Op == watch.List:
		if !j.lists[real] {
			return fmt.Sprintf("%s is listed, and no path of the entry says so", e.Path)
		}
	case e.Errno == 0 && found:
		if !j.inTree(e.Path, e.Mode&syscall.S_IFMT == syscall.S_IFLNK) && !j.resolvedOnly(e) {
			return fmt.Sprintf("%s is %s and is not in the input tree", e.Path, verb(e))
		}
	case e.Op == watch.Link && strings.HasPrefix(path.Base(e.Path), "-l"):
		// GNU ld resolves its options as if they were paths, to see whether they lie
		// below its system root; what it finds there decides nothing.
	case !j.coversAbsence(e.Path, real):
		return fmt.Sprintf("%s is looked for and missing, and no path of the entry names it", e.Path)
	}
	return ""
}

func verb(e *watch.Event) string {
	switch {
	case e.Op == watch.Read && e.Mode&syscall.S_IFMT == syscall.S_IFREG:
		return "read"
	case e.Op == watch.Exec:
		return "executed"
	}
	return "looked at"
}

// isOutput reports whether e is about an output or a temporary file, or about the
// way there, which has to exist for any answer at all.
func (j *judge) isOutput(e *watch.Event) bool {
	p := path.Clean(e.Path)
	if within(p, j.temp) {
		return true
	}
	for _, o := range append(j.outputs, j.temp) {
		if p == o || e.Op != watch.List && within(o, p) {
			return true
		}
	}
	return false
}

// maxLinks is how many symbolic links one look-up may go through, as in Linux.
const maxLinks = 40

// inTree reports whether a look-up of p in the input tree finds something: then
// the key holds all that was passed on the way. With nofollow the end may be a
// symbolic link itself.
func (j *judge) inTree(p string, nofollow bool) bool {
	at, rest := "", p
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			at = strings.TrimSuffix(path.Dir("/"+at), "/")
			continue
		}
		n, ok := j.nodes[at+"/"+name]
		if !ok {
			return false
		}
		if n.Kind != tree.Symlink || nofollow && rest == "" {
			at += "/" + name
			continue
		}
		if links++; links > maxLinks {
			return false
		}
		if strings.HasPrefix(n.Target, "/") {
			at = ""
		}
		rest = n.Target + "/" + rest
	}
	return true
}

// coversAbsence reports whether the key holds that there is nothing at p, whose
// existing part and first missing name are real. Where a directory on the way is
// missing, it is enough that the way there is named: what lies below cannot come
// without it.
func (j *judge) coversAbsence(p, real string) bool {
	for _, set := range j.paths {
		if set.Covers(p) || set.Covers(real) {
			return true
		}
	}
	// The way may end at a file, which the tree holds as such.
	n, ok := j.nodes[path.Dir(real)]
	return ok && n.Kind == tree.Regular
}

// resolve follows p in the live file system. Where it leads nowhere, real is the
// first name that is missing, below its real directory.
func resolve(p string) (real string, found bool) {
	at, rest := "", p
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		switch name {
		case "", ".":
			continue
		case "..":
			at = strings.TrimSuffix(path.Dir("/"+at), "/")
			continue
		}
		next := at + "/" + name
		target, err := os.Readlink(next)
		if err == nil {
			if links++; links > maxLinks {
				return next, false
			}
			if strings.HasPrefix(target, "/") {
				at = ""
			}
			rest = target + "/" + rest
			continue
		}
		if _, err := os.Lstat(next); err != nil {
			return next, false
		}
		at = next
	}
	if at == "" {
		at = "/"
	}
	return at, true
}

// within reports whether p is dir or lies below it; both are clean.
func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}
