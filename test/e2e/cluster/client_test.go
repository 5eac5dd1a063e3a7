package cluster

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

// client is a coordinator with an empty cache and a configuration of its own.
type client struct {
	*harness.Instance
	t *testing.T
}

func newClient(t *testing.T, conf string, extra ...string) *client {
	t.Helper()
	i, err := product.NewInstance(extra...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(i.Root, "conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	i.Env = append(i.Env, "CACHEPOT_CONF="+path, "CACHEPOT_LOG=debug", "CACHEPOT_PATHS_MODE=exact") // the bytes of a bare compile
	c := &client{i, t}
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(i.Root, "state", "cachepot", "*.log"))
			for _, l := range logs {
				text, _ := os.ReadFile(l)
				t.Logf("the coordinator says:\n%s", tail(string(text)))
			}
		}
		i.Stop()
	})
	return c
}

// strict makes a compile fail that does not run elsewhere.
const strict = "CACHEPOT_DIST_FALLBACK=fail"

// counters returns the statistics.
func (c *client) counters() stats.Counters {
	c.t.Helper()
	s, err := c.Stats()
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command in dir.
func run(t *testing.T, dir string, env []string, argv ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, env, &stdout, &stderr, 10*time.Second
	err := cmd.Run()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("%v: %v\n%s", argv, err, stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// products returns the files below dir whose names end so.
func products(t *testing.T, dir string, ends ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, end := range ends {
			if strings.HasSuffix(p, end) {
				text, err := os.ReadFile(p)
				rel, _ := filepath.Rel(dir, p)
				out[rel] = string(text)
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same compares products.
func same(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: nothing was built", what)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %s differs from that of a bare build", what, name)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}
