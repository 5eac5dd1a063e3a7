package sandbox_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/sandbox"
)

// TestImage executes the images of the last step as they are, without a sandbox.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 100_000)
	shell := func(args ...string) []string { return append([]string{"/bin/sh", "-c"}, args...) }
	for _, c := range []struct {
		job         sandbox.Job
		prints, err string
	}{
		{sandbox.Job{Args: shell(`pwd; umask; ulimit -n; printf "%s|" "$0" "$@"; ls /proc/self/fd | wc -l`, "a b", "", "c"), Dir: dir}, dir + "\n0022\n77\na b||c|4\n", ""},
		{sandbox.Job{Args: []string{"/usr/bin/env"}, Env: []string{"B=2", "A=", "A=1"}, Dir: "/"}, "B=2\nA=\nA=1\n", ""},
		{sandbox.Job{Args: []string{"/usr/bin/env"}, Dir: "/"}, "", ""},
		{sandbox.Job{Args: shell("printf %s ${#0}", long), Dir: "/"}, "100000", ""},
		{sandbox.Job{Args: []string{"/none"}, Dir: "/"}, "", "execute /none: no such file"},
		{sandbox.Job{Args: []string{"/etc/passwd"}, Dir: "/"}, "", "execute /etc/passwd: permission denied"},
		{sandbox.Job{Args: []string{"/bin/sh"}, Dir: "/none"}, "", "change to /none: no such file"},
		{sandbox.Job{Args: []string{"sh"}, Dir: "/"}, "", "without an absolute path"},
		{sandbox.Job{Dir: "/"}, "", "without an absolute path"},
		{sandbox.Job{Args: []string{"/bin/sh", "a\x00b"}, Dir: "/"}, "", "with a NUL"},
	} {
		c.job.Limits = sandbox.DefaultLimits()
		c.job.Limits.Files = 77
		prints, err := step(t, &c.job)
		if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || prints != c.prints {
			t.Errorf("%.80q: %q, %v", c.job.Args, prints, err)
		}
	}
	if _, err := step(t, &sandbox.Job{Args: []string{"/none"}, Dir: "/", Limits: sandbox.DefaultLimits()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not the kernel's own error: %v", err)
	}
}

func step(t *testing.T, j *sandbox.Job) (string, error) {
	t.Helper()
	image, names, err := sandbox.Image(j)
	if err != nil {
		return "", err
	}
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, image, 0o755); err != nil {
		t.Fatal(err)
	}
	said, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := exec.Command(file)
	cmd.Env, cmd.ExtraFiles = []string{"LEAK=1"}, []*os.File{theirs, theirs}
	out, _ := cmd.Output() // its status is that of the command
	theirs.Close()
	word, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), sandbox.Started(word, names)
}
