package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/cli"
	"github.com/cachepot/cachepot/internal/digest"
)

// tryMacros returns what runs "verify witness" on actions, in a process of its own: it needs
// another priority than ours, and what macros do to it is not to be done to us. nil where it
// cannot be run.
func tryMacros(env []string) func(context.Context, []digest.Digest) error {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	if _, err := exec.LookPath("bwrap"); err != nil {
		return nil
	}
	return func(ctx context.Context, actions []digest.Digest) error {
		args := []string{"verify", cli.WitnessCommand}
		for _, a := range actions {
			args = append(args, a.String())
		}
		cmd := exec.CommandContext(ctx, program, args...)
		var said bytes.Buffer
		cmd.Env, cmd.Dir, cmd.Stderr = env, "/", &said
		// It has much to clear away.
		cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 10*time.Second
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("verify %s: %w: %s", cli.WitnessCommand, err, bytes.TrimSpace(said.Bytes()))
		}
		return nil
	}
}
