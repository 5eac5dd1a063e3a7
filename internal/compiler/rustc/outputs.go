package rustc

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Found by experiment with rustc 1.95: the dependency list is opened for
// writing where it lies, the two libraries are written elsewhere and renamed, and
// linkers put a new file in the place of an old one.

// outputs returns what a successful call writes.
func (c *command) outputs() []compiler.Output {
	var outs []compiler.Output
	for _, k := range sortedKeys(c.emit) {
		if k != "link" {
			out := compiler.Output{Path: c.output(k), InPlace: k == "dep-info", Unlinks: k != "dep-info"}
			if k == "dep-info" {
				out.Text = depText
			}
			outs = append(outs, out)
			continue
		}
		for _, l := range c.linked() {
			outs = append(outs, compiler.Output{Path: l.path, Unlinks: true})
			if c.dwp && l.kind != "rlib" && l.kind != "staticlib" {
				outs = append(outs, compiler.Output{Path: l.path + ".dwp", Optional: true, InPlace: true})
			}
		}
	}
	return outs
}

// product is one file of --emit link.
type product struct{ kind, path string }

// linked returns the files of --emit link, one for each crate type.
func (c *command) linked() []product {
	types := c.types
	if c.test { // whatever else is said
		types = []string{"bin"}
	}
	var files []product
	for _, t := range types {
		if t == "lib" {
			t = "rlib"
		}
		p := product{t, c.emit["link"]}
		if p.path == "" {
			p.path = filepath.Join(c.outDir, linkedName(t, c.crate+c.extra))
		}
		if !slices.Contains(files, p) {
			files = append(files, p)
		}
	}
	return files
}

// linkedName returns the name of a file of a crate type on Linux.
func linkedName(kind, stem string) string {
	switch kind {
	case "bin":
		return stem
	case "staticlib":
		return "lib" + stem + ".a"
	case "rlib":
		return "lib" + stem + ".rlib"
	}
	return "lib" + stem + ".so"
}

// output returns the path of the dependency list or the metadata, as rustc opens
// it.
func (c *command) output(kind string) string {
	if file := c.emit[kind]; file != "" {
		return file
	}
	name := c.crate + c.extra + ".d"
	if kind == "metadata" {
		name = "lib" + c.crate + c.extra + ".rmeta"
	}
	return filepath.Join(c.outDir, name)
}

// strayPaths returns where rustc would put libraries if nothing else was said,
// less those that are outputs. It looks there, and fails for what it finds, even
// where the file is not asked for or has another place.
func (c *command) strayPaths() []string {
	plain := *c
	plain.emit = nil
	paths := []string{plain.output("metadata")}
	for _, l := range plain.linked() {
		paths = append(paths, l.path)
	}
	var stray []string
	for _, p := range paths {
		if !slices.ContainsFunc(c.outputs(), func(o compiler.Output) bool { return o.Path == p }) {
			stray = append(stray, p)
		}
	}
	return stray
}

// checkOutputs refuses calls whose outputs are among their inputs, or each
// other, or lie where rustc may refuse to write: what becomes of such a call is
// the compiler's business. It adds those that are looked at only.
func (c *command) checkOutputs(inv *compiler.Invocation) error {
	seen := map[string]bool{}
	for _, k := range inv.Known {
		seen[filepath.Clean(k)] = true
	}
	for _, o := range inv.Outputs {
		p := filepath.Clean(under(c.dir, o.Path))
		if seen[p] {
			return compiler.NotCacheable("an output that is an input")
		}
		seen[p] = true
		st, err := os.Lstat(p)
		if err == nil && (!st.Mode().IsRegular() || st.Mode()&0o222 == 0) {
			return compiler.NotCacheable("an output that is in the way")
		}
	}
	for _, p := range c.strayPaths() {
		if _, err := os.Lstat(under(c.dir, p)); err == nil {
			return compiler.NotCacheable("an output that is in the way")
		}
		inv.Outputs = append(inv.Outputs, compiler.Output{Path: p, Optional: true, Unwritten: true})
	}
	return nil
}
