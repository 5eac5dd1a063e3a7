package rustc

import (
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// places tells what it takes to name the call by other places.
func (d *detail) places(inv *compiler.Invocation) *compiler.Places {
	c := d.cmd
	p := &compiler.Places{
		PathAt: pathsAt(c.args), Also: under(c.dir, c.outDir), Located: d.mustLocate(), Macros: d.foreign, Whose: d.classes.whose(),
		Maps: []compiler.Map{{
			Args: func(real, name string) []string { return []string{"--remap-path-prefix=" + real + "=" + name} },
			Own:  ownMaps(c.args),
		}},
	}
	if c.clippy {
		p.MapsAt = 1 // behind the path of rustc
	}
	return p
}

// ownMaps returns the beginnings of paths that the command itself replaces.
func ownMaps(args []string) []string {
	var own []string
	for i, a := range args {
		value, ok := strings.CutPrefix(a, "--remap-path-prefix=")
		if !ok && i > 0 && args[i-1] == "--remap-path-prefix" {
			value, ok = a, true
		}
		if ok {
			own = append(own, value[:max(strings.LastIndexByte(value, '='), 0)])
		}
	}
	return own
}

// mustLocate returns why a call has to name its real directories, as far as its words
// tell.
func (d *detail) mustLocate() string {
	switch {
	case d.cmd.anyKind:
		return "crates in a -L without a kind"
	}
	return d.cmd.located
}

// locates returns why a -C option has a call name its real directories, "" where it
// does not.
func locates(name, value string) string {
	switch name {
	case "instrument-coverage", "profile-generate", "profile-use":
		return "coverage data has its directory"
	case "rpath":
		if value != "no" && value != "off" {
			return "paths between directories are recorded"
		}
	}
	return ""
}

// pathsAt returns where in each argument a path stands.
func pathsAt(args []string) []compiler.Span {
	at := make([]compiler.Span, len(args))
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !strings.HasPrefix(a, "-") {
			at[i] = compiler.Span{To: len(a)}
			continue
		}
		name, value, glued := split(a)
		if !takesValue(name) {
			continue
		}
		start := len(a) - len(value)
		if !glued {
			if i++; i == len(args) {
				break
			}
			value, start = args[i], 0
		}
		if in := pathIn(name, value); in >= 0 {
			end := len(args[i])
			if name == "--remap-path-prefix" { // what comes behind the sign is written
				end = start + max(strings.LastIndexByte(value, '='), 0)
			}
			at[i] = compiler.Span{From: start + in, To: end}
		}
	}
	return at
}

// pathIn returns where in the value of an option a path begins, negative where there is
// none.
func pathIn(name, value string) int {
	behind := strings.IndexByte(value, '=') + 1
	switch name {
	case "--out-dir", "--remap-path-prefix":
		return 0
	case "--target":
		if isTargetFile(value) {
			return 0
		}
	case "-L":
		return behind
	case "--extern":
		if behind > 0 {
			return behind
		}
	case "--emit":
		if behind > 0 && !strings.Contains(value, ",") {
			return behind
		}
	case "-C", "--codegen":
		switch strings.ReplaceAll(value[:max(behind, 1)-1], "_", "-") {
		case "profile-use", "linker", "ar":
			return behind
		}
	}
	return -1
}

// depText moves the words of a dependency list, which no line is broken in.
func depText(text []byte, move func([]byte) []byte) ([]byte, bool) { return move(text), true }
