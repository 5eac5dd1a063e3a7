package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// project is a real project and how its own documentation says to build it.
type project struct {
	name   string
	lang   string // "C", "C++" or "Rust"
	source string // name in sources.txt; "" where all of it lies in testdata
	into   string // directory of the tree that the archive is unpacked in
	files  string // directory of testdata laid over the tree; "" for none
	mode   string // what cargo is to do, a key of cargoModes; "" for other builders

	write  func(tree string) error     // makes sources that lie nowhere; nil for none
	once   []step                      // after unpacking
	before func(wrapper string) []step // before every build: clean, configure
	build  func(p project, wrapper string, jobs int) []step
	tests  []step // its own tests, after a build; nil for none
}

// with returns the project with its own tests.
func (p project) with(tests ...step) project {
	p.tests = tests
	return p
}

// title tells a project, and what is done to it, from all others.
func (p project) title() string {
	if p.mode == "" || p.mode == "build" {
		return p.name
	}
	return p.name + "-" + p.mode
}

// cargoModes are the commands of cargo that run the compiler.
func cargoModes() map[string][]string {
	return map[string][]string{"build": {"build"}, "test": {"test", "--no-run"}, "check": {"check"}, "clippy": {"clippy"}}
}

func projectTable() []project {
	return []project{
		makeProject("zlib", "zlib", []step{sh(".", "./configure")}, "gcc", "all"),
		makeProject("lua", "lua5.4", nil, "gcc -std=gnu99", "-C", "src", "linux-noreadline"),
		makeProject("redis", "redis", nil, "gcc", "MALLOC=libc"),
		makeProject("sqlite", "sqlite3",
			[]step{sh(".", "./configure", "--disable-tcl", "--disable-readline", "--disable-shared")},
			"gcc", "USE_AMALGAMATION=0", "libsqlite3.la"),
		cmakeProject("fmt", "fmtlib", "src", "fmt", "-DFMT_TEST=OFF", "-DFMT_DOC=OFF", "-DFMT_INSTALL=OFF"),
		cmakeProject("ninja", "ninja-build", ".", "", "-DBUILD_TESTING=OFF"),
		// Released, ninja is optimised as it is linked, and no two objects are the same.
		cmakeProject("ninja-debug", "ninja-build", ".", "", "-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=RelWithDebInfo").with(
			sh(".", "cmake", "-B", "build", "-DBUILD_TESTING=ON"), sh(".", "cmake", "--build", "build", "--target", "ninja_test"), sh(".", "build/ninja_test")),
		cargoProject("ripgrep", "ripgrep", "", "--release"),
		cargoProject("workspace", "", "workspace", "--workspace"),
		cargoProject("hyperfine", "hyperfine", "").with(sh(".", "cargo", "test", "--locked", "--offline")),
		cargoProject("service", "", "service"),
		cargoProject("tls", "", "tls"),
		cargoProject("table", "", "table"),
		cargoProject("runtime", "", "runtime"),
		chainProject(),
	}
}

// makeProject is built by make with CC as the variable that names the compiler.
func makeProject(name, source string, once []step, compiler string, args ...string) project {
	clean := []string{"make", "clean"}
	if args[0] == "-C" {
		clean = []string{"make", "-C", args[1], "clean"}
	}
	return project{
		name: name, lang: "C", source: source, into: ".", once: once,
		before: func(string) []step { return []step{sh(".", clean...)} },
		build: func(_ project, wrapper string, jobs int) []step {
			argv := []string{"make", "-j" + strconv.Itoa(jobs), "CC=" + strings.TrimSpace(wrapper+" "+compiler)}
			return []step{sh(".", append(argv, args...)...)}
		},
	}
}

// cmakeProject is configured anew before every build, because CMake writes the
// launcher into its build directory.
func cmakeProject(name, source, into, files string, options ...string) project {
	return project{
		name: name, lang: "C++", source: source, into: into, files: files,
		before: func(wrapper string) []step {
			argv := []string{"cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"}
			if wrapper != "" {
				argv = append(argv, "-DCMAKE_C_COMPILER_LAUNCHER="+wrapper, "-DCMAKE_CXX_COMPILER_LAUNCHER="+wrapper)
			}
			return []step{sh(".", "rm", "-rf", "build"), sh(".", append(argv, options...)...)}
		},
		build: func(_ project, _ string, jobs int) []step {
			return []step{sh(".", "cmake", "--build", "build", "-j", strconv.Itoa(jobs))}
		},
	}
}

// cargoProject finds the wrapper in RUSTC_WRAPPER, which launch sets. Substrate's
// build scripts would build a second time, for WebAssembly.
func cargoProject(name, source, files string, options ...string) project {
	return project{
		name: name, lang: "Rust", source: source, into: ".", files: files, mode: "build",
		once:   []step{sh(".", "cargo", "fetch", "--locked")},
		before: func(string) []step { return []step{sh(".", "cargo", "clean")} },
		build: func(p project, _ string, jobs int) []step {
			argv := append([]string{"env", "SKIP_WASM_BUILD=1", "cargo"}, cargoModes()[p.mode]...)
			argv = append(argv, "--locked", "--offline", "-j", strconv.Itoa(jobs))
			return []step{sh(".", append(argv, options...)...)}
		},
	}
}

func projectNames(projects []project) []string {
	var names []string
	for _, p := range projects {
		names = append(names, p.name)
	}
	return names
}

// chooseProjects finds the projects of a list, those that cargo builds once for
// each of modes.
func chooseProjects(all []project, list, modes string) ([]project, error) {
	for mode := range strings.SplitSeq(modes, ",") {
		if cargoModes()[mode] == nil {
			return nil, fmt.Errorf("no mode %q; there are build, test, check and clippy", mode)
		}
	}
	var chosen []project
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(p project) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no project %q; there are %s", name, strings.Join(projectNames(all), ", "))
		}
		if all[i].mode == "" {
			chosen = append(chosen, all[i])
			continue
		}
		for mode := range strings.SplitSeq(modes, ",") {
			p := all[i]
			p.mode = mode
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

// tree is where the project lies. All caches build in this one tree in turn, so that
// their products can be compared.
func (b *bench) tree(p project) string { return filepath.Join(b.work, "tree", p.name) }

// unpack makes a fresh tree of the project.
func unpack(ctx context.Context, b *bench, p project, tree string) error {
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	into := filepath.Join(tree, p.into)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	log := filepath.Join(b.work, "log", p.name+"-unpack")
	if p.source != "" {
		sources, err := readSources(filepath.Join(b.root, "test", "bench", "sources.txt"))
		if err != nil {
			return err
		}
		archive := filepath.Join(b.downloads(), sources[p.source].archive())
		if err := runLogged(ctx, into, b.env, log, "tar", "-xf", archive, "--strip-components=1", "--no-same-owner"); err != nil {
			return err
		}
	}
	if p.files != "" {
		files := filepath.Join(b.root, "test", "bench", "testdata", p.files)
		if err := os.CopyFS(tree, os.DirFS(files)); err != nil {
			return fmt.Errorf("copy %s: %w", files, err)
		}
	}
	if p.write != nil {
		if err := p.write(tree); err != nil {
			return err
		}
	}
	for _, s := range p.once {
		if err := runLogged(ctx, filepath.Join(tree, s.dir), b.env, log, s.argv...); err != nil {
			return err
		}
	}
	return nil
}
