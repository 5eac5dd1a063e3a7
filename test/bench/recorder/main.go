// Command recorder is the floor of what a cache with no daemon can do: it keeps
// what a compiler call wrote under a digest of its command line and directory,
// and copies that back when the same line comes again. It looks at no input, so
// it is wrong as a cache, and only test/bench runs it. Nothing imports it.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	code, err := run(os.Getenv("RECORDER_DIR"), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "recorder:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// run replays args, or runs and records them, and returns the exit status.
func run(store string, args []string) (int, error) {
	if store == "" || len(args) == 0 {
		return 0, errors.New("want RECORDER_DIR and a compiler's command line")
	}
	wd, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	key := sha256.Sum256([]byte(wd + "\x00" + strings.Join(args, "\x00")))
	dir := filepath.Join(store, hex.EncodeToString(key[:]))
	if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
		return 0, replay(dir)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, io.MultiWriter(os.Stderr, &stderr)
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	case err != nil:
		return 0, err
	}
	files := outputs(args)
	if len(files) == 0 {
		return 0, nil // nothing that could be replayed
	}
	return 0, record(dir, files, stderr.Bytes())
}

// record stores the files as 0, 1, ... in dir, their names a line each in "done",
// which is written last and makes the record valid.
func record(dir string, files []string, stderr []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, name := range files {
		if err := copyFile(filepath.Join(dir, fmt.Sprint(i)), name); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "stderr"), stderr, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "done"), []byte(strings.Join(files, "\n")), 0o644)
}

func replay(dir string) error {
	names, err := os.ReadFile(filepath.Join(dir, "done"))
	if err != nil {
		return err
	}
	for i, name := range strings.Split(string(names), "\n") {
		if err := copyFile(name, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return err
		}
	}
	stderr, err := os.ReadFile(filepath.Join(dir, "stderr"))
	if err != nil {
		return err
	}
	_, err = os.Stderr.Write(stderr)
	return err
}

// copyFile removes to first: it may be a link that is not ours to write through.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// outputs names the files that a call wrote, as far as its arguments tell: -o and
// -MF of the C family; of rustc whatever in --out-dir has the crate's file stem.
func outputs(args []string) []string {
	var object, deps, outDir, crate, suffix string
	compiles, wantsDeps := false, false
	for i, arg := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		switch {
		case arg == "-c" || arg == "--crate-name" && next != "___":
			compiles = true
			if arg != "-c" {
				crate = next
			}
		case arg == "-o":
			object = next
		case arg == "-MF":
			deps = next
		case arg == "-MD" || arg == "-MMD":
			wantsDeps = true
		case arg == "--out-dir":
			outDir = next
		case strings.HasPrefix(arg, "extra-filename="):
			suffix = strings.TrimPrefix(arg, "extra-filename=")
		}
	}
	if !compiles {
		return nil
	}
	if crate != "" {
		return rustOutputs(outDir, crate+suffix)
	}
	if wantsDeps && deps == "" {
		deps = strings.TrimSuffix(object, filepath.Ext(object)) + ".d"
	}
	return existing(object, deps)
}

func rustOutputs(dir, stem string) []string {
	var files []string
	for _, pattern := range []string{"lib" + stem + ".*", stem + ".*", stem} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil // a stem with glob characters: not recorded
		}
		files = append(files, found...)
	}
	return existing(files...)
}

func existing(names ...string) []string {
	var files []string
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	return files
}
