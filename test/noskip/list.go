package main

import (
	"fmt"
	"sort"
	"strings"
)

// parseList reads the list of tests that must pass:
//
//	list  = { line "\n" }
//	line  = "" | "#" text | package blanks test
//	test  = name of a test, subtests after slashes | "*"
func parseList(text string) ([]name, error) {
	var wanted []name
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %d: want PACKAGE TEST, have %q", i+1, line)
		}
		wanted = append(wanted, name{fields[0], fields[1]})
	}
	return wanted, nil
}

// missed says in one line each which wanted tests did not run and pass.
func (r *results) missed(wanted []name) []string {
	var lines []string
	for _, w := range wanted {
		if w.Test == "*" {
			lines = append(lines, r.missedPackage(w.Package)...)
			continue
		}
		if end := r.endOf(w); end != "pass" {
			lines = append(lines, fmt.Sprintf("%s %s: must pass, %s", w.Package, w.Test, describe(end)))
		}
	}
	return lines
}

func (r *results) missedPackage(pkg string) []string {
	var lines []string
	passed := false
	for at, end := range r.ends {
		if at.Test == "" || !inPackage(at.Package, pkg) {
			continue
		}
		passed = passed || end == "pass"
		if end != "pass" {
			lines = append(lines, fmt.Sprintf("%s %s: must pass, %s", pkg, at.Test, describe(end)))
		}
	}
	if !passed {
		lines = append(lines, pkg+": no test passed")
	}
	sort.Strings(lines)
	return lines
}

func (r *results) endOf(w name) string {
	for at, end := range r.ends {
		if at.Test == w.Test && inPackage(at.Package, w.Package) {
			return end
		}
	}
	return ""
}

// inPackage reports whether importPath is pkg, which is named from the module's root.
func inPackage(importPath, pkg string) bool {
	return importPath == pkg || strings.HasSuffix(importPath, "/"+pkg)
}

func describe(end string) string {
	switch end {
	case "":
		return "did not run"
	case "skip":
		return "was skipped"
	}
	return "failed"
}
