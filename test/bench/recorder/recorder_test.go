package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRecorder compiles once for real, then gets the same bytes back although the
// source has changed: that is what makes it a floor and no cache.
func TestRecorder(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	t.Chdir(t.TempDir())
	args := []string{gcc, "-MD", "-c", "a.c", "-o", "a.o"}
	compile := func(source string) (object string) {
		for _, name := range []string{"a.o", "a.d"} {
			_ = os.Remove(name) // absent at first
		}
		if err := os.WriteFile("a.c", []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, err := run(store, args); code != 0 || err != nil {
			t.Fatalf("status %d, %v", code, err)
		}
		if _, err := os.Stat("a.d"); err != nil {
			t.Error(err)
		}
		data, err := os.ReadFile("a.o")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	first := compile("int a = 1;")
	if compile("int a = 2;") != first {
		t.Error("the second call was compiled, not copied back")
	}
}

func TestFailedCallIsNotRecorded(t *testing.T) {
	store := t.TempDir()
	t.Chdir(t.TempDir())
	if code, err := run(store, []string{"false", "-c", "a.c", "-o", "a.o"}); code != 1 || err != nil {
		t.Errorf("status %d, %v, want 1", code, err)
	}
	if found, _ := filepath.Glob(filepath.Join(store, "*")); len(found) > 0 {
		t.Errorf("recorded %v", found)
	}
}
