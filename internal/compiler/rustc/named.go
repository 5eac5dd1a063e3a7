package rustc

import (
	"bytes"
	"cmp"
	"debug/elf"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// A build that is made of a removed variable must come out as without cachepot.
// Whoever asks for a variable by its name has the name written somewhere: env! in
// a source of the crate, a macro of a crate below, the code of a proc-macro, the
// script that links. So before a run these are looked through, and the removed
// variables that they name are seen after all: then their values are in the key.
// A variable too many that is seen costs hits. One too few, whose name is put
// together from pieces or which is met when all variables are gone through, is not
// seen; if it was env! that asked, nothing is stored.
//
// Where macros may read who the user is, these variables are looked for likewise, and
// those that are not found are seen and not in the key: see compiler.Places.

// shortest is the length of names that are told from other words wherever they
// stand. Shorter ones count between quotes.
const shortest = 6

// namedVariables returns the removed variables, and those of the user, that the run may
// ask for by name, sorted. files are the libraries of crates that it may read.
func (l *Language) namedVariables(call *compiler.Call, d *detail, files []string) []string {
	n := newNameSearch(d.classes, call.Env)
	n.tree(filepath.Dir(under(d.cmd.dir, d.cmd.sources[0])))
	if out := call.Env.Get("OUT_DIR"); filepath.IsAbs(out) {
		n.tree(out)
	}
	n.linker(call, d.cmd)
	for _, file := range files {
		for _, name := range l.named.of(l, file, n) {
			n.found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(n.found))
}

// nameSearch collects the names of variables that are looked for.
type nameSearch struct {
	classes *classes
	env     compiler.Environ
	found   map[string]bool
	sought  map[string]bool // whether each word that was met is one: that is slow to find out
	begins  *[1 << 16]bool  // the first two letters of what may be one
	key     namesKey        // of libraries, but for the library
}

func newNameSearch(k *classes, env compiler.Environ) *nameSearch {
	return &nameSearch{classes: k, env: env, found: map[string]bool{}, sought: map[string]bool{}, begins: k.begins(),
		key: namesKey{classes: k.text(), env: k.setByPrefix(env)}}
}

// begins returns the pairs of letters that names of removed variables begin with.
func (k *classes) begins() *[1 << 16]bool {
	var pairs [1 << 16]bool
	for _, set := range []*compiler.Names{&k.builtIn, &k.removed} {
		exact, prefixes := set.Patterns()
		for _, p := range append(slices.Collect(maps.Keys(exact)), prefixes...) {
			for second := range 256 {
				if len(p) == 1 || p[1] == byte(second) {
					pairs[int(p[0])<<8|second] = true
				}
			}
		}
	}
	for _, p := range append(whose(), "TERM", "COLUMNS", "NO_COLOR", "CLICOLOR") { // see ofTerminal
		pairs[int(p[0])<<8|int(p[1])] = true
	}
	return &pairs
}

// tree looks through the Rust sources in and below dir.
func (n *nameSearch) tree(dir string) {
	eachSource(dir, func(p string, e fs.DirEntry) {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Size() <= maxGuessed {
			n.file(p)
		}
	})
}

// eachSource calls visit for the Rust sources in and below dir, as far as a guess looks.
func eachSource(dir string, visit func(p string, e fs.DirEntry)) {
	seen := 0
	_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if seen++; err != nil || seen > maxGuess {
			return filepath.SkipAll
		}
		if e.IsDir() && p != dir && (e.Name() == "target" || strings.HasPrefix(e.Name(), ".")) {
			return filepath.SkipDir
		}
		if filepath.Ext(p) == ".rs" {
			visit(p, e)
		}
		return nil
	})
}

func (n *nameSearch) file(p string) {
	if text, err := os.ReadFile(p); err == nil {
		n.text(text)
	}
}

// text looks through a source for names that stand as words.
func (n *nameSearch) text(b []byte) {
	for i := 0; i < len(b); i++ {
		if !identByte(b[i]) {
			continue
		}
		start := i
		for i < len(b) && identByte(b[i]) {
			i++
		}
		if i-start > 1 && n.begins[int(b[start])<<8|int(b[start+1])] && n.counts(b, start, i) {
			n.found[string(b[start:i])] = true
		}
	}
}

// counts reports whether the word b[start:end] names a variable that is looked for.
func (n *nameSearch) counts(b []byte, start, end int) bool {
	if end-start < shortest && !(start > 0 && end < len(b) && b[start-1] == '"' && b[end] == '"') {
		return false
	}
	sought, known := n.sought[string(b[start:end])]
	if !known {
		name := string(b[start:end])
		sought = n.classes.sought(name)
		n.sought[name] = sought
	}
	return sought
}

