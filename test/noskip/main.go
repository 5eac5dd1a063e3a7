// Command noskip reads the events of "go test -json". As a filter it prints a
// digest of them that a person can read, and fails where a test failed. With
// -must it reads files of saved events instead, prints the totals, and also
// fails where a test on that list did not run or was skipped. Nothing imports it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	must := flag.String("must", "", "`file` of tests that must have passed; arguments are files of events")
	flag.Parse()
	var err error
	if *must == "" {
		err = follow(os.Stdin, os.Stdout)
	} else {
		err = judge(*must, flag.Args(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "noskip:", err)
		os.Exit(1)
	}
}

// follow prints the digest of events while they come in.
func follow(events io.Reader, out io.Writer) error {
	r := newResults(out)
	if err := r.read(events); err != nil {
		return err
	}
	if n := r.failures(); n > 0 {
		return fmt.Errorf("%d failed", n)
	}
	return nil
}

// judge adds up saved events and compares them with the list at mustPath.
func judge(mustPath string, eventPaths []string, out io.Writer) error {
	list, err := os.ReadFile(mustPath)
	if err != nil {
		return err
	}
	wanted, err := parseList(string(list))
	if err != nil {
		return fmt.Errorf("read %s: %w", mustPath, err)
	}
	r := newResults(io.Discard)
	for _, path := range eventPaths {
		if err := readFile(r, path); err != nil {
			return err
		}
	}
	missed := r.missed(wanted)
	for _, line := range missed {
		fmt.Fprintln(out, line)
	}
	passed, failed, skipped := r.totals()
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if len(missed) > 0 {
		return fmt.Errorf("%d entries of %s not met", len(missed), mustPath)
	}
	if r.failures() > 0 {
		return fmt.Errorf("%d failed", r.failures())
	}
	return nil
}

func readFile(r *results, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := r.read(f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
