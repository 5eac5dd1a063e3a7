package roots

import (
	"bytes"
	"path"
	"slices"
	"sort"
	"strings"
)

// Base is the directory below which all fixed places lie. A machine that has it
// has no Map: what lies there could not be told from what is said to.
const Base = "/cachepot"

// Root is a directory with the name that it has for everybody.
type Root struct {
	Real  string // absolute, clean
	Fixed string // below Base
	// Name is what compilers are told to write for it: "." for the workspace and for
	// where the caller stands, so that debuggers find the sources from there, else Fixed.
	Name string
}

// Map replaces real prefixes of paths by fixed ones, and back. It is immutable.
type Map struct {
	roots []Root // the longest Real first; the first of a Fixed is its proper spelling
	back  []Root // the longest Fixed first, one of each
	text  []Root // likewise, as the caller spells them
}

// NewMap returns the map of some roots. Of several with one Fixed the first is what
// Real gives back, and the others are further spellings of it. nil where there is no
// root, or where one cannot be written as it is in every kind of text.
func NewMap(list []Root) *Map {
	m := &Map{}
	seen := map[string]bool{}
	for _, r := range list {
		if !Plain(r.Real) {
			return nil
		}
		m.roots = append(m.roots, r)
		if !seen[r.Fixed] {
			seen[r.Fixed] = true
			m.back = append(m.back, r)
		}
	}
	if len(m.roots) == 0 {
		return nil
	}
	sort.SliceStable(m.roots, func(i, j int) bool { return len(m.roots[i].Real) > len(m.roots[j].Real) })
	sort.SliceStable(m.back, func(i, j int) bool { return len(m.back[i].Fixed) > len(m.back[j].Fixed) })
	m.text = m.back
	return m
}

// Ambiguous reports whether a root has several spellings.
func (m *Map) Ambiguous() bool { return len(m.roots) > len(m.back) }

// Plain reports whether dir is spelled alike in arguments, make rules, JSON and
// diagnostics: no character of it is ever escaped.
func Plain(dir string) bool {
	if len(dir) < 2 || dir[0] != '/' {
		return false
	}
	for _, c := range []byte(dir) {
		if !isName(c) && c != '/' && c != '+' && c != '@' {
			return false
		}
	}
	return true
}

// isName reports whether c may go on a name, so that a path is not over before it.
func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
}

// Roots returns the roots, each in its proper spelling.
func (m *Map) Roots() []Root { return m.back }

// Spellings returns the roots in each of their spellings.
func (m *Map) Spellings() []Root { return m.roots }

// String tells maps apart: the real roots, with colons between.
func (m *Map) String() string {
	var b strings.Builder
	for _, r := range m.roots {
		b.WriteString(r.Real + ":" + r.Fixed + ":")
	}
	return b.String()
}

// Fixed returns p with the root that it lies in at its fixed place, or as it is.
func (m *Map) Fixed(p string) string {
	for i := range m.roots {
		if r := &m.roots[i]; below(p, r.Real) {
			return r.Fixed + p[len(r.Real):]
		}
	}
	return p
}

// Real undoes Fixed, for the proper spelling of the root.
func (m *Map) Real(p string) string {
	for i := range m.back {
		if r := &m.back[i]; below(p, r.Fixed) {
			return r.Real + p[len(r.Fixed):]
		}
	}
	return p
}

// Within reports whether p lies in a root.
func (m *Map) Within(p string) bool {
	for i := range m.roots {
		if below(p, m.roots[i].Real) {
			return true
		}
	}
	return false
}

// HasCompiler reports whether p lies in the root that is the compiler's.
func (m *Map) HasCompiler(p string) bool { return below(m.Fixed(p), compiler) }

// Leaves reports whether ".." in p leads out of the root that it begins in, or into one
// from elsewhere: at the fixed places it leads somewhere else.
func (m *Map) Leaves(p string) bool { return path.Clean(m.Fixed(p)) != m.Fixed(path.Clean(p)) }

// Above reports whether dir is a directory above a root, which is there because
// the root is.
func (m *Map) Above(dir string) bool {
	for i := range m.roots {
		if r := m.roots[i].Real; r != dir && below(r, dir) {
			return true
		}
	}
	return false
}

// Holders returns the directories above roots, other than "/", which is the same for all,
// and a name that stands for each of them.
func (m *Map) Holders() (name string, dirs []string) {
	for i := range m.roots {
		for d := path.Dir(m.roots[i].Real); len(d) > 1; d = path.Dir(d) {
			if !slices.Contains(dirs, d) {
				dirs = append(dirs, d)
			}
		}
	}
	return Base + "/above", dirs
}

// below reports whether p is dir or begins with it and a slash.
func below(p, dir string) bool {
	return strings.HasPrefix(p, dir) && (len(p) == len(dir) || p[len(dir)] == '/' || dir == "/")
}

