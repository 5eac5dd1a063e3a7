package jobserver

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// cachepot starts a coordinator with a cache of its own and returns the wrapper's
// path and the environment that leads to it.
func cachepot(t *testing.T) (path string, env []string) {
	t.Helper()
	i, err := product.NewInstance()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i.Wrapper, i.Env
}

// watched runs a build in dir to its end and returns what it printed, the number
// of counted things alive at once, and the names of compilers that were not its descendants.
func watched(t *testing.T, dir string, env []string, count func(int, string) int, argv ...string) (out string, highest int, lost []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var text bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &text, &text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := sampleWhile(dir, cmd.Process.Pid, count)
	err := cmd.Wait()
	highest = s.finish()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, text.String())
	}
	for name := range s.lost {
		lost = append(lost, name)
	}
	return text.String(), highest, lost
}

// tree writes files to a new directory and returns it, symbolic links resolved as
// the kernel shows working directories.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
