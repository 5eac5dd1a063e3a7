package rustc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// command is a command line taken apart. Paths are as spelled.
type command struct {
	dir         string   // working directory
	args        []string // canonical: argument files expanded, order kept
	clippy      bool
	sources     []string
	crate       string // --crate-name
	extra       string // -C extra-filename
	types       []string
	emit        map[string]string // kind to the file that was named for it, or ""
	outDir      string
	target      string // --target: a triple, or a path that ends in .json
	host        string // the triple that rustc compiles for where there is no --target
	test        bool   // --test
	externs     []extern
	dirs        []searchDir
	anyKind     bool     // a -L without a kind, which crates and libraries are looked for in
	dwp         bool     // -C split-debuginfo=packed
	units       bool     // -C codegen-units is given
	incremental string   // directory of -C incremental, which args leaves out
	natives     []string // values of -l
	// steersLinker: an option may have a program link that is not known
	steersLinker bool
	profile      string   // -C profile-use
	lints        []string // values of -A, -W, -D, -F and --force-warn
	json         bool     // --error-format=json
	width        []string // --diagnostic-width, which args leaves out: cargo gives the terminal's
	linker       string   // -C linker
	located      string   // why the call has to name its real directories, as far as -C tells

	// reason says why the call must run every time, although its meaning is
	// clear; unclear says why its meaning is not; nothing says that it compiles
	// nothing. The first of each kind is kept.
	reason, unclear, nothing string
}

// extern is one --extern name=path. Without a path the crate is searched for.
type extern struct{ name, path string }

// searchDir is one -L kind=dir.
type searchDir struct{ kind, dir string }

// read takes the command line of call apart. The error is a *compiler.Bare; a
// call that is understood and cannot be cached is not an error here.
func read(call *compiler.Call) (*command, error) {
	args, err := expand(call.Dir, call.Args)
	if err != nil {
		return nil, err
	}
	c := &command{dir: call.Dir, host: call.Tool.Target, clippy: call.Tool.Family == "clippy", emit: map[string]string{}}
	if c.clippy && len(args) > 0 && strings.TrimSuffix(filepath.Base(args[0]), ".exe") == "rustc" {
		c.args, args = args[:1:1], args[1:] // cargo passes the path of rustc, for a wrapper to run
	}
	for len(args) > 0 {
		session, width := c.incremental, len(c.width)
		rest := c.option(args)
		if c.incremental == session && len(c.width) == width {
			c.args = append(c.args, args[:len(args)-len(rest)]...)
		}
		args = rest
	}
	if c.incremental != "" && !c.units {
		c.args = append(c.args, "-C", incrementalUnits)
	}
	return c, nil
}

// incrementalUnits is how rustc divides a crate where sessions are kept and
// nothing else is said. Without, it takes fewer and larger units, which takes
// longer.
const incrementalUnits = "codegen-units=256"

// expand replaces every @file by the lines of the file. Like rustc it does not
// look for further files in them, nor for quotes.
func expand(dir string, args []string) ([]string, error) {
	var out []string
	for _, a := range args {
		file, ok := strings.CutPrefix(a, "@")
		if !ok {
			out = append(out, a)
			continue
		}
		b, err := os.ReadFile(under(dir, file))
		if err != nil {
			return nil, compiler.NotCacheable("unreadable @file")
		}
		text := strings.TrimSuffix(string(b), "\n")
		if text == "" && len(b) == 0 {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			out = append(out, strings.TrimSuffix(line, "\r"))
		}
	}
	return out, nil
}

// option takes one option with its value off the front of args.
func (c *command) option(args []string) []string {
	a, rest := args[0], args[1:]
	if a == "-" || !strings.HasPrefix(a, "-") {
		c.sources = append(c.sources, a)
		return rest
	}
	if c.flag(a) {
		return rest
	}
	name, value, glued := split(a)
	if !takesValue(name) {
		first(&c.unclear, "unknown option: "+name)
		return rest
	}
	if !glued {
		if len(rest) == 0 {
			first(&c.unclear, "missing value: "+name)
			return nil
		}
		value, rest = rest[0], rest[1:]
	}
	c.set(name, value)
	return rest
}

