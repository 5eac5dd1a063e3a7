package remote

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// client is a coordinator with an empty cache and a configuration of its own.
type client struct {
	*harness.Instance
	t *testing.T
}

// newClient returns a client whose [dist] section holds the lines.
func newClient(t *testing.T, dist string, extra ...string) *client {
	t.Helper()
	i, err := product.NewInstance(extra...)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(i.Root, "conf")
	if err := os.WriteFile(conf, []byte("[dist]\n"+dist), 0o600); err != nil {
		t.Fatal(err)
	}
	i.Env = append(i.Env, "CACHEPOT_CONF="+conf)
	c := &client{i, t}
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(i.Root, "state", "cachepot", "*.log"))
			for _, l := range logs {
				text, _ := os.ReadFile(l)
				t.Logf("the coordinator says:\n%s", text)
			}
		}
		i.Stop()
	})
	return c
}

// strict is a configuration in which a compile that does not run there fails.
func strict(url string) string { return "scheduler_url = \"" + url + "\"\nfallback = \"fail\"\n" }

// tolerant is one in which it runs here.
func tolerant(url string) string { return "scheduler_url = \"" + url + "\"\n" }

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

// compile runs a compiler through the wrapper.
func (c *client) compile(dir string, argv ...string) result {
	c.t.Helper()
	return run(c.t, dir, c.Env, append([]string{c.Wrapper}, argv...)...)
}

// counters returns the statistics once all that was compiled is stored.
func (c *client) counters() stats.Counters {
	c.t.Helper()
	s, err := c.Stats()
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func sum(l stats.Labels) (n uint64) {
	for _, v := range l {
		n += v
	}
	return n
}

// want checks how many misses were compiled remotely, and how many failed to be.
func (c *client) want(remote, failed uint64) {
	c.t.Helper()
	s := c.counters()
	if sum(s.DistCompiles) != remote || s.DistErrors != failed {
		c.t.Errorf("compiled remotely %v, want %d; failed %d %v, want %d; here %v",
			s.DistCompiles, remote, s.DistErrors, s.DistFailures, failed, s.DistLocal)
	}
}

// verify has all entries of the cache proven by compiling them again, watched and in a
// root of their own.
func (c *client) verify() {
	c.t.Helper()
	if r := run(c.t, c.Root, c.Env, c.Wrapper, "verify"); r.code != 0 || !strings.Contains(r.stdout, "Entries passed") {
		c.t.Errorf("verify: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// built returns the files below dir by name, with their modes.
func built(t *testing.T, dir string, counts func(name string) bool) map[string]string {
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
		out[strings.TrimPrefix(p, dir+"/")] = info.Mode().String() + "\n" + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same checks that two builds gave the same files.
func same(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: nothing was built", what)
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
