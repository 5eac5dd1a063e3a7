package gcc

import (
	"path"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// outputs names the files of a call as gcc 11 and later do: what goes beside
// the object takes its name from -o where that is given, else from the source.
//
// gcc's driver removes an object before the assembler writes it; all other files
// are truncated and rewritten.
func outputs(c *cfamily.Command) ([]compiler.Output, error) {
	if c.Bitcode {
		return nil, compiler.NotCacheable("-emit-llvm")
	}
	if c.Expanded && c.Temps != cfamily.TempsGone {
		// The driver then hands include directories to its helpers in files of its
		// own, and keeps these too.
		return nil, compiler.NotCacheable("-save-temps with a response file")
	}
	ext := ".o"
	if c.Assembly {
		ext = ".s"
	}
	out := []compiler.Output{{Path: c.ObjectPath(ext), InPlace: c.Assembly}}
	add := func(name string) { out = append(out, compiler.Output{Path: name, InPlace: true}) }
	if c.Assembly && !c.Lang.Compile {
		return nil, compiler.NotCompilation("-S of assembler text")
	}
	if c.Dep.On && c.Lang.Preprocess {
		out = append(out, compiler.Output{Path: c.DepFile(), InPlace: true, Text: depsText})
	}
	if c.SplitDwarf && !c.Assembly {
		out = append(out, compiler.Output{Path: c.Beside(".dwo")})
	}
	for _, name := range proper(c) {
		add(name)
	}
	for _, name := range temps(c) {
		add(name)
	}
	for _, name := range c.TextFiles {
		add(name)
	}
	return out, nil
}

// proper names what the compiler proper writes beside its assembler text.
func proper(c *cfamily.Command) []string {
	if !c.Lang.Compile {
		return nil
	}
	var names []string
	if c.Notes && c.NotesFile != "" {
		names = append(names, c.NotesFile)
	} else if c.Notes {
		names = append(names, c.Beside(".gcno"))
	}
	if c.StackUsage {
		names = append(names, c.Beside(".su"))
	}
	if c.CallGraph {
		names = append(names, c.Beside(".ci"))
	}
	return names
}

// temps names the files that -save-temps keeps.
func temps(c *cfamily.Command) []string {
	if c.Temps == cfamily.TempsGone {
		return nil
	}
	at := func(ext string) string {
		name := c.Beside(ext)
		if c.Temps == cfamily.TempsCwd {
			return path.Base(name)
		}
		return name
	}
	var names []string
	if c.Lang.Preprocess {
		names = append(names, at(c.Lang.Temp))
	}
	if c.Lang.Compile && !c.Assembly {
		names = append(names, at(".s"))
	}
	return names
}

// depsText moves the words of a dependency file.
func depsText(text []byte, move func([]byte) []byte) ([]byte, bool) {
	return cfamily.MoveDeps(text, move, writeDeps)
}

// writeDeps lays out a rule as gcc does: a word that would go beyond column 72 is put on
// a line of its own.
func writeDeps(b *strings.Builder, targets, deps []string) {
	column := 0
	word := func(w string) {
		if column > 0 {
			if column+len(w) > 72 {
				b.WriteString(" \\\n")
				column = 0
			}
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += len(w)
	}
	for _, t := range targets {
		word(t)
	}
	b.WriteByte(':')
	column++
	for _, d := range deps {
		word(d)
	}
	b.WriteByte('\n')
}
