package rustc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// What a link that nobody watches looks at is put together from three sources. A
// trial, a watched link of next to nothing with the same options, shows what compiler
// driver and linker look at whatever they are given, and which directories a
// library is searched for in. The linker writes a list of the files that it read.
// Where one of these was found by search, all other places of that search were looked
// at. A library that is found nowhere makes a link fail.

// linking is what is known beforehand of how a call links.
type linking struct {
	set   *action.PathSet // what the trial looked at, found or not
	names []string        // of what programs were searched for in LD_LIBRARY_PATH
	near  []string        // names that were looked for in the working directory
	dirs  []string        // where a linker searches for libraries, those of -L aside
	lld   bool            // it is LLVM's, which looks for no library that only another needs
	lists bool            // a linker runs, and lists what it read

	looked map[string]bool // the paths of set, cleaned
	sawn   map[string]bool // names of libraries that were searched for
}

// linkList is the side file in which the linker lists what it read.
const linkList = "link.d"

// absentLibrary is a library that no system has.
const absentLibrary = "cachepot-absent"

// linkingOf finds out how the call links. The error, a *compiler.Bare, says why that
// cannot be told.
func (l *Language) linkingOf(call *compiler.Call, inv *compiler.Invocation) (*linking, error) {
	d := inv.Detail.(*detail)
	runs := 0
	for _, p := range d.cmd.linked() {
		if p.kind != "rlib" && p.kind != "staticlib" {
			runs++
		}
	}
	switch {
	case runs == 0:
		return &linking{set: &action.PathSet{}}, nil // rustc itself puts an archive together
	case runs > 1:
		return nil, compiler.NotCacheable("links more than once")
	case d.cmd.dwp:
		return nil, compiler.NotCacheable("packs debug information")
	case call.Try == nil:
		return nil, compiler.NotCacheable("links, and was not seen before")
	case d.via == startedByProxy:
		return nil, compiler.NotCacheable("links, started by rustup")
	case slices.ContainsFunc(call.Env, func(kv string) bool { return steersLink(compiler.Name(kv)) }):
		return nil, compiler.NotCacheable("a variable steers the linker")
	}
	t := d.cmd.linkTrial(call, inv)
	seen, err := call.Try(t)
	if err != nil {
		return nil, err
	}
	if seen.Failed {
		return nil, compiler.NotCacheable("a linker that does not list what it reads")
	}
	if !slices.ContainsFunc(seen.Programs, isLinker) || !allKnown(seen) {
		return nil, compiler.NotCacheable("an unknown program links")
	}
	k := &linking{lists: true, lld: slices.ContainsFunc(seen.Programs, isLLD)}
	k.take(seen)
	further := *t
	further.Args, further.Leaves = append(slices.Clone(t.Args), "-C", "link-arg=-l"+absentLibrary), nil
	if seen, err = call.Try(&further); err != nil {
		return nil, err
	}
	for _, look := range seen.Looks {
		dir, name := filepath.Split(look.Path)
		if name == "lib"+absentLibrary+".so" && !strings.HasPrefix(dir, "$DIR") {
			k.dirs = append(k.dirs, strings.TrimSuffix(dir, "/")) // not cleaned: links may be on the way
		}
	}
	return k, nil
}

