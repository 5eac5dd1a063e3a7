package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// newClient returns a client that gives the bytes of a bare compile.
func newClient(t *testing.T, conf string, extra ...string) *harness.Client {
	t.Helper()
	return product.NewClient(t, conf, append([]string{"CACHEPOT_LOG=debug", "CACHEPOT_PATHS_MODE=exact"}, extra...)...)
}

// strict makes a compile fail that does not run elsewhere.
const strict = "CACHEPOT_DIST_FALLBACK=fail"

// isProduct reports whether a compile makes a file with that name.
func isProduct(name string) bool {
	return strings.HasSuffix(name, ".o") || strings.HasSuffix(name, ".d")
}

// clean removes what was built below dir.
func clean(t *testing.T, dir string) {
	t.Helper()
	for name := range harness.Built(t, dir, isProduct) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}
