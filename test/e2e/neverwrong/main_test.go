package neverwrong

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// world is what the tests share.
type world struct {
	product harness.Product
	base    string // directory of all cases
	mapped  string // stands before bare compilers; "" for none
	serial  atomic.Int64
	rustc   string                 // the compiler itself, behind whatever proxy
	idle    chan *harness.Instance // coordinators between two cases
}

var shared world

func TestMain(m *testing.M) { os.Exit(shared.run(m)) }

func (w *world) run(m *testing.M) int {
	product := flag.String("product", "", "directory of the programs to test; built from this tree where empty")
	flag.Parse()
	if *product != "" {
		w.product.Use(*product)
	}
	defer func() { _ = w.product.Remove() }()
	if _, err := w.product.Wrapper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	sysroot, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, "find rustc:", err)
		return 1
	}
	w.rustc = strings.TrimSpace(string(sysroot)) + "/bin/rustc"
	base, err := os.MkdirTemp("/tmp", "nw-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if base, err = filepath.EvalSymlinks(base); err == nil {
		err = os.Chmod(base, 0o755)
	}
	if err == nil {
		w.mapped, err = w.product.Project(base)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w.base, w.idle = base, make(chan *harness.Instance, 64)
	defer os.RemoveAll(base)
	defer func() {
		close(w.idle)
		for i := range w.idle {
			i.Stop()
		}
	}()
	return m.Run()
}

// bare returns the compiler cc as its products are promised: with what has to stand before it.
func (w *world) bare(cc string) string { return strings.TrimSpace(w.mapped + " " + cc) }

// borrow returns a coordinator for one case; cases in different directories
// cannot meet in it.
func (w *world) borrow(t *testing.T) *harness.Instance {
	t.Helper()
	select {
	case i := <-w.idle:
		t.Cleanup(func() { w.idle <- i })
		return i
	default:
	}
	i, err := w.product.NewInstance()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.idle <- i })
	if _, err := i.Admin("--start-coordinator"); err != nil {
		t.Fatal(err)
	}
	return i
}

// private returns a coordinator that no other test uses, not started.
func (w *world) private(t *testing.T, extra ...string) *harness.Instance {
	t.Helper()
	i, err := w.product.NewInstance(extra...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i
}

// place returns the path of a case's directory, which is not made yet.
func (w *world) place() string {
	return filepath.Join(w.base, fmt.Sprintf("c%d", w.serial.Add(1)))
}
