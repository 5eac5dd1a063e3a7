package remote

import (
	"os"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// client is a client of a service.
type client struct {
	*harness.Client
	t *testing.T
}

// newClient returns a client whose [dist] section holds the lines.
func newClient(t *testing.T, dist string, extra ...string) *client {
	t.Helper()
	return &client{product.NewClient(t, "[dist]\n"+dist, extra...), t}
}

// strict is a configuration in which a compile that does not run there fails.
func strict(url string) string { return "scheduler_url = \"" + url + "\"\nfallback = \"fail\"\n" }

// tolerant is one in which it runs here.
func tolerant(url string) string { return "scheduler_url = \"" + url + "\"\n" }

func sum(l stats.Labels) (n uint64) {
	for _, v := range l {
		n += v
	}
	return n
}

// want checks how many misses were compiled remotely, and how many failed to be.
func (c *client) want(remote, failed uint64) {
	c.t.Helper()
	s := c.Counters()
	if sum(s.DistCompiles) != remote || s.DistErrors != failed {
		c.t.Errorf("compiled remotely %v, want %d; failed %d %v, want %d; here %v",
			s.DistCompiles, remote, s.DistErrors, s.DistFailures, failed, s.DistLocal)
	}
}

// verify has all entries of the cache proven by compiling them again, watched and in a
// root of their own.
func (c *client) verify() {
	c.t.Helper()
	if r := harness.Command(c.t, c.Root, c.Env, c.Wrapper, "verify"); r.Code != 0 || !strings.Contains(r.Stdout, "Entries passed") {
		c.t.Errorf("verify: status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}
