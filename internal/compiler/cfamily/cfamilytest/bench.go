package cfamilytest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/compilertest"
)

// Benchmark measures Parse and Inputs of a call whose files have been seen, as
// the coordinator calls them: answers of the compiler are remembered. It reports
// the number of places that a hit must look at.
func (s *Suite) Benchmark(b *testing.B, c Case) {
	dir := materialise(b, c)
	call := s.call(b, dir, strings.Fields(c.Args), c.Env)
	memo := map[string][2][]byte{}
	probe := call.Probe
	call.Probe = func(args, env []string) ([]byte, []byte, error) {
		key := strings.Join(args, " ")
		if m, ok := memo[key]; ok {
			return m[0], m[1], nil
		}
		out, msg, err := probe(args, env)
		memo[key] = [2][]byte{out, msg}
		return out, msg, err
	}
	inv, err := s.Language.Parse(call)
	must(b, err)
	scratch := b.TempDir()
	plan, err := s.Language.Plan(call, inv, scratch)
	must(b, err)
	trace := filepath.Join(scratch, "trace")
	argv := slices.Concat(tracer(trace), []string{call.Path}, plan.Args)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, slices.Concat(inv.Env, plan.Env)
	must(b, cmd.Run())
	seen := &compiler.Observed{Scratch: scratch, Output: compilertest.OutputsIn(dir)}
	if plan.Watch {
		seen.Opened = opened(readTrace(b, trace, dir))
	}
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Language.Parse(call)
			must(b, err)
		}
	})
	b.Run("inputs", func(b *testing.B) {
		places := 0
		for b.Loop() {
			set, err := s.Language.Inputs(call, inv, seen)
			must(b, err)
			places = len(set.Paths)
			for _, search := range set.Searches {
				places += len(search.Dirs) * len(search.Names)
			}
		}
		b.ReportMetric(float64(places), "places")
	})
}
