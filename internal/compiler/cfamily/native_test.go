package cfamily

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHybrid(t *testing.T) {
	dir := t.TempDir()
	if hybrid(dir) {
		t.Error("a machine without devices is hybrid")
	}
	if err := os.Mkdir(filepath.Join(dir, "cpu_atom"), 0o777); err != nil {
		t.Fatal(err)
	}
	if !hybrid(dir) {
		t.Error("a machine with two kinds of cores is not hybrid")
	}
}
