package cfamily

import (
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// Claims collects what one compile looked at. Files that were read are put in;
// what was looked for besides follows from their text and the search rules.
type Claims struct {
	memo         *Memo
	call         *compiler.Call
	inv          *compiler.Invocation
	cmd          *Command
	chain        []dir
	missing      []string
	headerSuffix []string // as in Dialect

	files    map[string]*Scan // scanned, by absolute path
	read     map[string]bool  // files at which a search for their name ends
	opened   []string         // all that was found by a watch
	listed   []action.Listing // directories that a watched run listed
	paths    map[string]bool
	searched map[string]*need           // names looked for along the chain
	beside   map[string]map[string]bool // names looked for in one directory
	assembly map[string]bool            // names looked for by the assembler
	first    map[string]bool            // names whose precompiled form is looked for
	computed map[string]bool            // directories of files with computed includes
	renamed  []string                   // what lines say that they are called
}

// need says how a name is looked for along the chain.
type need struct {
	plain bool     // by name alone
	next  bool     // also behind the first place
	after []string // directories that are looked into before the chain
}

// Claims begins the claims of one call. inv is what Parse made of it.
func (d *Dialect) Claims(memo *Memo, call *compiler.Call, inv *compiler.Invocation) (*Claims, error) {
	cmd := inv.Detail.(*Command)
	c := &Claims{
		memo: memo, call: call, inv: inv, cmd: cmd, headerSuffix: d.HeaderSuffix,
		files: map[string]*Scan{}, read: map[string]bool{}, paths: map[string]bool{}, searched: map[string]*need{},
		beside: map[string]map[string]bool{}, assembly: map[string]bool{},
		first: map[string]bool{}, computed: map[string]bool{},
	}
	for _, known := range inv.Known {
		c.paths[known] = true
	}
	if pwd := compiler.Environ(inv.Env).Get("PWD"); pwd != "" {
		c.paths[pwd] = true // believed where it leads to the working directory
	}
	if !cmd.Lang.Preprocess && !cmd.Lang.Compile || cmd.Watched {
		return c, nil
	}
	var err error
	if c.chain, c.missing, err = d.chain(call, inv, cmd); err != nil {
		return nil, err
	}
	for _, name := range cmd.Forced {
		c.look(name, call.Dir, false, true)
	}
	for _, d := range cmd.Defines {
		if strings.Contains(d, "__has_") {
			return nil, compiler.NotCacheable(unclearHas)
		}
	}
	return c, nil
}

// Source takes in the main file and what it may include.
func (c *Claims) Source() error {
	p := Abs(c.call.Dir, c.cmd.Source)
	if c.cmd.Lang.Preprocess || c.cmd.Lang.Compile {
		c.precompiled(p)
	}
	for _, o := range c.inv.Outputs {
		switch path.Ext(o.Path) { // -save-temps: compiled by a second process
		case ".i", ".ii", ".mi", ".mii":
			c.precompiled(Abs(c.call.Dir, o.Path))
		}
	}
	if c.cmd.Lang.Preprocess {
		return c.text(p, true)
	}
	s, err := c.memo.File(c.call.At(p))
	if err != nil {
		return compiler.NotCacheable("source vanished")
	}
	if c.cmd.Lang.Compile {
		c.lines(s)
		if s.Unclear == unclearPCH {
			return compiler.NotCacheable(unclearPCH)
		}
	}
	return nil
}

// Header takes in a header that was read.
func (c *Claims) Header(p string) error {
	p = Abs(c.call.Dir, p)
	c.read[p] = true
	return c.text(p, false)
}

// Data takes in a file that was read as it is.
func (c *Claims) Data(p string) { c.paths[Abs(c.call.Dir, p)] = true }

// Listing claims the files in a directory whose names end with suffix.
func (c *Claims) Listing(dir, suffix string) {
	c.listed = append(c.listed, action.Listing{Dir: Abs(c.call.Dir, dir), Suffix: suffix})
}

// Implicit claims that the compiler looked for a header by itself, before all
// others.
func (c *Claims) Implicit(name string) { c.look(name, "", false, true) }

// Has reports whether p has been taken in.
func (c *Claims) Has(p string) bool { return c.paths[Abs(c.call.Dir, p)] }

func (c *Claims) text(p string, first bool) error {
	c.paths[p] = true
	if c.files[p] != nil {
		return nil
	}
	s, err := c.memo.File(c.call.At(p))
	if err != nil {
		return compiler.NotCacheable("header vanished")
	}
	if s.Unclear != "" {
		return compiler.NotCacheable("%s", s.Unclear)
	}
	if err := c.cmd.checkTime(s.Time, c.call.Env); err != nil {
		return err
	}
	c.files[p] = s
	c.lines(s)
	here := path.Dir(p)
	for _, name := range s.Quote {
		c.look(name, here, false, first || c.isForced(p))
	}
	for _, name := range s.Angle {
		c.look(name, "", false, first || c.isForced(p))
	}
	for _, name := range s.Next {
		c.look(name, "", true, false)
	}
	if len(s.Computed) > 0 {
		c.computed[here] = true
	}
	return nil
}

// lines claims the files that linemarkers name.
func (c *Claims) lines(s *Scan) {
	for _, name := range s.Lines {
		c.paths[Abs(c.call.Dir, name)] = true
		c.renamed = append(c.renamed, name)
	}
}

// isForced reports whether p may be what -include named.
func (c *Claims) isForced(p string) bool {
	for _, name := range c.cmd.Forced {
		if strings.HasSuffix(p, "/"+strings.TrimPrefix(name, "./")) || Abs(c.call.Dir, name) == p {
			return true
		}
	}
	return false
}

// look records one look-up. here is the directory that comes before the chain,
// "" for none.
func (c *Claims) look(name, here string, next, first bool) {
	if first {
		c.first[name] = true
	}
	if strings.HasPrefix(name, "/") {
		c.paths[Abs("/", name)] = true
		c.precompiled(Abs("/", name))
		return
	}
	if here != "" {
		if c.beside[here] == nil {
			c.beside[here] = map[string]bool{}
		}
		c.beside[here][name] = true
	}
	n := c.searched[name]
	if n == nil {
		n = &need{}
		c.searched[name] = n
	}
	switch {
	case next:
		n.next = true
	case here == "":
		n.plain = true
	default:
		n.after = append(n.after, here)
	}
}

// PathSet returns all that was claimed. It refuses the call where an output is
// among the files read, and where a precompiled header is a directory.
func (c *Claims) PathSet() (*action.PathSet, error) {
	if err := c.wrapped(); err != nil {
		return nil, err
	}
	set := &action.PathSet{}
	for _, o := range c.inv.Outputs {
		if c.Has(o.Path) {
			return nil, compiler.NotCacheable("output is an input")
		}
	}
	if len(c.computed) > 0 { // by which of the names is not known, full ones among them
		for p := range c.files {
			c.precompiled(p)
		}
	}
	for p := range c.paths {
		set.Paths = append(set.Paths, p)
	}
	for _, d := range c.chain {
		set.Paths = append(set.Paths, d.path)
	}
	set.Paths = append(set.Paths, c.missing...)
	set.Listings = c.listed
	for here, names := range c.beside {
		add(set, []string{here}, c.withSuffix(keys(names)))
	}
	c.searches(set)
	if len(c.assembly) > 0 {
		add(set, c.asDirs(), keys(c.assembly))
	}
	if err := c.checkPrecompiled(set); err != nil {
		return nil, err
	}
	set.Normalize()
	if err := c.checkPieces(); err != nil {
		return nil, err
	}
	for p, s := range c.files {
		set.Found = append(set.Found, p)
		if s.Once {
			set.Alone = append(set.Alone, p)
		}
	}
	set.SpeaksOfFile = c.speaksOfFile()
	set.Found = append(set.Found, c.opened...)
	set.Renamed = c.renamed
	return set, nil
}

// speaksOfFile reports whether a source may ask for the name of a file. Pieces of such
// names count where the project has them: the system's headers have some of all kinds.
func (c *Claims) speaksOfFile() bool {
	parts, paste := map[string]bool{}, false
	for p, s := range c.files {
		if s.File && !ofLibrary(p) {
			return true
		}
		paste = paste || s.Paste
		if !strings.HasPrefix(path.Clean(p), "/usr/") {
			for _, piece := range s.Pieces {
				parts[piece] = true
			}
		}
	}
	for _, d := range c.cmd.Defines {
		if fileMacros([]byte(d)) {
			return true
		}
		s := ScanText([]byte(d))
		paste = paste || s.Paste
		for _, piece := range s.Pieces {
			parts[piece] = true
		}
	}
	return paste && joinsFile(parts)
}

// ofLibrary reports whether p is a header of the C or C++ library: in their
// assertions the name of a file is an argument, which the object then holds as it
// is, and nothing else comes of it.
func ofLibrary(p string) bool {
	p = path.Clean(p)
	if p == "/usr/include/assert.h" {
		return true
	}
	for _, dir := range []string{"/usr/include/c++/", "/usr/include/x86_64-linux-gnu/c++/", "/usr/include/aarch64-linux-gnu/c++/", "/usr/lib/gcc/", "/usr/lib/llvm-"} {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	return false
}

// checkPieces refuses a call whose files could put together the name of a macro
// of time.
func (c *Claims) checkPieces() error {
	parts, paste := map[string]bool{}, false
	add := func(s *Scan) {
		paste = paste || s.Paste
		for _, p := range s.Pieces {
			parts[p] = true
		}
	}
	for _, s := range c.files {
		add(s)
	}
	for _, d := range c.cmd.Defines {
		add(ScanText([]byte(d)))
	}
	if paste && joinable(parts, c.cmd.FixedTime) && (!c.cmd.Epoch || c.call.Env.Get("SOURCE_DATE_EPOCH") == "") {
		return compiler.NotCacheable("__DATE__ or __TIME__ could be put together")
	}
	return nil
}

// searches groups the names by how far the chain was followed for them.
func (c *Claims) searches(set *action.PathSet) {
	if len(c.computed) > 0 {
		names := c.relative()
		for _, name := range names {
			c.look(name, "", true, true) // which search found it is not known
		}
		add(set, keys(c.computed), c.withSuffix(names))
	}
	groups := map[int][]string{}
	for name, n := range c.searched {
		if !n.next && !n.plain && c.foundBeside(name, n.after) {
			continue
		}
		end := len(c.chain)
		if k := c.foundAt(name); k >= 0 && !n.next {
			end = k + 1
		}
		groups[end] = append(groups[end], name)
	}
	for end, names := range groups {
		var dirs []string
		for _, d := range c.chain[:end] {
			dirs = append(dirs, d.path)
		}
		add(set, dirs, c.withSuffix(names))
	}
}

// add puts a search into the set. A name with ".." leads out of the directory
// and is claimed place by place.
func add(set *action.PathSet, dirs, names []string) {
	var inside []string
	for _, name := range names {
		if !slices.Contains(strings.Split(name, "/"), "..") {
			inside = append(inside, name)
			continue
		}
		for _, d := range dirs {
			set.Paths = append(set.Paths, Abs(d, name))
		}
	}
	if len(inside) > 0 && len(dirs) > 0 {
		set.Searches = append(set.Searches, action.Search{Dirs: slices.Clone(dirs), Names: inside})
	}
}

// foundAt returns the last place in the chain where name was read, -1 where it
// was read in none. Every plain search for it ended there or before.
func (c *Claims) foundAt(name string) int {
	for i := len(c.chain) - 1; i >= 0; i-- {
		d := c.chain[i]
		if !d.quote && !d.loose && c.read[Abs(d.path, name)] {
			return i
		}
	}
	return -1
}

// foundBeside reports whether name was read in each of dirs, so that no search
// for it went on along the chain.
func (c *Claims) foundBeside(name string, dirs []string) bool {
	for _, d := range dirs {
		if !c.read[Abs(d, name)] {
			return false
		}
	}
	return true
}

// relative returns the names by which the files read can have been found: their
// paths below each directory of the chain and of their includers.
func (c *Claims) relative() []string {
	dirs := map[string]bool{c.call.Dir: true}
	for _, d := range c.chain {
		dirs[d.path] = true
	}
	for here := range c.computed {
		dirs[here] = true
	}
	names := map[string]bool{}
	for p := range c.files {
		for d := range dirs {
			if rel, ok := strings.CutPrefix(p, d+"/"); ok {
				names[rel] = true
			}
		}
	}
	return keys(names)
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