// steersLink reports whether a variable has a compiler driver or a linker look
// elsewhere, or write more.
func steersLink(name string) bool {
	switch name {
	case "COMPILER_PATH", "LIBRARY_PATH", "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES", "GNUTARGET", "LDEMULATION":
		return true
	case "LD_LIBRARY_PATH": // see loaderInputs
		return false
	}
	return slices.ContainsFunc([]string{"LD_", "LLD_", "GCC_", "COLLECT_", "MOLD_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// linkTrial is a link of next to nothing with the options of the call that reach the
// linker.
func (c *command) linkTrial(call *compiler.Call, inv *compiler.Invocation) *compiler.Trial {
	program := "rustc"
	if c.clippy {
		program = "clippy-driver"
	}
	t := &compiler.Trial{
		Program: filepath.Join(call.Tool.Sysroot, "bin", program),
		// A cc that leads to the wrapper is the real one at once where it is watched.
		Env:   []string{"PATH=" + compiler.Environ(inv.Env).Get("PATH"), "CACHEPOT_WATCHED=1"},
		Files: map[string]string{"probe.rs": "", "out/": "", "lib/": ""}, Leaves: []string{"out/" + linkList},
	}
	if c.clippy {
		t.Args = append(t.Args, "--rustc")
	}
	kind := "bin"
	for _, p := range c.linked() {
		if p.kind != "rlib" && p.kind != "staticlib" {
			kind = p.kind
		}
	}
	if kind == "bin" {
		t.Files["probe.rs"] = "fn main() {}\n"
	}
	if _, set := call.Env.Lookup("LD_LIBRARY_PATH"); set {
		t.Env = append(t.Env, "LD_LIBRARY_PATH=$DIR/lib")
	}
	t.Args = append(t.Args, "probe.rs", "--crate-name", "probe", "--crate-type", kind, "--emit", "link,dep-info", "--out-dir", "out")
	if c.test {
		t.Args = append(t.Args, "--test")
	}
	t.Args = append(t.Args, c.reachesLinker()...)
	t.Args = append(t.Args, listOption("out/"))
	return t
}

// listOption has the linker list what it read, in a file of the directory dir.
func listOption(dir string) string { return "-Clink-arg=-Wl,--dependency-file=" + dir + linkList }

// reachesLinker returns the options that may reach a linker, or choose one.
func (c *command) reachesLinker() []string {
	var out []string
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		if !strings.HasPrefix(a, "-") || a == "-" {
			continue
		}
		name, value, glued := split(a)
		if !takesValue(name) {
			continue
		}
		if !glued {
			if i++; i == len(c.args) {
				break
			}
			value = c.args[i]
		}
		switch name {
		case "--target":
			out = append(out, "--target", value)
		case "-C", "--codegen":
			option, _, _ := strings.Cut(value, "=")
			if !staysInside(strings.ReplaceAll(option, "_", "-")) {
				out = append(out, "-C", value)
			}
		}
	}
	return out
}

// staysInside reports whether a -C option concerns rustc alone.
func staysInside(name string) bool {
	switch name {
	case "metadata", "extra-filename", "codegen-units", "opt-level", "lto", "embed-bitcode", "debuginfo",
		"overflow-checks", "debug-assertions", "profile-use", "inline-threshold", "no-vectorize-loops", "no-vectorize-slp", "dwarf-version",
		"force-frame-pointers", "symbol-mangling-version":
		return true
	}
	return false
}

func isLinker(p string) bool {
	name := filepath.Base(p)
	return strings.HasPrefix(name, "ld") && !strings.HasPrefix(name, "ld-") || name == "rust-lld" || name == "mold" || strings.Contains(name, "-ld")
}

func isLLD(p string) bool { return strings.HasSuffix(filepath.Base(p), "lld") }

// allKnown reports whether a trial started no program that may look at anything.
func allKnown(seen *compiler.Sight) bool {
	for _, p := range seen.Programs {
		if isScript(p) || !knownProgram(p) {
			return false
		}
	}
	return !slices.ContainsFunc(seen.Looks, func(k compiler.Look) bool { return k.Path == "/etc/ld.so.preload" && k.Found })
}

// take takes in what the trial looked at.
func (k *linking) take(seen *compiler.Sight) {
	k.set, k.looked, k.sawn = &action.PathSet{}, map[string]bool{}, map[string]bool{}
	for _, look := range seen.Looks {
		rest, own := strings.CutPrefix(look.Path, "$DIR/")
		name, inLib := strings.CutPrefix(rest, "lib/")
		switch {
		case own && inLib:
			name, _, _ = strings.Cut(name, "/")
			k.names = append(k.names, name)
		case own && !look.Found && !strings.Contains(rest, "/"):
			k.near = append(k.near, rest)
		case own, look.Deed == compiler.Listed:
		default:
			k.set.Paths = append(k.set.Paths, look.Path)
			k.looked[filepath.Clean(look.Path)] = true
			if name, ok := strings.CutPrefix(filepath.Base(look.Path), "lib"); ok {
				k.sawn[strings.TrimSuffix(name, filepath.Ext(name))] = true
			}
		}
	}
	slices.Sort(k.names)
	k.names = slices.Compact(k.names)
}

// saw reports whether the trial has shown how the library is searched for.
func (k *linking) saw(name string) bool { return k.sawn[name] }

// claim adds what the call's programs look at whatever they are given.
func (k *linking) claim(call *compiler.Call, set *action.PathSet) error {
	set.Paths = append(set.Paths, k.set.Paths...)
	for _, name := range k.near {
		set.Paths = append(set.Paths, under(call.Dir, name))
	}
	dirs, err := libraryPath(call)
	if err == nil && len(dirs) > 0 {
		set.Searches = append(set.Searches, action.Search{Dirs: dirs, Names: k.names})
	}
	return err
}

// libraryDirs returns where a native library may be found.
func (k *linking) libraryDirs(c *command) []string { return append(c.nativeDirs(), k.dirs...) }

// nativeDirs returns the directories of -L that native libraries are searched for in.
func (c *command) nativeDirs() []string {
	var dirs []string
	for _, s := range c.dirs {
		if s.kind != "dependency" {
			dirs = append(dirs, under(c.dir, s.dir))
		}
	}
	return dirs
}

// forms are the names of files that a library may be found under.
func forms(name string) []string { return []string{"lib" + name + ".so", "lib" + name + ".a", name} }

// nativeNames returns the names of native libraries that the command and the sources
// ask for.
func (c *command) nativeNames(seen *scan) []string {
	names := slices.Clone(seen.links)
	for _, v := range c.natives {
		names = append(names, nativeName(v)...)
	}
	return names
}

// nativeName returns the name in the value of a -l, and what it is renamed to.
func nativeName(v string) []string {
	if _, after, ok := strings.Cut(v, "="); ok {
		v = after
	}
	name, renamed, _ := strings.Cut(v, ":")
	if renamed == "" {
		return []string{name}
	}
	return []string{name, renamed}
}

// readByLinker adds what the linker's list says: each file, and all other places where
// it was searched for. How what the trial found was searched for, the trial has shown,
// but for the directories of -L.
func (l *Language) readByLinker(c *command, k *linking, list []string, set *action.PathSet) error {
	for _, p := range list {
		p = under(c.dir, p)
		if c.isTemporary(p) {
			continue
		}
		set.Paths = append(set.Paths, p)
		set.Found = append(set.Found, p)
		dir, base := filepath.Split(p)
		ext := filepath.Ext(base)
		if ext == ".rlib" {
			continue
		}
		known := k.looked[filepath.Clean(p)]
		if ext == ".so" && !known && !k.lld {
			return compiler.NotCacheable("links a shared library that may need others")
		}
		names := []string{base}
		if strings.HasPrefix(base, "lib") && (ext == ".so" || ext == ".a") {
			names = forms(strings.TrimSuffix(base[len("lib"):], ext))
		}
		// What a linker script names is looked for in the working directory, too.
		dirs := append(c.nativeDirs(), c.dir)
		if !known {
			dirs = append(dirs, k.dirs...)
		}
		if known || ext == ".so" { // in its own directory the linker has looked no further
			dirs = otherDirs(dirs, dir)
		}
		set.Searches = append(set.Searches, action.Search{Dirs: dirs, Names: names})
	}
	set.Searches = joined(set.Searches)
	return nil
}

// joined puts searches in the same directories together.
func joined(searches []action.Search) []action.Search {
	at := map[string]int{}
	var out []action.Search
	for _, s := range searches {
		key := strings.Join(s.Dirs, "\x00")
		i, there := at[key]
		if !there {
			at[key] = len(out)
			out = append(out, action.Search{Dirs: s.Dirs, Names: slices.Clone(s.Names)})
			continue
		}
		out[i].Names = append(out[i].Names, s.Names...)
	}
	return out
}

// otherDirs returns those of dirs that are not the directory dir.
func otherDirs(dirs []string, dir string) []string {
	it, err := os.Stat(dir)
	return slices.DeleteFunc(slices.Clone(dirs), func(d string) bool {
		st, derr := os.Stat(d)
		return err == nil && derr == nil && os.SameFile(it, st)
	})
}

// isTemporary reports whether rustc has made p for the linker.
func (c *command) isTemporary(p string) bool {
	rest, ok := strings.CutPrefix(filepath.Clean(p), filepath.Clean(under(c.dir, c.outDir))+"/")
	if !ok {
		return false
	}
	dir, _, inDir := strings.Cut(rest, "/")
	if inDir {
		return strings.HasPrefix(dir, "rustc") && len(dir) == len("rustc")+6
	}
	return strings.HasPrefix(rest, c.crate+c.extra+".") && strings.HasSuffix(rest, ".o")
}

// readLinkList returns the files of a linker's list, as spelled. A list is
//
//	list  = output ":" (" \" newline " "+ file)* newline rest
func readLinkList(seen *compiler.Observed) ([]string, error) {
	text, err := seen.ReadSide(linkList, os.ReadFile)
	if err != nil {
		return nil, compiler.NotCacheable("the linker's list missing")
	}
	rule, _, _ := strings.Cut(string(text), "\n\n")
	_, rest, ok := strings.Cut(rule, ": \\\n")
	if !ok {
		return nil, errLinkList()
	}
	var files []string
	for line := range strings.SplitSeq(strings.TrimSuffix(rest, "\n"), "\n") {
		name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimLeft(line, " "), " \\"), `\ `, " ")
		if name == "" || strings.ContainsAny(name, `\$#`) {
			return nil, errLinkList()
		}
		files = append(files, name)
	}
	return files, nil
}

func errLinkList() error { return compiler.NotCacheable("the linker's list not understood") }
