//go:build linux && (amd64 || arm64)

package watch

import (
	"os"
	"strings"
	"testing"
)

func TestShebang(t *testing.T) {
	tests := map[string]string{
		"#!/bin/sh\n":                           "/bin/sh",
		"#! /usr/bin/env python3\n":             "/usr/bin/env",
		"#!\t/bin/awk\t-f\nx":                   "/bin/awk",
		"#!/bin/sh":                             "/bin/sh",
		"#!relative\n":                          "relative",
		"#!\n/bin/sh":                           "",
		"#! \t \n":                              "",
		"# !/bin/sh\n":                          "",
		"":                                      "",
		"#!/x\x00/y\n":                          "/x",
		"#!/" + strings.Repeat("a", 300) + "\n": "/" + strings.Repeat("a", 253),
	}
	for head, want := range tests {
		if got, ok := shebang([]byte(head)); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", head, got, ok, want)
		}
	}
}

func TestLoaderName(t *testing.T) {
	head := func(path string) []byte {
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		b := make([]byte, pageSize)
		n, err := f.Read(b)
		must(t, err)
		return b[:n]
	}
	program, err := os.ReadFile(os.Getenv("WATCH_TEST_SCENES"))
	must(t, err)
	off, size, ok := loaderName(program[:pageSize])
	if !ok || !strings.HasPrefix(string(program[off:][:size]), "/lib") {
		t.Errorf("dynamic program: %d, %d, %v", off, size, ok)
	}
	foreign := append([]byte(nil), program[:pageSize]...)
	foreign[18] ^= 1
	for name, b := range map[string][]byte{"foreign machine": foreign, "short": program[:63], "text": []byte(strings.Repeat("x", 100))} {
		if _, _, ok := loaderName(b); ok {
			t.Errorf("%s: taken for a program", name)
		}
	}
	if self, err := os.Executable(); err == nil { // static, unless it is built with cgo
		if _, _, ok := loaderName(head(self)); !ok {
			t.Error("Go program: not taken for one")
		}
	}
}

func FuzzProgramHead(f *testing.F) {
	program, err := os.ReadFile(os.Getenv("WATCH_TEST_SCENES"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("#!/bin/sh -e\n"))
	f.Add(program[:1024])
	f.Fuzz(func(t *testing.T, head []byte) {
		if name, ok := shebang(head); ok && (name == "" || strings.ContainsAny(name, " \t\n\x00") || len(name) > 254) {
			t.Errorf("interpreter %q", name)
		}
		if off, size, ok := loaderName(head); ok && (off < 0 || size < 0 || size > pathMax) {
			t.Errorf("loader at %d, %d bytes", off, size)
		}
	})
}

func TestProcessLink(t *testing.T) {
	tests := map[string]struct {
		link string
		n    int
	}{
		"/dev/stdin":               {"fd/0", 10},
		"/dev/stderr":              {"fd/2", 11},
		"/dev/fd/63":               {"fd/63", 10},
		"/proc/self/fd/7/x/y":      {"fd/7", 15},
		"/proc/thread-self/fd/12":  {"fd/12", 23},
		"/proc/self/exe":           {"exe", 14},
		"/proc/self/cwd/x":         {"cwd", 14},
		"/proc/self/root/etc/x":    {"root", 15},
		"/proc/self/task/12/cwd/x": {"task/12/cwd", 22},
		"/proc/self/task/12/fd/3":  {"task/12/fd/3", 23},
		"/proc/self/task/x/cwd":    {},
		"/proc/self/task/12/maps":  {},
		"/dev/fd/":                 {},
		"/dev/fd/x":                {},
		"/dev/fd/99999999999":      {},
		"/dev/fd":                  {},
		"/dev/exe":                 {},
		"/dev/stdinx":              {},
		"/proc/self/maps":          {},
		"/proc/1/fd/3":             {},
		"/srv/x":                   {},
	}
	for path, want := range tests {
		if link, n := processLink([]byte(path)); link != want.link || n != want.n {
			t.Errorf("%s: %q, %d, want %q, %d", path, link, n, want.link, want.n)
		}
	}
}

// Each call is listed once.
func TestCalls(t *testing.T) {
	for _, class := range []Class{Opens, Direct, All} {
		seen := map[uint32]bool{}
		for _, c := range calls(class) {
			if seen[c.nr] || c.nr >= 512 || c.class > class {
				t.Errorf("call %d", c.nr)
			}
			if c.do == doHide && c.hides == "" {
				t.Errorf("call %d: hides nothing", c.nr)
			}
			seen[c.nr] = true
		}
	}
}
