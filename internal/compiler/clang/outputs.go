package clang

import (
	"regexp"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// outputs names the files of a call as clang does. Objects, assembler text and
// kept temporaries are written beside their place and renamed; what goes beside
// an object is truncated and rewritten.
func outputs(c *cfamily.Command) ([]compiler.Output, error) {
	if c.Assembly && !c.Lang.Compile && (!c.Lang.Preprocess || c.Object == "") {
		return nil, compiler.NotCompilation("-S of assembler text")
	}
	temps, err := temps(c)
	if err != nil {
		return nil, err
	}
	// Where the integrated assembler is a step of its own it writes in place.
	alone := !c.Lang.Compile || len(temps) > 0
	out := []compiler.Output{{Path: c.ObjectPath(mainExt(c)), InPlace: alone && !c.Assembly && !c.ExternalAs}}
	add := func(name string) { out = append(out, compiler.Output{Path: name, InPlace: true}) }
	if c.Dep.On && c.Lang.Preprocess {
		out = append(out, compiler.Output{Path: c.DepFile(), InPlace: true, Text: depsText})
	}
	dwo, err := splitDwarf(c)
	if err != nil {
		return nil, err
	}
	if dwo {
		add(c.Beside(".dwo"))
	}
	if c.Lang.Compile {
		if c.Notes {
			add(c.Beside(".gcno"))
		}
		if c.StackUsage && !c.Bitcode && !c.LTO {
			// None is written where there is no function.
			out = append(out, compiler.Output{Path: c.Beside(".su"), InPlace: true, Optional: true})
		}
	}
	for _, name := range temps {
		out = append(out, compiler.Output{Path: name})
	}
	if c.Serialize != "" {
		out = append(out, compiler.Output{Path: c.Serialize})
	}
	for _, name := range c.TextFiles {
		add(name)
	}
	return out, nil
}

// mainExt is the extension of the main output where -o does not name it.
func mainExt(c *cfamily.Command) string {
	switch {
	case c.Bitcode && c.Assembly:
		return ".ll"
	case c.Bitcode:
		return ".bc"
	case c.Assembly:
		return ".s"
	}
	return ".o"
}

// splitDwarf tells whether a .dwo is written: for assembler text always, for the
// rest where there is full debug information, even with -S.
func splitDwarf(c *cfamily.Command) (bool, error) {
	if !c.SplitDwarf || c.Bitcode || c.LTO {
		return false, nil
	}
	if !c.Lang.Compile {
		return !c.ExternalAs && !c.Assembly, nil
	}
	if c.ExternalAs {
		return false, compiler.NotCacheable("-gsplit-dwarf with another assembler")
	}
	switch {
	case c.Debug == "" || c.Debug == "-g0":
		return false, nil
	case regexp.MustCompile(`^-g(|2|3|gdb|gdb2|gdb3|dwarf|dwarf-[45])$`).MatchString(c.Debug):
		return true, nil
	}
	return false, compiler.NotCacheable("-gsplit-dwarf with %s", c.Debug)
}

// temps names the files that -save-temps keeps.
func temps(c *cfamily.Command) ([]string, error) {
	if c.Temps == cfamily.TempsGone {
		return nil, nil
	}
	if c.LTO || c.Bitcode || c.SplitDwarf {
		return nil, compiler.NotCacheable("-save-temps with bitcode or split debug information")
	}
	at := c.SourceHere
	if c.Temps == cfamily.TempsObj {
		at = c.SourceBeside
	}
	var names []string
	if c.Lang.Preprocess && (c.Lang.Compile || !c.Assembly) {
		names = append(names, at(c.Lang.Temp))
	}
	if c.Lang.Compile && c.Lang.Preprocess {
		names = append(names, at(".bc"))
	}
	if c.Lang.Compile && !c.Assembly {
		names = append(names, at(".s"))
	}
	return names, nil
}

// depsText moves the words of a dependency file.
func depsText(text []byte, move func([]byte) []byte) ([]byte, bool) {
	return cfamily.MoveDeps(text, move, writeDeps)
}

// writeDeps lays out a rule as clang does: 75 columns with room for a backslash.
func writeDeps(b *strings.Builder, targets, deps []string) {
	const columns = 75
	column := 0
	for i, t := range targets {
		switch {
		case i == 0:
			column += len(t)
		case column+len(t)+2 > columns:
			column = len(t) + 2
			b.WriteString(" \\\n  ")
		default:
			column += len(t) + 1
			b.WriteByte(' ')
		}
		b.WriteString(t)
	}
	b.WriteByte(':')
	column++
	for _, d := range deps {
		if column+len(d)+3 > columns {
			b.WriteString(" \\\n ")
			column = 2
		}
		b.WriteByte(' ')
		b.WriteString(d)
		column += len(d) + 1
	}
	b.WriteByte('\n')
}
