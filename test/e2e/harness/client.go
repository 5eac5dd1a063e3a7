package harness

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/stats"
)

// Client is an instance with a configuration file of its own that ends with a test.
type Client struct {
	*Instance
	t *testing.T
}

// NewClient returns a client with an empty cache whose file holds conf. extra are further
// variables, as "NAME=value". Where the test fails, what the coordinator logged is shown.
func (p *Product) NewClient(t *testing.T, conf string, extra ...string) *Client {
	t.Helper()
	i, err := p.NewInstance(extra...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(i.Root, "conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	i.Env = append(i.Env, "CACHEPOT_CONF="+path)
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(i.Root, "state", "cachepot", "*.log"))
			for _, l := range logs {
				text, _ := os.ReadFile(l)
				t.Logf("the coordinator says:\n%s", Tail(string(text)))
			}
		}
		i.Stop()
	})
	return &Client{i, t}
}

// Counters returns the statistics.
func (c *Client) Counters() stats.Counters {
	c.t.Helper()
	s, err := c.Stats()
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// Compile runs a compiler through the wrapper.
func (c *Client) Compile(dir string, argv ...string) Ended {
	c.t.Helper()
	return Command(c.t, dir, c.Env, append([]string{c.Wrapper}, argv...)...)
}

// Tail returns the end of a long text.
func Tail(text string) string {
	if len(text) > 16000 {
		return "..." + text[len(text)-16000:]
	}
	return text
}

// Ended is how a command ended and what it printed.
type Ended struct {
	Code           int
	Stdout, Stderr string
}

// Command runs a command in dir. One that cannot be started, or takes four minutes, ends the
// test.
func Command(t *testing.T, dir string, env []string, argv ...string) Ended {
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
	return Ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Built returns mode and content of the files below dir whose names count, by name.
func Built(t *testing.T, dir string, counts func(name string) bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !counts(p) {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, p)
		out[name] = info.Mode().String() + "\n" + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// SameFiles checks that two builds gave the same files, and some.
func SameFiles(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: nothing was built", what)
	}
	for name, text := range want {
		if other, ok := got[name]; !ok {
			t.Errorf("%s: no %s", what, name)
		} else if other != text {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s besides", what, name)
		}
	}
}
