package coordinator

import (
	"context"
	"slices"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/tree"
)

// accept stores what came of a run elsewhere if it is what a run here would have
// given: all that the run looked at was there as it is here.
func (j *job) accept(ctx context.Context, lang compiler.Remote, a *awayRun, s *sent, m *made, res *reapi.Result) (*outcome, error) {
	if !j.s.Remote.Strict && j.msg.Columns > 0 && !j.inv.SameMessages && j.inv.Shapes(m.x.Stdout, m.x.Stderr) {
		return nil, &homeError{"messages for a terminal"} // which have colours here
	}
	var err error
	m.paths, err = j.lang.Inputs(j.call, j.inv, &compiler.Observed{
		Scratch: a.scratch, Side: a.side, Stdout: m.x.Stdout, Stderr: m.x.Stderr, Output: contents(m.outputs), Away: true})
	if err != nil {
		return nil, &unlike{label: "no telling what it read", detail: err.Error()}
	}
	if err := j.namesHere(m.outputs); err != nil {
		return nil, err
	}
	if a.Whole {
		m.paths = union(s.paths, m.paths)
	}
	if m.snap, err = j.inputs(m.paths, &a.began); err != nil {
		return nil, err
	}
	if err := j.saw(s, m); err != nil {
		return nil, err
	}
	j.s.storing.RLock()
	defer j.s.storing.RUnlock()
	out := &outcome{note: j.note("miss", "")}
	if m.looked {
		out.note = j.note("hit", "")
	}
	f, err := (*face)(nil), error(nil)
	if out.result, f, err = j.store(ctx, m, &a.began, &out.note); err != nil {
		return nil, err
	}
	if out.frame, err = f.restoreFrames(ctx, out.result, m.outputs); err != nil {
		return nil, err
	}
	worker := res.Worker
	if worker == "" {
		worker = j.s.Remote.Engine.Address()
	}
	j.s.Stats.Do(func(c *stats.Counters) {
		if m.looked {
			c.CacheHits.Add(j.inv.Language, j.tool.Tool.Family)
			c.DistHits.Add(worker)
			return
		}
		c.Compilations++
		c.CacheMisses.Add(j.inv.Language, j.tool.Tool.Family)
		c.DistCompiles.Add(worker)
	})
	return out, nil
}

// saw checks that a run elsewhere has seen of what it looked at all that is here.
// What is not here was not there, since nothing else was sent.
func (j *job) saw(s *sent, m *made) error {
	for _, kv := range lookup(j.call.Env, m.paths.EnvNames) {
		if _, keyed := compiler.Environ(j.inv.Env).Lookup(compiler.Name(kv)); !keyed && !slices.Contains(s.env, kv) {
			return &unlike{label: "it asks for a variable that was not sent", detail: compiler.Name(kv)}
		}
	}
	if m.snap == s.snap {
		return nil
	}
	t, err := j.locatedFace().tree(m.snap)
	if err != nil {
		return err
	}
	if t.Root == s.tree.Root {
		return nil
	}
	there := make(map[string]tree.Node)
	if err := s.tree.Walk(func(path string, n tree.Node) error {
		there[path] = n
		return nil
	}); err != nil {
		return err
	}
	return t.Walk(func(path string, n tree.Node) error {
		if there[path] != n {
			return &unlike{label: "it looks for what was not sent", detail: path}
		}
		return nil
	})
}
