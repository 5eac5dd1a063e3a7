package toolchain

import (
	"context"
	"debug/elf"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/spawn"
)

// Family returns which family of compilers an executable belongs to by the name
// of its file: a known name, perhaps after a target ("x86_64-linux-gnu-") and
// before a version ("-12"). It is "" for any other, and "cc" where the name does
// not tell. The file is not looked at.
func Family(path string) string {
	name := filepath.Base(path)
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.Trim(name[i+1:], "0123456789.") == "" {
		name = name[:i]
	}
	if f := familyOfName(name); f != "" {
		return f
	}
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		return familyOfName(name[i+1:])
	}
	return ""
}

func familyOfName(name string) string {
	switch name {
	case "gcc", "g++":
		return "gcc"
	case "clang", "clang++":
		return "clang"
	case "rustc":
		return "rustc"
	case "clippy-driver":
		return "clippy"
	case "cc", "c++":
		return "cc" // what it is, the links behind it tell
	}
	return ""
}

// identify says which compiler the executable at path is. The error is a
// *compiler.Bare where it is none that can be cached.
func identify(ctx context.Context, path string, env []string, dir string) (compiler.Tool, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return compiler.Tool{}, compiler.NotCompilation("no such compiler")
	}
	family := Family(real)
	if family == "" || family == "cc" {
		if isRustup(real) && Family(path) != "" {
			return compiler.Tool{}, compiler.NotCacheable("compiler called through rustup's proxy")
		}
		return compiler.Tool{}, compiler.NotCompilation("unknown compiler")
	}
	if !isELF(real) {
		return compiler.Tool{}, compiler.NotCacheable("compiler is a script")
	}
	tool := compiler.Tool{Family: family, CPlus: strings.Contains(filepath.Base(path), "++")}
	ask := func(args ...string) string {
		out, err := spawn.Run(ctx, spawn.Command{Path: path, Args: append([]string{path}, args...), Env: env, Dir: dir})
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out.Stdout))
	}
	if family == "rustc" || family == "clippy" {
		return identifyRust(tool, path, ask)
	}
	return identifyC(tool, ask)
}

func isRustup(real string) bool { return filepath.Base(real) == "rustup" }

func identifyC(tool compiler.Tool, ask func(...string) string) (compiler.Tool, error) {
	target, version := both(ask, []string{"-dumpmachine"}, []string{"--version"})
	first, _, _ := strings.Cut(version, "\n")
	tool.Target, tool.Version = target, first
	// A clang may be installed under gcc's name, and the reverse.
	if strings.Contains(first, "clang version") {
		tool.Family = "clang"
	} else if tool.Family == "clang" {
		return tool, compiler.NotCacheable("compiler named clang is none")
	}
	if tool.Target == "" || tool.Version == "" {
		return tool, compiler.NotCacheable("compiler does not say what it is")
	}
	return tool, nil
}

func identifyRust(tool compiler.Tool, path string, ask func(...string) string) (compiler.Tool, error) {
	rustc := func(args ...string) string {
		if tool.Family == "clippy" { // clippy-driver takes rustc's own arguments after this word
			args = append([]string{"--rustc"}, args...)
		}
		return ask(args...)
	}
	verbose, sysroot := both(rustc, []string{"-vV"}, []string{"--print", "sysroot"})
	first, rest, _ := strings.Cut(verbose, "\n")
	for _, line := range strings.Split(rest, "\n") {
		if host, ok := strings.CutPrefix(line, "host: "); ok {
			tool.Target = host
		}
	}
	tool.Version, tool.Sysroot = first, sysroot
	if tool.Target == "" || tool.Sysroot == "" || !strings.HasPrefix(first, "rustc ") {
		return tool, compiler.NotCacheable("compiler does not say what it is")
	}
	return tool, nil
}

// both puts two questions at once.
func both(ask func(...string) string, first, second []string) (a, b string) {
	var wg sync.WaitGroup
	wg.Go(func() { b = ask(second...) })
	a = ask(first...)
	wg.Wait()
	return a, b
}

func isELF(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	f.Close()
	return true
}
