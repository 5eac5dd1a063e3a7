package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

const chainLength = 4

// chainProject is a chain of crates, each of which depends on the one before, with
// little to type-check and much to optimise in each. cargo starts a crate when the
// .rmeta of the one before is there, long before its code is: a cache that holds
// back the notice of that file builds them one after the other.
func chainProject() project {
	p := cargoProject("chain", "", "")
	p.write = func(tree string) error { return writeFiles(tree, chainFiles()) }
	p.once = nil
	return p
}

func chainFiles() map[string]string {
	files := map[string]string{}
	var members, locked []string
	for i := range chainLength {
		name := fmt.Sprintf("link%d", i)
		members = append(members, fmt.Sprintf("%q", name))
		manifest := fmt.Sprintf("[package]\nname = %q\nversion = \"0.1.0\"\nedition = \"2021\"\n", name)
		lock := fmt.Sprintf("[[package]]\nname = %q\nversion = \"0.1.0\"\n", name)
		before := "0"
		if i > 0 {
			manifest += fmt.Sprintf("\n[dependencies]\nlink%d = { path = \"../link%d\" }\n", i-1, i-1)
			lock += fmt.Sprintf("dependencies = [\n \"link%d\",\n]\n", i-1)
			before = fmt.Sprintf("link%d::mix0(a)", i-1)
		}
		locked = append(locked, lock)
		files[filepath.Join(name, "Cargo.toml")] = manifest
		files[filepath.Join(name, "src", "lib.rs")] = chainSource(before)
	}
	files["Cargo.lock"] = "version = 4\n\n" + strings.Join(locked, "\n")
	// One unit a crate: each is compiled by one thread, so that two crates at a
	// time keep two processors busy and one keeps one.
	files["Cargo.toml"] = "[workspace]\nresolver = \"2\"\nmembers = [" + strings.Join(members, ", ") +
		"]\n\n[profile.dev]\nopt-level = 3\ncodegen-units = 1\ndebug = 0\n"
	return files
}

// chainSource is a library of functions without type parameters, which are
// compiled where they are and not where they are called.
func chainSource(before string) string {
	var s strings.Builder
	for i := range 40 {
		first := "a"
		if i == 0 {
			first = before + " ^ a"
		}
		fmt.Fprintf(&s, `pub fn mix%d(a: u64) -> u64 {
    let mut words: Vec<String> = (0..a %% 97).map(|i| format!("{}-{}", i.rotate_left(%d), %s)).collect();
    words.sort_by_key(|w| w.bytes().rev().collect::<Vec<u8>>());
    words.dedup_by(|a, b| a.len() == b.len() && a < b);
    words.iter().flat_map(|w| w.bytes()).fold(a, |h, b| h.wrapping_mul(%d).rotate_right(7) ^ b as u64)
}

`, i, i%63+1, first, 2*i+1000003)
	}
	return s.String()
}
