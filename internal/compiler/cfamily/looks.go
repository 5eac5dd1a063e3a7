package cfamily

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// Looks takes in everything that a watched process tree did. No rule is asked:
// the next call does the same as long as it meets the same, at each place.
func (c *Claims) Looks(looks []compiler.Look) error {
	if len(looks) == 0 {
		return compiler.NotCacheable("not watched")
	}
	for _, l := range looks {
		if err := c.seen(l); err != nil {
			return err
		}
	}
	return nil
}

// seen takes in one look.
func (c *Claims) seen(l compiler.Look) error {
	p := Abs(c.call.Dir, l.Path)
	place := path.Clean(p)
	if skip, err := machinery(place); skip || err != nil {
		return err
	}
	if c.isOutput(place) {
		if l.Deed == compiler.Read && l.Found { // and not made by the tree itself
			return compiler.NotCacheable("output is an input")
		}
		return nil
	}
	if slices.Contains(temporary(c.call.Env), place) {
		return nil
	}
	if err := l.Trace(); err != nil {
		return err
	}
	switch l.Deed {
	case compiler.Wrote:
		return nil // a temporary file
	case compiler.Listed:
		c.listed = append(c.listed, action.Listing{Dir: p})
		return nil
	}
	c.paths[p] = true
	if !l.Found {
		return nil
	}
	c.opened = append(c.opened, p) // and must be there still
	if l.Deed == compiler.Read {
		return c.content(p)
	}
	return nil
}

// content takes in a file that was opened or run.
func (c *Claims) content(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		return compiler.NotCacheable("input removed during the compile")
	}
	if info.IsDir() {
		return nil
	}
	if !info.Mode().IsRegular() {
		return compiler.NotCacheable("reads what is no file")
	}
	switch ext := path.Ext(p); {
	case ext == ".pch" || ext == ".gch" && !slices.Contains(c.headerSuffix, ext):
		// It holds time stamps of all its headers, which are compared.
		return compiler.NotCacheable("precompiled header with time stamps")
	case strings.Contains(p, "/plugin/") && isProgram(p):
		return compiler.NotCacheable("plugin")
	case !c.cmd.Lang.Preprocess, isProgram(p), ext == ".gcda", slices.Contains(c.headerSuffix, ext):
		return nil
	}
	return c.Header(p)
}

func (c *Claims) isOutput(place string) bool {
	for _, o := range c.inv.Outputs {
		if path.Clean(Abs(c.call.Dir, o.Path)) == place {
			return true
		}
	}
	return false
}

// temporary returns the directories that drivers try for their temporary files.
func temporary(env compiler.Environ) []string {
	dirs := []string{"/tmp", "/var/tmp", "/usr/tmp"}
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		if dir := env.Get(name); dir != "" {
			dirs = append(dirs, path.Clean(dir))
		}
	}
	return dirs
}
