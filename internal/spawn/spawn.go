// Package spawn runs other programs on behalf of the coordinator (compilers that
// are asked about themselves). Compiles are not its business: they are children
// of the wrapper. The coordinator, toolchain and audit packages import it.
package spawn

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"
)

// Command is a program to run with no input.
type Command struct {
	Path string
	Args []string // Args[0] is the name it is called by
	Env  []string // the whole environment
	Dir  string
}

// Output is what a program printed.
type Output struct {
	Stdout, Stderr []byte
}

// limit bounds how long a program that is asked a question may take.
const limit = 30 * time.Second

// Run runs c to its end. The error is an *exec.ExitError where the program ran
// and failed; the Output is then what it printed.
func Run(ctx context.Context, c Command) (Output, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Path)
	cmd.Args, cmd.Env, cmd.Dir = c.Args, c.Env, c.Dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes open
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("run %s: %w", c.Path, err)
	}
	return Output{stdout.Bytes(), stderr.Bytes()}, err
}
