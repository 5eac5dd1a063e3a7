package cfamily

import (
	"os"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// precompiled claims the precompiled forms of one file.
func (c *Claims) precompiled(p string) {
	for _, s := range c.headerSuffix {
		c.paths[p+s] = true
	}
}

// withSuffix adds the precompiled forms of those names that can have one.
func (c *Claims) withSuffix(names []string) []string {
	for _, name := range names {
		if c.first[name] {
			for _, s := range c.headerSuffix {
				names = append(names, name+s)
			}
		}
	}
	return names
}

// checkPrecompiled refuses precompiled headers that are directories, of which
// the compiler tries every file.
func (c *Claims) checkPrecompiled(set *action.PathSet) error {
	if len(c.headerSuffix) == 0 {
		return nil
	}
	for _, p := range candidates(set, c.headerSuffix) {
		if info, err := os.Stat(c.call.At(p)); err == nil && info.IsDir() {
			return compiler.NotCacheable("directory of precompiled headers")
		}
	}
	return nil
}

// candidates lists the claimed paths with one of the suffixes.
func candidates(set *action.PathSet, suffixes []string) []string {
	has := func(p string) bool {
		for _, s := range suffixes {
			if strings.HasSuffix(p, s) {
				return true
			}
		}
		return false
	}
	var out []string
	for _, p := range set.Paths {
		if has(p) {
			out = append(out, p)
		}
	}
	for _, s := range set.Searches {
		for _, n := range s.Names {
			if !has(n) {
				continue
			}
			for _, d := range s.Dirs {
				out = append(out, d+"/"+n)
			}
		}
	}
	return out
}
