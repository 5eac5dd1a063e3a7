package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of "go test -json"; see "go doc test2json".
type event struct {
	Action     string
	Package    string
	ImportPath string // of build events, which have no Package
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// name is a test within a package; Test is "" for the package as a whole.
type name struct{ Package, Test string }

// results collects how each test ended. Where a test was run in several stages
// (with and without the race detector) its worst end counts.
type results struct {
	out    io.Writer
	ends   map[name]string // "pass", "skip" or "fail"
	output map[name]*strings.Builder
	builds int // packages that did not compile
}

func newResults(out io.Writer) *results {
	return &results{out: out, ends: map[name]string{}, output: map[name]*strings.Builder{}}
}

func (r *results) read(events io.Reader) error {
	for dec := json.NewDecoder(events); ; {
		var e event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decode event: %w", err)
		}
		r.add(e)
	}
}

func (r *results) add(e event) {
	at := name{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.builds++
	case "output":
		if r.output[at] == nil {
			r.output[at] = &strings.Builder{}
		}
		r.output[at].WriteString(e.Output)
	case "pass", "skip", "fail":
		r.end(at, e)
	}
}

// end notes how a test or package ended, and prints what a reader needs of it:
// everything for what failed, the reason for what was skipped, a line per package.
func (r *results) end(at name, e event) {
	if rank(e.Action) > rank(r.ends[at]) {
		r.ends[at] = e.Action
	}
	text := r.output[at]
	delete(r.output, at)
	if text != nil && (e.Action == "fail" || e.Action == "skip" && at.Test != "") {
		fmt.Fprint(r.out, text.String())
	}
	if at.Test == "" {
		fmt.Fprintf(r.out, "%-4s %s %.1f s\n", e.Action, e.Package, e.Elapsed)
	}
}

func rank(end string) int {
	return map[string]int{"pass": 1, "skip": 2, "fail": 3}[end]
}

// failures counts failed tests, packages that failed outside a test, and
// packages that did not compile.
func (r *results) failures() int {
	n, inTests := 0, map[string]bool{}
	for at, end := range r.ends {
		if at.Test != "" && end == "fail" {
			n++
			inTests[at.Package] = true
		}
	}
	for at, end := range r.ends {
		if at.Test == "" && end == "fail" && !inTests[at.Package] {
			n++
		}
	}
	return max(n, r.builds)
}

// totals counts tests, not packages, apart from failures, which count as above.
func (r *results) totals() (passed, failed, skipped int) {
	for at, end := range r.ends {
		switch {
		case at.Test == "":
		case end == "pass":
			passed++
		case end == "skip":
			skipped++
		}
	}
	return passed, r.failures(), skipped
}
