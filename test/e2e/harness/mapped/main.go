// Command mapped is the bare compiler as the user of relocatable paths is promised it: it
// runs a compiler with the options by which the project's directory, the nearest one at or
// above the working directory that is a checkout, is written as ".". It knows what the book
// says and nothing of cachepot. Tests below test/e2e compare with what it makes.
//
//	mapped COMPILER ARGUMENT...
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	err := run(os.Args[1:])
	fmt.Fprintln(os.Stderr, "mapped:", err)
	os.Exit(127)
}

// run becomes the compiler; it returns only where that fails.
func run(argv []string) error {
	if len(argv) == 0 {
		return fmt.Errorf("which compiler?")
	}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	if dir, root := project(); root != "" && len(argv) > first(argv) { // alone it prints how it is used
		argv = slices.Insert(slices.Clone(argv), first(argv), maps(argv, dir, root)...)
	}
	err = syscall.Exec(program, argv, os.Environ())
	if err == syscall.ENOEXEC { // a script of no named language, which shells run themselves
		err = syscall.Exec("/bin/sh", append([]string{"sh", program}, argv[1:]...), os.Environ())
	}
	return err
}

// project returns the working directory and the checkout that it lies in, "" for none.
func project() (dir, root string) {
	dir, err := os.Getwd()
	if err != nil {
		return "", ""
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", ""
	}
	for root = dir; root != "/"; root = path.Dir(root) {
		if _, err := os.Lstat(root + "/.git"); err == nil {
			return dir, root
		}
	}
	return dir, ""
}

// first returns where options may begin: behind the compiler, the compiler that a lint
// stands for, and what names a toolchain of rustup's.
func first(argv []string) int {
	n := 1
	for n < len(argv) && (strings.HasPrefix(argv[n], "+") || path.Base(argv[n]) == "rustc") {
		n++
	}
	return n
}

// maps returns the options for a compile in dir, which lies in root.
func maps(argv []string, dir, root string) []string {
	if strings.Contains(path.Base(argv[0]), "rustc") || strings.Contains(path.Base(argv[0]), "clippy") {
		return rustMaps(argv, root)
	}
	const option = "-fdebug-prefix-map="
	debug := func(a string) bool { return strings.HasPrefix(a, "-g") && a != "-g0" }
	whole := func(a string) bool {
		return strings.HasPrefix(a, option+root+"=") || strings.HasPrefix(a, "-ffile-prefix-map="+root+"=")
	}
	if !slices.ContainsFunc(argv, debug) || slices.ContainsFunc(argv, whole) {
		return nil
	}
	below, deeper := strings.CutPrefix(dir, root+"/")
	own := func(a string) bool {
		return strings.HasPrefix(a, option+root+"/") || strings.HasPrefix(a, "-ffile-prefix-map="+root+"/")
	}
	if !deeper || slices.ContainsFunc(argv, own) || assembles(argv) || slices.Contains(argv, "-gsplit-dwarf") {
		return []string{option + root + "=."}
	}
	return []string{option + "=" + below + "/", option + "/=/", option + "<=<", option + root + "=.", option + dir + "=.", option + dir + "/=./" + below + "/"}
}

// assembles reports whether a source is for the assembler.
func assembles(argv []string) bool {
	for i, a := range argv[1:] { // argv[i] is the one before
		if argv[i] != "-o" && !strings.HasPrefix(a, "-") && strings.EqualFold(path.Ext(a), ".s") {
			return true
		}
	}
	return false
}

// anyCrates reports whether rustc is to look for crates in a directory of no kind, which
// has the call be located.
func anyCrates(argv []string) bool {
	for i, a := range argv[1:] { // argv[i] is the one before
		dir, found := strings.CutPrefix(a, "-L")
		if argv[i] == "-L" {
			dir, found = a, true
		}
		if found && dir != "" && !strings.Contains(dir, "=") {
			return true
		}
	}
	return false
}

func rustMaps(argv []string, root string) []string {
	if anyCrates(argv) {
		return nil
	}
	var out []string
	if !slices.ContainsFunc(argv, func(a string) bool { return strings.Contains(a, "--remap-path-prefix="+root+"=") }) {
		out = []string{"--remap-path-prefix=" + root + "=."}
	}
	if sysroot, err := exec.Command(argv[0], "--print", "sysroot").Output(); err == nil && !strings.HasPrefix(string(sysroot), "/usr") {
		out = append([]string{"--remap-path-prefix=" + strings.TrimSpace(string(sysroot)) + "=/cachepot/compiler"}, out...)
	}
	return out
}
