package rustc

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

var _ compiler.Remote = (*Language)(nil)

// Away implements compiler.Remote. What macros look at, a scout tells. All that the run
// is given then counts as read, and where no linker lists what is put into an archive.
func (l *Language) Away(call *compiler.Call, inv *compiler.Invocation, scratch string) (*compiler.Away, error) {
	d := inv.Detail.(*detail)
	plan, err := l.Plan(call, inv, scratch)
	if err != nil {
		return nil, err
	}
	away := &compiler.Away{Args: plan.Args, Made: plan.Made, Whole: d.watched, Scout: d.foreign, Partly: d.cmd.links()}
	switch {
	case d.watched:
		away.Env = variables(call.Env, d.named)
	case plan.Looks:
		return nil, errAssembly()
	}
	if !d.cmd.links() {
		return away, nil
	}
	if d.linking, err = l.linkingOf(call, inv); err != nil {
		return nil, err
	}
	if d.linking.lists {
		away.Whole = d.foreign // else the list tells
		away.Args = append(slices.Clone(away.Args), listOption(scratch+"/"))
		away.Side = []string{linkList}
	}
	return away, nil
}

// awayInputs serves runs elsewhere that would have been watched here: what rustc
// itself says that it read, and the linker. What a macro looked at besides is among what
// the run was given.
func (l *Language) awayInputs(call *compiler.Call, inv *compiler.Invocation, deps *depInfo, seen *compiler.Observed) (*action.PathSet, error) {
	set, err := l.awaySources(call, inv, deps)
	if err != nil {
		return nil, err
	}
	d := inv.Detail.(*detail)
	if d.cmd.links() {
		if d.linking.lists {
			list, err := readLinkList(seen)
			if err != nil {
				return nil, err
			}
			if err := l.readByLinker(d.cmd, d.linking, list, set); err != nil {
				return nil, err
			}
		}
	}
	if d.cmd.seesOutput(set) {
		return nil, compiler.NotCacheable("an output among the files that are listed")
	}
	return set, nil
}

// awaySources names what such a run looks at for its sources, whatever it links.
func (l *Language) awaySources(call *compiler.Call, inv *compiler.Invocation, deps *depInfo) (*action.PathSet, error) {
	set, err := l.crateSearch(call, inv, deps)
	if err != nil {
		return nil, err
	}
	d := inv.Detail.(*detail)
	c := d.cmd
	if _, err := os.Lstat(stdSources); err == nil {
		return nil, compiler.NotCacheable("sources at %s", stdSources)
	}
	set.Paths = append(append(set.Paths, stdSources), sourcePaths(c.dir, deps.files)...)
	for _, f := range deps.files {
		set.Found = append(set.Found, under(c.dir, f))
	}
	if err := c.unkindedDirs(set); err != nil {
		return nil, err
	}
	if err := l.loaderInputs(call, set); err != nil {
		return nil, err
	}
	natives, err := c.nativeSearch(deps)
	if err != nil {
		return nil, err
	}
	set.Searches = append(set.Searches, natives)
	for _, dir := range natives.Dirs {
		set.Listings = append(set.Listings, listedForNothing(dir))
	}
	if d.linking != nil {
		if err := d.linking.claim(call, set); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// nativeSearch is the search of rustc itself for archives.
func (c *command) nativeSearch(deps *depInfo) (action.Search, error) {
	s := action.Search{Dirs: c.nativeDirs()}
	if len(s.Dirs) == 0 {
		return s, nil
	}
	var seen scan
	for _, f := range deps.files {
		text, err := os.ReadFile(under(c.dir, f))
		if err != nil {
			return s, compiler.NotCacheable("a source that is gone")
		}
		seen.source(text)
	}
	for _, name := range c.nativeNames(&seen) {
		if strings.HasPrefix(name, "/") {
			return s, compiler.NotCacheable("native library by its path")
		}
		s.Names = append(s.Names, forms(name)...)
	}
	return s, nil
}

// Forecast implements compiler.Remote: the sources beside and below the main one, and
// what they include and ask for by literal names; of a link, the crates and what may be
// the native libraries.
func (l *Language) Forecast(call *compiler.Call, inv *compiler.Invocation) (*action.PathSet, error) {
	d := inv.Detail.(*detail)
	g := &guess{dir: d.cmd.dir, files: map[string]bool{}, env: map[string]bool{}}
	main := under(d.cmd.dir, d.cmd.sources[0])
	g.source(main)
	if !d.foreign { // else a scout has told
		g.tree(filepath.Dir(main))
		if out := call.Env.Get("OUT_DIR"); filepath.IsAbs(out) {
			g.tree(out)
		}
		for _, kv := range call.Env {
			if name := compiler.Name(kv); cargoTells(name) {
				g.env[name] = true
			}
		}
	}
	deps := &depInfo{files: slices.Sorted(maps.Keys(g.files)), env: slices.Sorted(maps.Keys(g.env))}
	if !d.watched {
		return l.ruledInputs(call, inv, deps, &compiler.Observed{})
	}
	set, err := l.awaySources(call, inv, deps)
	if err != nil {
		return nil, err
	}
	return set, l.forecastNatives(call, d, set)
}

// cargoTells reports whether the variable is one by which cargo tells a crate of
// itself: macros of other crates ask for these.
func cargoTells(name string) bool {
	switch name {
	case "OUT_DIR", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE":
		return true
	}
	return strings.HasPrefix(name, "CARGO_PKG_") || strings.HasPrefix(name, "CARGO_BIN_EXE_")
}

// guess collects what a crate may read.
type guess struct {
	dir   string          // the working directory
	files map[string]bool // that are there
	env   map[string]bool
}

// tree takes in the Rust sources in and below dir.
func (g *guess) tree(dir string) {
	eachSource(dir, func(p string, _ fs.DirEntry) { g.source(p) })
}

// source takes in a source and what it names.
func (g *guess) source(p string) {
	text, fresh := g.file(p)
	if !fresh {
		return
	}
	toks := lex(text)
	for i, t := range toks {
		if t.kind != tokIdent {
			continue
		}
		switch {
		case t.text == "path" && is(toks, i+1, "=") && i+2 < len(toks) && toks[i+2].kind == tokString:
			// Inside a module of its own directory the name starts from there.
			g.source(under(filepath.Dir(p), toks[i+2].text))
			g.source(under(strings.TrimSuffix(p, ".rs"), toks[i+2].text))
		case !is(toks, i+1, "!") || i+3 >= len(toks) || toks[i+3].kind != tokString:
		case t.text == "include":
			g.source(under(filepath.Dir(p), toks[i+3].text))
		case t.text == "include_str" || t.text == "include_bytes":
			g.file(under(filepath.Dir(p), toks[i+3].text))
		case t.text == "env" || t.text == "option_env":
			g.env[toks[i+3].text] = true
		}
	}
}

// file takes in a file, where it is one and was not met before. One that is too large to be looked
// into is sent all the same: tables that programs have written are larger than people's sources.
func (g *guess) file(p string) (text []byte, fresh bool) {
	p = filepath.Clean(p)
	info, err := os.Stat(p)
	if err != nil || g.files[p] || !info.Mode().IsRegular() || len(g.files) >= maxGuess {
		return nil, false
	}
	if info.Size() <= maxGuessed {
		if text, err = os.ReadFile(p); err != nil {
			return nil, false
		}
	}
	g.files[p] = true
	return text, text != nil
}
