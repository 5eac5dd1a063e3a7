// Package harness runs the product's programs in end-to-end tests: it builds
// them, gives each test a coordinator with directories of its own, and compares
// what a command leaves behind with and without the wrapper. Only tests below
// test/e2e and test/bench import it.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Product is the programs, built from this tree when they are first needed.
// The zero value is ready; TestMain owns it and calls Remove at the end.
type Product struct {
	once sync.Once
	dir  string // made for them, "" where none was
	used string // where they lie
	err  error

	server  sync.Once
	servers string // directory of cachepot-dist, "" where it was not wanted
	servErr error

	mapper sync.Once
	mapped string // directory of the program that Project returns, "" where it was not wanted
	mapErr error
}

// Use takes programs that lie in dir already instead of building them.
func (p *Product) Use(dir string) { p.once.Do(func() { p.used = dir }) }

// Wrapper returns the path of the wrapper; the coordinator lies beside it.
func (p *Product) Wrapper() (string, error) {
	p.once.Do(func() {
		p.dir, p.err = build("cmd/cachepot", "cmd/cachepot-coordinator")
		p.used = p.dir
	})
	return filepath.Join(p.used, "cachepot"), p.err
}

// Main runs a package's tests, removes the programs and returns the exit status,
// for TestMain.
func (p *Product) Main(m interface{ Run() int }) int {
	defer func() { _ = p.Remove() }()
	return m.Run()
}

// mappedProgram returns the path of the program that test/e2e/harness/mapped is.
func (p *Product) mappedProgram() (string, error) {
	p.mapper.Do(func() { p.mapped, p.mapErr = build("test/e2e/harness/mapped") })
	return filepath.Join(p.mapped, "mapped"), p.mapErr
}

// Servers returns the path of cachepot-dist.
func (p *Product) Servers() (string, error) {
	p.server.Do(func() { p.servers, p.servErr = build("cmd/cachepot-dist") })
	return filepath.Join(p.servers, "cachepot-dist"), p.servErr
}

// Remove removes the programs if they were built for the tests.
func (p *Product) Remove() error {
	return errors.Join(os.RemoveAll(p.dir), os.RemoveAll(p.mapped), os.RemoveAll(p.servers))
}

// build builds programs, named from the module's root, in a new directory.
func build(programs ...string) (string, error) {
	dir, err := os.MkdirTemp("", "cachepot-product-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	args := []string{"build", "-ldflags", "-s -w", "-o", dir + "/"}
	for _, name := range programs {
		args = append(args, "github.com/cachepot/cachepot/"+name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build %s: %w\n%s", strings.Join(programs, ", "), err, out)
	}
	return dir, nil
}
