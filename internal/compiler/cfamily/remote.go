package cfamily

import "github.com/cachepot/cachepot/internal/compiler"

// StaysHere says why the call cannot run on another machine, nil where it can.
func (c *Command) StaysHere() error {
	switch {
	case c.Watched:
		return compiler.NotCacheable("an option chooses files by rules that have to be watched")
	case c.Native:
		return compiler.NotCacheable("compiles for the CPU of this machine")
	}
	return nil
}
