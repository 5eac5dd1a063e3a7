package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReference: each key and variable has a row of as many cells as the header
// in its table.
func TestReference(t *testing.T) {
	keys, variables, ok := strings.Cut(Reference(), "\n\n")
	if !ok {
		t.Fatal("there are not two tables")
	}
	for _, s := range Settings() {
		if s.Key != "" && !strings.Contains(keys, "\n| `"+display(s.Key)+"` | ") {
			t.Errorf("no row for key %s", s.Key)
		}
		if s.Env != "" && !strings.Contains(variables, "\n| `"+s.Env+"` | ") {
			t.Errorf("no row for variable %s", s.Env)
		}
	}
	for _, table := range []string{keys, variables} {
		lines := strings.Split(strings.TrimSpace(table), "\n")
		for _, line := range lines {
			if strings.Count(line, "|") != strings.Count(lines[0], "|") {
				t.Errorf("cells: %s", line)
			}
		}
	}
	const row = "| `cache.disk.size` | `CACHEPOT_CACHE_SIZE` | bytes, or a number with K, M, G or T | `10G` | " +
		"Maximum size of the local disk cache; 0 keeps nothing. |\n"
	if !strings.Contains(keys, row) {
		t.Errorf("want %sin\n%s", row, keys)
	}
}

// TestOnlyReaderKnowsAllVariables: what the sources of this package spell as a
// variable is in the table, so that no name is read past it.
func TestOnlyReaderKnowsAllVariables(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	known := newSchema(Settings()).variables
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`CACHEPOT_[A-Z0-9_]+|RUST_LOG`).FindAllString(string(text), -1) {
			if known[name] == nil {
				t.Errorf("%s: %s is not in the table", e.Name(), name)
			}
		}
	}
}
