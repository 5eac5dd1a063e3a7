package main

import (
	"os"
	"testing"
)

// TestTrivial: the job that does nothing has all that it needs, and no two are the same.
func TestTrivial(t *testing.T) {
	dir, err := os.MkdirTemp("", "cachepot-bench-") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	job, err := newTrivial(&bench{work: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := job.bare(t.Context(), 0, 1); err != nil {
		t.Error(err)
	}
	one, err := job.job(1)
	if err != nil {
		t.Fatal(err)
	}
	other, err := job.job(2)
	if err != nil {
		t.Fatal(err)
	}
	if one.Action == other.Action {
		t.Error("two numbers make one action")
	}
}
