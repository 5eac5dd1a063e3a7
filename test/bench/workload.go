package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// workload is one compiler call that is made over and over.
type workload struct {
	name    string
	lang    string
	dir     string
	argv    []string // argv[0] is the compiler, absolute
	outputs []string // in dir
	env     []string // besides that of the benchmark
	before  []string // a call that makes what it reads; nil: none
	about   string   // what the call reads
	main    unit     // what is compiled, in dir
}

// unit is a source by name.
type unit struct{ name, text string }

// workloads writes the sources of the single calls: a small C file, a C++ file
// whose headers are most of the work, and a Rust library crate as cargo calls it.
func workloads(ctx context.Context, b *bench) ([]workload, error) {
	base := filepath.Join(b.work, "calls")
	if err := os.RemoveAll(base); err != nil {
		return nil, err
	}
	all := []workload{
		{name: "small C", lang: "C", argv: strings.Fields("gcc -O2 -g -MD -MF unit.d -c unit.c -o unit.o"), outputs: []string{"unit.o", "unit.d"}},
		{name: "heavy C++", lang: "C++", argv: strings.Fields("g++ -std=c++17 -O2 -MD -MF unit.d -c unit.cc -o unit.o"), outputs: []string{"unit.o", "unit.d"}},
		{name: "Rust lib", lang: "Rust", argv: rustArgs(), outputs: []string{"libunit-0123456789abcdef.rlib", "libunit-0123456789abcdef.rmeta", "unit-0123456789abcdef.d"}},
	}
	sources := []map[string]string{{"unit.c": smallC()}, {"unit.cc": heavyCPlus()}, rustCrate()}
	mains := []string{"unit.c", "unit.cc", "lib.rs"}
	for i := range all {
		w := &all[i]
		w.main = unit{mains[i], sources[i][mains[i]]}
		w.dir = filepath.Join(base, strings.ReplaceAll(w.name, " ", "-"))
		if err := writeFiles(w.dir, sources[i]); err != nil {
			return nil, err
		}
		path, err := toolPath(ctx, b, w.argv[0])
		if err != nil {
			return nil, err
		}
		w.argv[0] = path
		if w.about, err = describeWorkload(ctx, b, w); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// toolPath finds a compiler. For rustc it is the one in the sysroot, not a
// rustup proxy in PATH, whose own start-up would be measured otherwise.
func toolPath(ctx context.Context, b *bench, tool string) (string, error) {
	if tool == "rustc" {
		sysroot, err := output(ctx, b.work, b.env, "rustc", "--print", "sysroot")
		if err != nil {
			return "", err
		}
		return filepath.Join(strings.TrimSpace(string(sysroot)), "bin", "rustc"), nil
	}
	out, err := output(ctx, b.work, b.env, "sh", "-c", "command -v "+tool)
	return strings.TrimSpace(string(out)), err
}

// describeWorkload compiles once, bare, and counts the files that the compiler
// says it read, and their bytes.
func describeWorkload(ctx context.Context, b *bench, w *workload) (string, error) {
	if _, err := output(ctx, w.dir, b.env, w.argv...); err != nil {
		return "", err
	}
	deps, err := os.ReadFile(filepath.Join(w.dir, w.outputs[len(w.outputs)-1]))
	if err != nil {
		return "", err
	}
	_, list, _ := strings.Cut(string(deps), ":")
	list, _, _ = strings.Cut(strings.ReplaceAll(list, "\\\n", " "), "\n")
	files, bytes := strings.Fields(list), int64(0)
	for _, name := range files {
		if !filepath.IsAbs(name) {
			name = filepath.Join(w.dir, name)
		}
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		bytes += info.Size()
	}
	return fmt.Sprintf("reads %d files, %d KiB", len(files), bytes/1024), nil
}

// smallC includes what most C files do, which comes to 57 files with Debian 12's
// gcc and libc.
func smallC() string {
	headers := "stdio stdlib string"
	var s strings.Builder
	for _, h := range strings.Fields(headers) {
		fmt.Fprintf(&s, "#include <%s.h>\n", h)
	}
	s.WriteString("\nint sum(const int *v, int n)\n{\n\tint s = 0;\n\tfor (int i = 0; i < n; i++)\n\t\ts += v[i];\n\treturn s;\n}\n")
	return s.String()
}

func heavyCPlus() string {
	return `#include <filesystem>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace fs = std::filesystem;

std::map<std::string, std::vector<fs::path>> group(const fs::path &root, const std::string &pattern)
{
	std::map<std::string, std::vector<fs::path>> groups;
	const std::regex wanted(pattern);
	for (const auto &entry : fs::recursive_directory_iterator(root)) {
		std::smatch match;
		const std::string name = entry.path().filename().string();
		if (std::regex_match(name, match, wanted))
			groups[match.str(0)].push_back(entry.path());
	}
	for (const auto &[name, paths] : groups)
		std::cout << name << ' ' << paths.size() << '\n';
	return groups;
}
`
}

func rustArgs() []string {
	return strings.Fields("rustc --crate-name unit --edition=2021 lib.rs --error-format=json " +
		"--json=diagnostic-rendered-ansi,artifacts,future-incompat --crate-type lib --emit=dep-info,metadata,link " +
		"-C embed-bitcode=no -C opt-level=2 -C metadata=0123456789abcdef -C extra-filename=-0123456789abcdef --out-dir . --cap-lints allow")
}

// rustCrate is a library of twenty modules with some generic code in each.
func rustCrate() map[string]string {
	files := map[string]string{}
	var lib strings.Builder
	for i := range 20 {
		module := "part" + strconv.Itoa(i)
		fmt.Fprintf(&lib, "pub mod %s;\n", module)
		files[module+".rs"] = fmt.Sprintf(`use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub struct Table<V> {
    rows: BTreeMap<String, Vec<V>>,
    weight: u64,
}

impl<V: Clone + Ord> Table<V> {
    pub fn new() -> Self {
        Table { rows: BTreeMap::new(), weight: %d }
    }

    pub fn insert(&mut self, key: &str, value: V) -> usize {
        let row = self.rows.entry(key.to_owned()).or_default();
        row.push(value);
        row.sort();
        row.len()
    }
}

pub fn words(text: &str) -> Table<String> {
    let mut table = Table::new();
    for word in text.split_whitespace() {
        table.insert(&word.to_lowercase(), word.to_owned());
    }
    table
}
`, i)
	}
	files["lib.rs"] = lib.String()
	return files
}
