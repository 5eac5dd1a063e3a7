package cfamily

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// dir is one place where headers are searched.
type dir struct {
	path  string // absolute, as the compiler spells it
	quote bool   // only for #include "..."
	// loose: its place among the others is not known, so that a header found in
	// it says nothing of the directories behind it.
	loose bool
}

// chain returns the directories that c searches, in order, and those that do
// not exist: compilers drop these at the start, so only their existence counts.
func (d *Dialect) chain(call *compiler.Call, inv *compiler.Invocation, c *Command) (chain []dir, missing []string, err error) {
	listed, loose, err := systemDirs(call, inv, c)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range d.Candidates {
		if !slices.Contains(listed, p) {
			loose = append(loose, p)
		}
	}
	notDir := false
	seen := map[dir]bool{}
	add := func(paths []string, d dir) {
		for _, p := range paths {
			d.path = Abs(call.Dir, p)
			info, err := os.Stat(call.At(d.path))
			switch {
			case err != nil:
				missing = append(missing, d.path)
			case !info.IsDir(): // clang takes some for a map of headers
				notDir = true
			case !seen[d]:
				seen[d] = true
				chain = append(chain, d)
			}
		}
	}
	env := compiler.Environ(inv.Env)
	add(c.Quote, dir{quote: true})
	add(c.User, dir{})
	add(pathList(env, "CPATH"), dir{})
	add(c.System, dir{})
	for _, v := range pathVariables() {
		if v.lang == c.Lang.searchName() {
			add(pathList(env, v.name), dir{})
			continue
		}
		for _, p := range pathList(env, v.name) { // clang looks whether these exist
			missing = append(missing, Abs(call.Dir, p))
		}
	}
	add(loose, dir{loose: true})
	add(listed, dir{})
	add(c.After, dir{})
	if notDir {
		return nil, nil, compiler.NotCacheable("include directory is a file")
	}
	return chain, missing, nil
}

// pathVariable is a variable that holds directories for one language.
type pathVariable struct{ lang, name string }

func pathVariables() []pathVariable {
	return []pathVariable{
		{"c", "C_INCLUDE_PATH"}, {"assembler-with-cpp", "C_INCLUDE_PATH"}, {"c++", "CPLUS_INCLUDE_PATH"},
		{"objective-c", "OBJC_INCLUDE_PATH"}, {"objective-c++", "OBJCPLUS_INCLUDE_PATH"},
	}
}

// searchName is the language whose directories are searched: for preprocessed
// text, where the compiler looks at them and no more, that which it came of.
func (l Lang) searchName() string {
	if l.Preprocess {
		return l.Name
	}
	if l.CPlus {
		return "c++"
	}
	return "c"
}

// pathList splits a variable; an empty element is the working directory.
func pathList(env compiler.Environ, name string) []string {
	value, ok := env.Lookup(name)
	if !ok || value == "" {
		return nil
	}
	dirs := strings.Split(value, ":")
	for i, d := range dirs {
		if d == "" {
			dirs[i] = "."
		}
	}
	return dirs
}

// systemDirs asks the compiler for the directories of its own: those it lists,
// in order, and those it left out (absent or named twice), whose order is lost.
func systemDirs(call *compiler.Call, inv *compiler.Invocation, c *Command) (listed, left []string, err error) {
	var env []string
	for _, kv := range inv.Env {
		switch name := compiler.Name(kv); {
		case name == "CPATH", strings.HasSuffix(name, "_INCLUDE_PATH"), name == "PWD":
		case name == "LANG", name == "LANGUAGE", strings.HasPrefix(name, "LC_"):
		default:
			env = append(env, kv)
		}
	}
	env = append(env, "LC_ALL=C")
	args := append(append([]string(nil), c.Probe...), "-v", "-E", "-x", c.Lang.searchName(), "/dev/null")
	_, stderr, err := call.Probe(args, env)
	if err != nil {
		return nil, nil, compiler.NotCacheable("include directories of the compiler unknown")
	}
	return parseSearch(stderr)
}

// parseSearch reads what -v prints of directories:
//
//	ignoring (nonexistent|duplicate) directory "DIR"
//	#include <...> search starts here:
//	 DIR
//	End of search list.
func parseSearch(text []byte) (listed, left []string, err error) {
	inList, ended := false, false
	for _, raw := range bytes.Split(text, []byte("\n")) {
		line := string(raw)
		switch {
		case strings.HasPrefix(line, "ignoring ") && strings.HasSuffix(line, `"`):
			if _, quoted, ok := strings.Cut(line, `"`); ok {
				left = append(left, strings.TrimSuffix(quoted, `"`))
			}
		case line == "#include <...> search starts here:":
			inList = true
		case line == "End of search list.":
			inList, ended = false, true
		case inList && strings.HasPrefix(line, " "):
			if strings.HasSuffix(line, " (framework directory)") || strings.HasSuffix(line, " (headermap)") {
				return nil, nil, compiler.NotCacheable("frameworks")
			}
			listed = append(listed, line[1:])
		}
	}
	if !ended {
		return nil, nil, compiler.NotCacheable("include directories of the compiler unknown")
	}
	return listed, left, nil
}
