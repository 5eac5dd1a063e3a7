package rustc

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// An .incbin or .include inside asm! or global_asm! makes LLVM read a file that
// no list names, and it does so again in every crate that compiles an inline or
// generic function with it. So the sources of all crates below are looked
// through, once for each library: where one holds an assembler macro and one, not
// necessarily the same, a string with such a directive, the run has to be watched.

// assembly is what the sources of a crate hold.
type assembly struct {
	macros     bool // asm!, global_asm! or naked_asm!
	directives bool // a string that names a directive which reads a file
}

func (a *assembly) add(b assembly) {
	a.macros = a.macros || b.macros
	a.directives = a.directives || b.directives
}

// includes reports whether LLVM may read a file that nothing names.
func (a assembly) includes() bool { return a.macros && a.directives }

func errAssembly() error { return compiler.NotCacheable("assembler that includes files") }

// mayAssemble guesses before a run, from the crates below and the sources beside
// and below the main one, whether it has to be watched. A wrong guess costs the
// storing of the result, or some time.
func (l *Language) mayAssemble(call *compiler.Call, c *command) bool {
	var a assembly
	w := &walker{l: l, visited: map[Dep]bool{}, asm: &a}
	if w.walk(call, c) != nil {
		return false
	}
	seen := 0
	_ = filepath.WalkDir(filepath.Dir(under(c.dir, c.sources[0])), func(p string, e os.DirEntry, err error) error {
		if seen++; err != nil || seen > maxGuess || a.includes() {
			return filepath.SkipAll
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxGuessed {
			return nil
		}
		if src, err := os.ReadFile(p); err == nil {
			a.source(p, src)
		}
		return nil
	})
	return a.includes()
}

const (
	maxGuess   = 2000    // files and directories that a guess looks at
	maxGuessed = 1 << 20 // bytes of a file that it reads
)

// source adds what one file holds. A file that is not Rust may be the text that
// include_str! gives to global_asm!.
func (a *assembly) source(name string, src []byte) {
	a.macros = a.macros || hasAsmMacro(src)
	if joinsDirective(src) {
		a.directives = true
	}
	if a.directives || !hasDirective(src) {
		return
	}
	if !strings.HasSuffix(name, ".rs") {
		a.directives = true
		return
	}
	tokens := lex(src)
	for _, t := range tokens {
		if (t.kind == tokString || t.kind == tokOther) && hasDirective([]byte(t.text)) {
			a.directives = true
		}
	}
}

// joinsDirective reports whether concat! could make a directive of the strings
// and words of one file: one string ends with its beginning, others are its
// middle, one begins with its end.
func joinsDirective(src []byte) bool {
	if !bytes.Contains(src, []byte("concat")) {
		return false
	}
	var words []string
	for _, t := range lex(src) {
		if len(t.text) > 0 {
			words = append(words, strings.ToLower(strings.Trim(t.text, "\"")))
		}
	}
	return joins("incbin", words) || joins(".include", words)
}

func joins(name string, words []string) bool {
	reached := make([]bool, len(name))
	for i := 1; i < len(name); i++ {
		for _, w := range words {
			reached[i] = reached[i] || strings.HasSuffix(w, name[:i])
		}
	}
	for i := 1; i < len(name); i++ {
		for _, w := range words {
			if !reached[i] || w == "" {
				continue
			}
			if strings.HasPrefix(w, name[i:]) {
				return true
			}
			if strings.HasPrefix(name[i:], w) {
				reached[i+len(w)] = true
			}
		}
	}
	return false
}

// hasAsmMacro reports whether "asm!" is in src, blanks before the mark allowed.
func hasAsmMacro(src []byte) bool {
	for {
		_, after, ok := bytes.Cut(src, []byte("asm"))
		if !ok {
			return false
		}
		if bytes.HasPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte("!")) {
			return true
		}
		src = after
	}
}

// hasDirective reports whether "incbin" or ".include" is in src, in either case,
// as LLVM takes directives.
func hasDirective(src []byte) bool {
	const bin, lude = "bin", "lude"
	for i := 0; i+len("inc") <= len(src); i++ {
		if src[i]|0x20 != 'i' || src[i+1]|0x20 != 'n' || src[i+2]|0x20 != 'c' {
			continue
		}
		rest := src[i+len("inc"):]
		if hasPrefixFold(rest, bin) || i > 0 && src[i-1] == '.' && hasPrefixFold(rest, lude) {
			return true
		}
	}
	return false
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}

// assemblyOf looks through the files of a dependency list of a call in dir.
func assemblyOf(dir string, files []string) (assembly, error) {
	var a assembly
	for _, f := range files {
		src, err := os.ReadFile(under(dir, f))
		if err != nil {
			return a, compiler.NotCacheable("a source that is gone")
		}
		a.source(f, src)
	}
	return a, nil
}

// assemblyMemo remembers assemblies by the library that was made of the sources.
type assemblyMemo struct {
	mu   sync.Mutex
	seen map[digest.Digest]assembly
}

// maxAssemblies bounds the memo; what falls out of it is read again.
const maxAssemblies = 1 << 14

// of returns the assembly of a library, of which digest and origin are known.
func (m *assemblyMemo) of(file string, lib digest.Digest, o Origin) (assembly, error) {
	m.mu.Lock()
	a, ok := m.seen[lib]
	m.mu.Unlock()
	if ok {
		return a, nil
	}
	deps, err := depInfoOf(file, o)
	if err != nil {
		return a, err
	}
	if a, err = assemblyOf(o.Dir, deps.files); err != nil {
		return a, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= maxAssemblies {
		m.seen = make(map[digest.Digest]assembly)
	}
	m.seen[lib] = a
	return a, nil
}

// depInfoOf reads the dependency list of the call that made a library.
func depInfoOf(file string, o Origin) (*depInfo, error) {
	text, err := os.ReadFile(o.DepInfo)
	if err != nil {
		// made elsewhere, in a place that is gone: then it was restored here
		text, err = os.ReadFile(filepath.Join(filepath.Dir(file), o.Stem+".d"))
	}
	if err != nil {
		return nil, compiler.NotCacheable("extern without dep-info")
	}
	return parseDepInfo(string(text))
}
