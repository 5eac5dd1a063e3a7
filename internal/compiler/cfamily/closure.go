package cfamily

import (
	"bytes"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Closure takes in every file that the files taken in so far may include,
// wherever their names lead: what was read is among them. It is for dependency
// files that leave system headers out.
func (c *Claims) Closure() error {
	w := &walk{Claims: c, seen: newIdentities(c.call), macros: map[string]bool{}}
	for p := range c.files {
		w.seen.add(p)
		w.todo = append(w.todo, p)
	}
	for _, name := range c.cmd.Forced {
		if err := w.everywhere(name, c.call.Dir); err != nil {
			return err
		}
	}
	for {
		if err := w.literal(); err != nil {
			return err
		}
		if more, err := w.computed(); err != nil || !more {
			return err
		}
	}
}

// walk is a closure in the making.
type walk struct {
	*Claims
	todo   []string // files whose names have not been followed
	seen   identities
	macros map[string]bool // macros in #include, and what they are defined as
	places []string        // directories of files with computed includes
}

// literal follows the literal names of the files in todo.
func (w *walk) literal() error {
	for len(w.todo) > 0 {
		p := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		s := w.files[p]
		for _, name := range s.Computed {
			if name == "" || strings.HasPrefix(name, "__") { // __FILE__ and its like
				return compiler.NotCacheable("computed include with -MMD")
			}
			w.macros[name] = true
			w.places = append(w.places, path.Dir(p))
		}
		for _, name := range s.Quote {
			if err := w.everywhere(name, path.Dir(p)); err != nil {
				return err
			}
		}
		for _, name := range slices.Concat(s.Angle, s.Next) {
			if err := w.everywhere(name, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// computed follows the names that macros in #include can stand for: all their
// definitions in the files of the closure and on the command line. A macro
// without one makes an #include that is not reached. It reports whether there is
// anything new.
func (w *walk) computed() (more bool, err error) {
	bodies, err := w.definitions()
	if err != nil {
		return false, err
	}
	for body := range bodies {
		if name := lone([]byte(body)); name != "" {
			more = more || !w.macros[name]
			w.macros[name] = true
			continue
		}
		name, _, ok := literal([]byte(body))
		if !ok || len(strings.TrimSpace(body)) != len(name)+2 {
			return false, compiler.NotCacheable("computed include with -MMD")
		}
		for _, here := range slices.Compact(w.places) {
			if err := w.everywhere(name, here); err != nil {
				return false, err
			}
		}
	}
	return more || len(w.todo) > 0, nil
}

// definitions returns the bodies of all definitions of the macros.
func (w *walk) definitions() (map[string]bool, error) {
	bodies := map[string]bool{}
	if len(w.macros) == 0 {
		return bodies, nil
	}
	for _, d := range w.cmd.Defines {
		name, body, ok := strings.Cut(d, "=")
		if !ok {
			body = "1"
		}
		if word, _ := cutWord([]byte(name)); w.macros[string(word)] {
			bodies[body] = true
		}
	}
	for p := range w.files {
		text, err := os.ReadFile(w.call.At(p))
		if err != nil {
			return nil, compiler.NotCacheable("header vanished")
		}
		definedAs(text, w.macros, bodies)
	}
	return bodies, nil
}

// definedAs adds to bodies what text defines macros as.
func definedAs(text []byte, macros, bodies map[string]bool) {
	found := false
	for name := range macros {
		found = found || bytes.Contains(text, []byte(name))
	}
	if !found {
		return
	}
	l := lexer{text: text}
	for line, ok := l.directive(); ok; line, ok = l.directive() {
		word, rest := cutWord(line)
		if string(word) != "define" {
			continue
		}
		if name, body := cutWord(rest); macros[string(name)] {
			bodies[string(bytes.TrimSpace(body))] = true
		}
	}
}

// add takes in p, where it is a file and was not met before.
func (w *walk) add(p string) error {
	regular, fresh := w.seen.add(p)
	if regular {
		w.read[p] = true // a search that comes here ends here
	}
	if w.files[p] != nil || !fresh {
		return nil
	}
	w.todo = append(w.todo, p)
	return w.text(p, false)
}

// everywhere adds all places where a name may be found.
func (w *walk) everywhere(name, here string) error {
	if path.IsAbs(name) {
		return w.add(Abs("/", name))
	}
	if here != "" {
		if err := w.add(Abs(here, name)); err != nil {
			return err
		}
	}
	for _, d := range w.chain {
		if err := w.add(Abs(d.path, name)); err != nil {
			return err
		}
	}
	return nil
}

// identities are files by what they are and where they lie, so that a header
// that includes itself by way of ".." ends the walk.
type identities struct {
	call *compiler.Call
	seen map[[4]uint64]bool
}

func newIdentities(call *compiler.Call) identities {
	return identities{call, map[[4]uint64]bool{}}
}

// add reports whether p is a regular file, and one that was not met before.
func (i identities) add(p string) (regular, fresh bool) {
	dev, ino, regular := identity(i.call.At(p))
	if !regular {
		return false, false
	}
	dirDev, dirIno, _ := identity(i.call.At(path.Dir(p)))
	key := [4]uint64{dev, ino, dirDev, dirIno}
	fresh = !i.seen[key]
	i.seen[key] = true
	return true, fresh
}

func identity(p string) (dev, ino uint64, regular bool) {
	info, err := os.Stat(p)
	if err != nil {
		return 0, 0, false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		dev, ino = uint64(st.Dev), st.Ino
	}
	return dev, ino, info.Mode().IsRegular()
}