// split parts an option from a value in the same word: --name=value, -Cvalue.
func split(a string) (name, value string, glued bool) {
	if strings.HasPrefix(a, "--") {
		return strings.Cut(a, "=")
	}
	if len(a) == 2 {
		return a, "", false
	}
	return a[:2], a[2:], true
}

// first sets *s unless an earlier option has.
func first(s *string, reason string) {
	if *s == "" {
		*s = reason
	}
}

// verdict returns a *compiler.Bare where the call cannot be cached for what its
// command line says.
func (c *command) verdict() error {
	switch {
	case c.nothing != "":
		return compiler.NotCompilation(c.nothing)
	case c.unclear != "":
		return compiler.NotCacheable("%s", c.unclear)
	case len(c.sources) == 0:
		return compiler.NotCompilation("no input")
	case len(c.sources) > 1:
		return compiler.NotCacheable("multiple input files")
	case c.sources[0] == "-":
		return compiler.NotCacheable("-")
	}
	if len(c.types) == 0 && !c.test {
		return compiler.NotCacheable("crate-type unknown")
	}
	if c.reason != "" {
		return compiler.NotCacheable("%s", c.reason)
	}
	if err := c.linkVerdict(); err != nil {
		return err
	}
	return c.emitVerdict()
}

// linkVerdict judges what is to be linked: names of files are known for Linux.
func (c *command) linkVerdict() error {
	for _, t := range c.types {
		switch t {
		case "lib", "rlib", "bin", "cdylib", "dylib", "proc-macro", "staticlib":
		default:
			return compiler.NotCacheable("crate-type %s", t)
		}
	}
	target := c.target
	if target == "" {
		target = c.host
	}
	if c.links() && (!strings.Contains(target, "-linux-") || isTargetFile(target)) {
		return compiler.NotCacheable("linked for another system")
	}
	if c.emit["link"] != "" && len(c.types) > 1 {
		return compiler.NotCacheable("one name for several crate types")
	}
	return nil
}

// links reports whether the call makes anything beside a library for rustc.
func (c *command) links() bool {
	if _, ok := c.emit["link"]; !ok {
		return false
	}
	return c.test || slices.ContainsFunc(c.types, func(t string) bool { return t != "lib" && t != "rlib" })
}

// hasSession reports whether there is a session of an earlier run to go on from:
// a directory of the crate's name, "-" and a hash that only rustc can compute.
func (c *command) hasSession() bool {
	found, err := filepath.Glob(globQuote(under(c.dir, c.incremental)) + "/" + c.crate + "-*")
	return err != nil || len(found) > 0
}

// globQuote makes a pattern of a path that matches the path only.
func globQuote(p string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p)
}

// emitVerdict judges the files that are asked for.
func (c *command) emitVerdict() error {
	if c.crate == "" {
		return compiler.NotCacheable("no --crate-name")
	}
	for _, k := range sortedKeys(c.emit) {
		if k != "dep-info" && k != "metadata" && k != "link" {
			return compiler.NotCacheable("--emit %s", k)
		}
		if c.emit[k] == "-" {
			return compiler.NotCacheable("--emit to stdout")
		}
	}
	_, deps := c.emit["dep-info"]
	_, meta := c.emit["metadata"]
	_, link := c.emit["link"]
	if !deps {
		return compiler.NotCacheable("no dep-info")
	}
	if !meta && !link {
		return compiler.NotCacheable("--emit dep-info only")
	}
	return nil
}

// known returns the input files that are certain before the start, absolute.
func (c *command) known() []string {
	files := []string{under(c.dir, c.sources[0])}
	if isTargetFile(c.target) {
		files = append(files, under(c.dir, c.target))
	}
	if c.profile != "" {
		files = append(files, under(c.dir, c.profile))
	}
	for _, x := range c.externs {
		if x.path != "" {
			files = append(files, under(c.dir, x.path))
		}
	}
	return files
}

// isTargetFile reports whether --target names a specification in a file.
func isTargetFile(target string) bool { return strings.HasSuffix(target, ".json") }