// FixedList maps each element of a list with colons between.
func (m *Map) FixedList(list string) string {
	parts := strings.Split(list, ":")
	for i, p := range parts {
		parts[i] = m.Fixed(p)
	}
	return strings.Join(parts, ":")
}

// FixedText returns text with all roots that it names at their fixed places.
func (m *Map) FixedText(text []byte) []byte {
	for i := range m.roots {
		text = replace(text, m.roots[i].Real, m.roots[i].Fixed, startsPath)
	}
	return text
}

// RealText undoes FixedText.
func (m *Map) RealText(text []byte) []byte {
	for i := range m.text {
		text = replace(text, m.text[i].Fixed, m.text[i].Real, startsPath)
	}
	return text
}

// RealArg returns an argument with real places for fixed ones wherever they stand in
// it: an option's name may come right before one.
func (m *Map) RealArg(arg string) string {
	text := []byte(arg)
	for i := range m.back {
		text = replace(text, m.back[i].Fixed, m.back[i].Real, func([]byte, int) bool { return true })
	}
	return string(text)
}

// replace puts to for from where a path starts with it.
func replace(text []byte, from, to string, starts func(text []byte, i int) bool) []byte {
	var out []byte
	done := 0
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(from))
		if i < 0 {
			break
		}
		i += at
		at = i + len(from)
		if starts(text, i) && endsName(text, at) {
			out = append(append(out, text[done:i]...), to...)
			done = at
		}
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

func startsPath(text []byte, i int) bool { return i == 0 || !isName(text[i-1]) && text[i-1] != '/' }

func endsName(text []byte, i int) bool { return i == len(text) || !isName(text[i]) }

// Names returns a root that b speaks of, in any of its spellings, or "". A root in
// the middle of other words counts too, unless it is so short that it may be anything.
func (m *Map) Names(b []byte) string {
	for i := range m.roots {
		r := m.roots[i].Real
		if strings.Count(r, "/") == 1 {
			if namesShort(b, r) {
				return r
			}
			continue
		}
		for _, s := range spellings(r) {
			if bytes.Contains(b, []byte(s)) {
				return r
			}
		}
	}
	return ""
}

// Spoken reports whether b, a text, has a root as the beginning of a path. One that is a
// single name counts behind a quote only: in prose it may be anything.
func (m *Map) Spoken(b []byte) bool {
	for i := range m.roots {
		r := m.roots[i].Real
		short := strings.Count(r, "/") == 1
		for at := 0; ; {
			i := bytes.Index(b[at:], []byte(r))
			if i < 0 {
				break
			}
			i += at
			at = i + len(r)
			if endsName(b, at) && (!short || i > 0 && strings.IndexByte("\"'<(", b[i-1]) >= 0) {
				return true
			}
		}
	}
	return false
}

// namesShort reports whether b has a path that begins with the root dir, which is one
// name, or what symbols make of it.
func namesShort(b []byte, dir string) bool {
	if bytes.Contains(b, []byte("_"+dir[1:]+"_")) || bytes.Contains(b, []byte("#"+dir[1:]+"#")) {
		return true
	}
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(dir))
		if i < 0 {
			return false
		}
		i += at
		if at = i + len(dir); startsPath(b, i) && endsName(b, at) {
			return true
		}
	}
}

// spellings returns what becomes of dir, which has more than one name in it, in symbols
// and in names of files that are made from it.
func spellings(dir string) []string {
	all := []string{dir}
	for _, keep := range []string{"", ".", "-", ".-", "+@.-"} {
		all = append(all, strings.Map(func(r rune) rune {
			if c := byte(r); c != '/' && (isName(c) && c != '.' && c != '-' || strings.IndexByte(keep, c) >= 0) {
				return r
			}
			return '_'
		}, dir[1:]))
	}
	for _, by := range []string{"#", ".", "-", "!"} {
		all = append(all, strings.ReplaceAll(dir[1:], "/", by))
	}
	return all
}

// Spelled returns the map for a caller that names files in the roots as in paths: text
// that is for it is spelled in its way. nil where it spells one root in two ways.
func (m *Map) Spelled(paths []string) *Map {
	used := map[string]string{} // by fixed place
	for _, p := range paths {
		for i := range m.roots {
			if r := &m.roots[i]; below(p, r.Real) {
				if as := used[r.Fixed]; as != "" && as != r.Real {
					return nil
				}
				used[r.Fixed] = r.Real
				break
			}
		}
	}
	out := *m
	out.text = make([]Root, len(m.back))
	for i, r := range m.back {
		if as := used[r.Fixed]; as != "" {
			r.Real = as
		}
		out.text[i] = r
	}
	return &out
}
