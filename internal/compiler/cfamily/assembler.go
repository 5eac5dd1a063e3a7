package cfamily

import (
	"os"
	"path"
	"strings"
)

// Assembler takes in the files that the assembler says it read (as --MD). It
// looks for a name in the working directory, then along -I, and does without
// none: what it read and the places before it are all there is.
func (c *Claims) Assembler(deps []string) {
	outputs := map[string]bool{}
	for _, o := range c.inv.Outputs {
		outputs[path.Clean(Abs(c.call.Dir, o.Path))] = true
	}
	for _, dep := range deps {
		p := Abs(c.call.Dir, dep)
		if outputs[path.Clean(p)] || isTemporary(p) {
			continue
		}
		c.paths[p] = true
		c.assembled(p)
	}
}

// assembled claims p's name in each place of the assembler's search.
func (c *Claims) assembled(p string) {
	for _, d := range c.asDirs() {
		if rel, ok := strings.CutPrefix(p, d+"/"); ok {
			c.assembly[rel] = true
		}
	}
}

// asDirs returns the directories that the assembler searches.
func (c *Claims) asDirs() []string {
	dirs := []string{c.call.Dir}
	for _, d := range c.cmd.User {
		dirs = append(dirs, Abs(c.call.Dir, d))
	}
	for _, d := range c.cmd.AsDirs {
		dirs = append(dirs, Abs(c.call.Dir, d))
	}
	return dirs
}

// isTemporary recognises the driver's own text for the assembler, which is gone
// when it ends: cc and six letters or digits.
func isTemporary(p string) bool {
	name, ok := strings.CutSuffix(path.Base(p), ".s")
	if !ok || len(name) != 8 || !strings.HasPrefix(name, "cc") {
		return false
	}
	_, err := os.Lstat(p)
	return err != nil
}
