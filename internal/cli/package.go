package cli

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/safefile"
)

// packageToolchain writes an archive of a compiler, and prints the section of the
// configuration that has it stand for that compiler.
func packageToolchain(cmd *cobra.Command, e *Env) error {
	args := cmd.Flags().Args()
	exe, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	if exe, err = filepath.Abs(exe); err != nil {
		return err
	}
	out, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	t, err := safefile.Create(filepath.Dir(out), 0o644)
	if err != nil {
		return err
	}
	defer t.Discard()
	bar := newBar(e.Stderr, "packing")
	w := bufio.NewWriterSize(t.File(), 1<<20)
	inside, err := e.Package(cmd.Context(), w, out, exe, bar.show)
	bar.clear()
	if err != nil {
		return fmt.Errorf("package toolchain: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("package toolchain: %w", err)
	}
	if err := t.Replace(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.Stdout, "[[dist.toolchains]]\ntype = \"path_override\"\ncompiler_executable = %q\narchive = %q\narchive_compiler_executable = %q\n", inside, out, inside)
	return err
}
