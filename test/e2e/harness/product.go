// Package harness runs the product's two programs in end-to-end tests: it builds
// them, gives each test a coordinator with directories of its own, and compares
// what a command leaves behind with and without the wrapper. Only tests below
// test/e2e import it.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Product is the two programs, built from this tree when they are first needed.
// The zero value is ready; TestMain owns it and calls Remove at the end.
type Product struct {
	once sync.Once
	dir  string // made for them, "" where none was
	used string // where they lie
	err  error
}

// Use takes programs that lie in dir already instead of building them.
func (p *Product) Use(dir string) { p.once.Do(func() { p.used = dir }) }

// Wrapper returns the path of the wrapper; the coordinator lies beside it.
func (p *Product) Wrapper() (string, error) {
	p.once.Do(func() {
		p.dir, p.err = build()
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

// Remove removes the programs if they were built for the tests.
func (p *Product) Remove() error { return os.RemoveAll(p.dir) }

func build() (string, error) {
	dir, err := os.MkdirTemp("", "cachepot-product-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	const module = "github.com/cachepot/cachepot/cmd/"
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", dir+"/", module+"cachepot", module+"cachepot-coordinator")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build the product: %w\n%s", err, out)
	}
	return dir, nil
}