// code looks through the constants of a program, where names may stand beside
// other words without a gap. Of names that are known by their beginning, those
// count that are set.
func (n *nameSearch) code(b []byte) {
	n.user(b)
	n.codeOf(b, &n.classes.builtIn)
	n.codeOf(b, &n.classes.removed)
}

// user looks for variables of the user, which count however short they are.
func (n *nameSearch) user(b []byte) {
	for _, name := range n.classes.whose() {
		if bytes.Contains(b, []byte(name)) {
			n.found[name] = true
		}
	}
}

func (n *nameSearch) codeOf(b []byte, set *compiler.Names) {
	exact, prefixes := set.Patterns()
	for name := range exact {
		if len(name) >= shortest && bytes.Contains(b, []byte(name)) && n.classes.of(name) == classRemoved {
			n.found[name] = true
		}
	}
	for _, prefix := range prefixes {
		if !bytes.Contains(b, []byte(prefix)) {
			continue
		}
		for _, kv := range n.env {
			if name := compiler.Name(kv); strings.HasPrefix(name, prefix) && n.classes.of(name) == classRemoved {
				n.found[name] = true
			}
		}
	}
}

// linker looks through the program that links where it is a script.
func (n *nameSearch) linker(call *compiler.Call, c *command) {
	if !c.links() {
		return
	}
	p := cmp.Or(c.linker, "cc")
	if strings.ContainsRune(p, '/') {
		p = under(c.dir, p)
	} else {
		p = lookPath(c.dir, call.Env.Get("PATH"), p)
	}
	if isScript(p) {
		n.file(p)
	}
}

// namesMemo remembers the names in a library and its sources.
type namesMemo struct {
	mu   sync.Mutex
	seen map[namesKey][]string
}

// namesKey is what names depend on.
type namesKey struct {
	lib     digest.Digest
	classes string // of variables
	env     string // names that are set and known by their beginning
}

// maxNames bounds the memo; what falls out of it is read again.
const maxNames = 1 << 14

// of returns the variables that are looked for and that a library may ask for by name.
func (m *namesMemo) of(l *Language, file string, n *nameSearch) []string {
	o, d, ok := l.origins.Origin(file)
	if !ok {
		return nil
	}
	key := n.key
	key.lib = d
	m.mu.Lock()
	names, ok := m.seen[key]
	m.mu.Unlock()
	if ok {
		return names
	}
	own := *n
	own.found = map[string]bool{}
	whole := own.library(file, o)
	if names = slices.Sorted(maps.Keys(own.found)); !whole {
		return names
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= maxNames {
		m.seen = make(map[namesKey][]string)
	}
	m.seen[key] = names
	return names
}

// library looks through the sources of a library, and of a shared one, which may
// hold other crates, through its constants. It returns whether all was there.
func (n *nameSearch) library(file string, o Origin) bool {
	deps, err := depInfoOf(file, o)
	if err == nil {
		for _, f := range deps.files {
			n.file(under(o.Dir, f))
		}
	}
	return (filepath.Ext(file) != ".so" || n.constants(file)) && err == nil
}

func (n *nameSearch) constants(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	whole := true
	// The shortest may stand in instructions.
	for name, search := range map[string]func([]byte){".rodata": n.code, ".text": n.user} {
		s := f.Section(name)
		if s == nil {
			continue
		}
		b, err := s.Data()
		search(b)
		whole = whole && err == nil
	}
	return whole
}

// text returns what the classes of a call are made of besides what is built in.
func (k *classes) text() string {
	var all []string
	for i, set := range []*compiler.Names{&k.keyed, &k.removed, &k.plumbing} {
		exact, prefixes := set.Patterns()
		for name := range exact {
			all = append(all, string(rune('0'+i))+name)
		}
		for _, p := range prefixes {
			all = append(all, string(rune('0'+i))+p+"*")
		}
	}
	slices.Sort(all)
	if k.terminal {
		all = append(all, "terminal")
	}
	if k.macros {
		all = append(all, "macros")
	}
	return strings.Join(all, " ")
}

// setByPrefix returns the names that are set and removed by their beginning.
func (k *classes) setByPrefix(env compiler.Environ) string {
	_, own := k.removed.Patterns()
	_, builtIn := k.builtIn.Patterns()
	prefixes := slices.Concat(own, builtIn)
	var set []string
	for _, kv := range env {
		name := compiler.Name(kv)
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			set = append(set, name)
		}
	}
	slices.Sort(set)
	return strings.Join(set, " ")
}
