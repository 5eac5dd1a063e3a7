package harness

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"time"
)

// Run runs a shell script in dir, which lies in root, and returns what it did to
// the tree below root.
func Run(root, dir, script string, env []string, before Tree) (*Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, env, &stdout, &stderr, 30*time.Second
	err := cmd.Run()
	if cmd.ProcessState == nil || ctx.Err() != nil || err == exec.ErrWaitDelay {
		return nil, fmt.Errorf("run %q: %w", script, err)
	}
	r := &Result{Status: cmd.ProcessState.String(), Stdout: steady(stdout.String()), Stderr: steady(stderr.String())}
	r.Tree, err = Scan(root, before)
	return r, err
}

// steady replaces the names of compilers' temporary files, which are random.
func steady(text string) string {
	for _, re := range []string{`/tmp/cc[A-Za-z0-9]{6}\b`, `/tmp/[A-Za-z0-9_.]+-[0-9a-f]{6}\b`} {
		text = regexp.MustCompile(re).ReplaceAllString(text, "/tmp/temporary")
	}
	return text
}
