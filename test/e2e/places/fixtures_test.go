package places

import (
	"path/filepath"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestFixtures: programs that find their data by __FILE__, file!() or
// CARGO_MANIFEST_DIR find that of their own place, wherever the first one was.
func TestFixtures(t *testing.T) {
	const manifest = "[package]\nname = \"found\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"
	for _, tc := range []struct {
		name   string
		files  map[string]string
		script string
		reason string // why the call is located that finds it, "" where all are shared
	}{
		{
			"__FILE__ of an absolute path", map[string]string{
				"CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(p CXX)\nadd_executable(find test/find.cc)\n",
				"test/find.cc": "#include <fstream>\n#include <iostream>\n#include <string>\nint main() {\n\tstd::string name = __FILE__, text;\n" +
					"\tstd::ifstream in(name.substr(0, name.rfind('/')) + \"/data\");\n\tif (!(in >> text)) return 1;\n\tstd::cout << text << '\\n';\n}\n",
			},
			"cmake -S . -B ../out -DCMAKE_CXX_COMPILER_LAUNCHER=$W >/dev/null && cmake --build ../out >/dev/null && ../out/find",
			"a source asks for its own name, which holds the project's directory",
		},
		{
			"__FILE__ of a relative path", map[string]string{
				"Makefile": "find: find.o\n\tg++ find.o -o find\nfind.o: test/find.cc\n\t$(W) g++ -g -c test/find.cc -o find.o\n",
				"test/find.cc": "#include <fstream>\n#include <iostream>\n#include <string>\nint main() {\n\tstd::string name = __FILE__, text;\n" +
					"\tstd::ifstream in(name.substr(0, name.rfind('/')) + \"/data\");\n\tif (!(in >> text)) return 1;\n\tstd::cout << text << '\\n';\n}\n",
			},
			"make -s && ./find", "",
		},
		{
			"CARGO_MANIFEST_DIR", map[string]string{
				"Cargo.toml": manifest, "src/lib.rs": "",
				"tests/find.rs": "#[test]\nfn find() {\n    print!(\"{}\", std::fs::read_to_string(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/test/data\")).unwrap());\n}\n",
			},
			"cargo test --offline -q --test find -- --nocapture | grep place", "a source asks for a variable that names the project's directory",
		},
		{
			"file!()", map[string]string{
				"Cargo.toml": manifest, "src/lib.rs": "",
				"tests/find.rs": "#[test]\nfn find() {\n    let data = std::path::Path::new(file!()).parent().unwrap().join(\"../test/data\");\n    print!(\"{}\", std::fs::read_to_string(data).unwrap());\n}\n",
			},
			"cargo test --offline -q --test find -- --nocapture | grep place", "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base, i := newBase(t), newInstance(t)
			for _, place := range []string{one, two} {
				files := map[string]string{"test/data": "place:" + filepath.Base(place) + "\n"}
				for name, text := range tc.files {
					files[name] = text
				}
				root, dir := lay(t, base, place, files)
				r, err := harness.Run(root, dir, tc.script, append(i.Env, "W="+i.Wrapper, "RUSTC_WRAPPER="+i.Wrapper, "CARGO_INCREMENTAL=0"), nil)
				if err != nil {
					t.Fatal(err)
				}
				if r.Stdout != files["test/data"] {
					t.Errorf("in %s: %s %q, want %q\n%s", place, r.Status, r.Stdout, files["test/data"], r.Stderr)
				}
				if _, err := i.Outcome(); err != nil { // waits until all is stored
					t.Fatal(err)
				}
			}
			s, err := i.Stats()
			if err != nil {
				t.Fatal(err)
			}
			if tc.reason == "" && (len(s.Located) > 0 || len(s.CacheHits.Counts) == 0) || tc.reason != "" && s.Located[tc.reason] != 2 {
				t.Errorf("hits %v, located %v, want %q", s.CacheHits.Counts, s.Located, tc.reason)
			}
		})
	}
}
