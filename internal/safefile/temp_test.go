package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestTemp does everything both ways: with files that have no name until they
// are published and, as on file systems without those, with files that do.
func TestTemp(t *testing.T) {
	for way, create := range map[string]func(string, fs.FileMode) (*Temp, error){
		"as possible": Create,
		"named":       createNamed,
	} {
		t.Run(way, func(t *testing.T) { testTemp(t, create) })
	}
}

func testTemp(t *testing.T, create func(string, fs.FileMode) (*Temp, error)) {
	dir := t.TempDir()
	make := func(content string) *Temp {
		t.Helper()
		temp, err := create(dir, 0o444)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := temp.File().WriteString(content); err != nil {
			t.Fatal(err)
		}
		return temp
	}
	path := filepath.Join(dir, "ab", "file")
	want := func(content string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || string(b) != content {
			t.Errorf("content %q, %v, want %q", b, err, content)
		}
	}
	if err := make("1").Publish(path); err != nil {
		t.Fatal(err)
	}
	want("1")
	if err := make("2").Publish(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second publish: %v, want fs.ErrExist", err)
	}
	want("1")
	if err := make("3").Replace(path); err != nil {
		t.Fatal(err)
	}
	want("3")
	temp := make("4")
	temp.Discard()
	temp.Discard()
	if info, err := os.Stat(path); err != nil || info.Mode()&0o222 != 0 {
		t.Errorf("mode %v, %v, want none may write", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v, want only ab", entries, err)
	}
}

func TestIsTemp(t *testing.T) {
	temp, err := createNamed(t.TempDir(), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer temp.Discard()
	if !IsTemp(filepath.Base(temp.name)) || IsTemp("ab") {
		t.Errorf("IsTemp(%q) = false or IsTemp(ab) = true", temp.name)
	}
}
