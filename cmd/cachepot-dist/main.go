// Cachepot-dist is the servers of distributed compilation: the scheduler, which knows who
// has a free slot, and the worker, which compiles. It also makes the keys and tokens by which
// these and their clients know each other.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/version"
)

// exitFailed is the status of a command that could not do what was asked.
const exitFailed = 2

func main() {
	p := &program{env: syscall.Environ(), stdout: os.Stdout, stderr: os.Stderr}
	if len(os.Args) == 3 && os.Args[1] == sandboxCommand {
		os.Exit(p.inSandbox(os.Args[2]))
	}
	os.Exit(p.run(os.Args[1:]))
}

// program is the surroundings of a command.
type program struct {
	env            []string
	stdout, stderr io.Writer
}

// run carries out the command line args and returns the exit status.
func (p *program) run(args []string) int {
	root := &cobra.Command{
		Use:           "cachepot-dist",
		Short:         "The servers of distributed compilation, and their keys",
		Version:       version.Version,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs, RunE: noCommand,
	}
	root.SetVersionTemplate("cachepot-dist {{.Version}}\n")
	root.SetArgs(args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.AddCommand(p.auth(), p.scheduler(), p.worker(), p.status())
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintf(p.stderr, "cachepot-dist: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\ncachepot-dist: "))
		return exitFailed
	}
	return 0
}

// inSandbox is the life of a process that the sandbox has started, and returns its exit
// status.
func (p *program) inSandbox(stage string) int {
	known, err := sandbox.Inner(stage)
	if !known {
		err = fmt.Errorf("no stage %q", stage)
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "cachepot-dist: error: %s\n", err)
		return exitFailed
	}
	return 0
}

// noCommand is what a command does that only has others below it.
func noCommand(cmd *cobra.Command, _ []string) error {
	return fmt.Errorf("want a command; see %s --help", cmd.CommandPath())
}

// host is what the configuration has to know of this process.
func (p *program) host() (config.Host, error) {
	dir, err := os.Getwd()
	return config.Host{GOOS: runtime.GOOS, UID: os.Getuid(), Dir: dir, Home: os.UserHomeDir}, err
}
