package cfamily

import (
	"bytes"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Program claims the places where a driver looks for a helper, up to the one
// that has it: first in its own directories, then along PATH. Another helper
// that comes earlier makes another object.
func (c *Claims) Program(name string, own []string) {
	for _, d := range slices.Concat(own, pathList(compiler.Environ(c.inv.Env), "PATH")) {
		p := Abs(c.call.Dir, d) + "/" + name
		c.paths[p] = true
		if Exists(c.call.At(p)) {
			return
		}
	}
}

// DriverDirs asks a driver where it looks for its helpers, and where for the
// files that it links or is set up by.
func (c *Claims) DriverDirs() (programs, libraries []string, err error) {
	env := append(slices.Clone(c.inv.Env), "LC_ALL=C")
	stdout, _, err := c.call.Probe(append(slices.Clone(c.cmd.Probe), "-print-search-dirs"), env)
	if err != nil {
		return nil, nil, compiler.NotCacheable("directories of the driver unknown")
	}
	for _, line := range bytes.Split(stdout, []byte("\n")) {
		if list, ok := strings.CutPrefix(string(line), "programs: ="); ok {
			programs = strings.Split(list, ":")
		}
		if list, ok := strings.CutPrefix(string(line), "libraries: ="); ok {
			libraries = strings.Split(list, ":")
		}
	}
	if len(programs) == 0 {
		return nil, nil, compiler.NotCacheable("directories of the driver unknown")
	}
	return programs, libraries, nil
}

// checkPrefixes refuses helpers below -B that are scripts: they may want variables
// of the caller's, which are kept from the compiler.
func checkPrefixes(call *compiler.Call, cmd *Command) error {
	for _, prefix := range cmd.Prefix {
		for _, name := range []string{"as", "cc1", "cc1plus", "cc1obj", "cc1objplus", "objcopy"} {
			for _, p := range []string{prefix + name, prefix + "/" + name, prefix + "/" + call.Tool.Target + "-" + name} {
				if p = Abs(call.Dir, p); Exists(p) && !isProgram(p) {
					return compiler.NotCacheable("a script below -B")
				}
			}
		}
	}
	return nil
}
