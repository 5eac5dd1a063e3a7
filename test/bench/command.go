package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// step is one command of a build.
type step struct {
	dir  string // relative to the project's tree
	argv []string
}

func sh(dir string, argv ...string) step { return step{dir, argv} }

// runLogged runs argv in dir; what it prints goes to the file log, and its last
// lines into the error.
func runLogged(ctx context.Context, dir string, env []string, log string, argv ...string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}
	out, err := os.Create(log)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := command(ctx, dir, env, argv...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w (%s)\n%s", strings.Join(argv, " "), err, log, tail(log, 8))
	}
	return nil
}

// output runs argv and returns what it printed on standard output, even where it
// failed.
func output(ctx context.Context, dir string, env []string, argv ...string) ([]byte, error) {
	var stderr strings.Builder
	cmd := command(ctx, dir, env, argv...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// command prepares argv in a process group of its own, so that a benchmark that
// is interrupted takes make and its compilers with it. A daemon that a wrapper
// started may hold our pipes open: WaitDelay bounds the wait for them.
func command(ctx context.Context, dir string, env []string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// spawn runs argv as timeProcess does, and its failure is an error.
func spawn(dir string, env []string, null *os.File, argv []string) (time.Duration, error) {
	took, state, err := timeProcess(dir, env, null, argv)
	if err == nil && !state.Success() {
		err = fmt.Errorf("run %s: %s", strings.Join(argv, " "), state)
	}
	return took, err
}

// timeProcess starts argv with null for streams, waits for it and returns the
// time that took. It is the leanest start that os offers: a start through os/exec
// costs more than some of what is measured here.
func timeProcess(dir string, env []string, null *os.File, argv []string) (time.Duration, *os.ProcessState, error) {
	attr := &os.ProcAttr{Dir: dir, Env: env, Files: []*os.File{null, null, null}}
	start := time.Now()
	p, err := os.StartProcess(argv[0], argv, attr)
	if err != nil {
		return 0, nil, err
	}
	state, err := p.Wait()
	return time.Since(start), state, err
}

func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
