package harness

import (
	"fmt"
	"os"
	"path/filepath"
)

// pathsMode is the variable that says in which mode of paths the tests run that do not ask
// for one themselves; where it is not set, that is the product's default, relocatable.
const pathsMode = "CACHEPOT_TEST_PATHS_MODE"

// Relocatable reports whether instances that ask for no mode of paths have relocatable ones.
func Relocatable() bool { return os.Getenv(pathsMode) != "exact" }

// Project makes base a checkout where paths are relocatable, so that all that lies in it is
// one project, and returns what stands before a bare compiler whose products are those that
// cachepot promises: nothing, or a program that adds the options for this project.
func (p *Product) Project(base string) (mapped string, err error) {
	if !Relocatable() {
		return "", nil
	}
	if err := os.Mkdir(filepath.Join(base, ".git"), 0o755); err != nil {
		return "", fmt.Errorf("make a project: %w", err)
	}
	return p.mappedProgram()
}
