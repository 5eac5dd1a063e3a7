package coordinator

import (
	"context"
	"slices"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/tree"
)

// hit answers with a stored result if there is one.
func (j *job) hit(ctx context.Context) bool {
	e, id := j.find(ctx)
	if e == nil {
		return false
	}
	restore, err := j.restoreFrames(ctx, e)
	if err != nil {
		j.damaged(ctx, id, err)
		return false
	}
	family := j.tool.Tool.Family
	j.s.Stats.Do(func(c *stats.Counters) {
		c.CacheHits.Add(j.inv.Language, family)
		c.CacheReadHitDuration += stats.Duration(time.Since(j.started))
		c.TimeSaved += stats.Duration(e.Took)
	})
	j.s.journal.add(j.note("hit", ""))
	j.replayed(e)
	j.p.answer(restore) // the caller may ask for statistics at once
	return true
}

// replayed tells the language that e is about to be put in place.
func (j *job) replayed(e *result.Result) {
	p, ok := j.lang.(compiler.Producer)
	if !ok {
		return
	}
	p.Replayed(j.call, j.contentsOf(e), func() bool {
		j.req.mu.Lock()
		defer j.req.mu.Unlock()
		return j.req.stands(e)
	})
}

// damaged forgets an entry whose outputs are gone or are not what they should be:
// another can take its place only then.
func (j *job) damaged(ctx context.Context, id digest.Digest, err error) {
	j.req.forget(id)
	s := j.s
	s.Log.Info("entry unusable", "target", "cachepot::coordinator", "action", id.Hex(), "error", err)
	if !storage.IsMiss(err) {
		s.Stats.Do(func(c *stats.Counters) { c.CacheReadErrors++ })
	}
	if d, ok := s.Tier.(storage.Dropper); ok {
		_ = d.DropRecord(ctx, storage.Entry, id) // it is looked at again next time
	}
}

// find looks for an entry of the action that the call is at this moment.
func (j *job) find(ctx context.Context) (*result.Result, digest.Digest) {
	q := j.req
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.loaded {
		q.known = j.s.loadPathSets(ctx, q.id)
		q.loaded = true
		defer func() { j.s.requests.spend(q, q.weigh()) }()
	}
	for i, k := range q.known {
		if !j.refresh(k) {
			continue
		}
		if k.result == nil {
			j.loadResult(ctx, k)
		}
		if k.result != nil {
			if i > 0 {
				q.known = append([]*known{k}, slices.Delete(q.known, i, i+1)...)
			}
			return k.result, k.resultOf
		}
	}
	return nil, digest.Digest{}
}

// loadResult looks for the result of either form of the action.
func (j *job) loadResult(ctx context.Context, k *known) {
	for _, id := range []digest.Digest{k.silent, k.loud} {
		if k.result = j.s.loadEntry(ctx, id); k.result != nil {
			k.resultOf = id
			return
		}
	}
}

// refresh makes k the action of this moment; false where it cannot be told.
func (j *job) refresh(k *known) bool {
	env := lookup(j.call.Env, k.paths.EnvNames)
	messages := append(j.messageEnv(), j.inv.MessageArgs...)
	same := k.snap != nil && k.snap.Unchanged()
	if same && k.tool == j.tool.Digest && slices.Equal(env, k.env) && slices.Equal(messages, k.messages) {
		return true
	}
	if !same {
		snap, err := j.s.View.Evaluate(k.paths)
		if err != nil {
			j.s.Log.Debug("inputs unreadable", "target", "cachepot::coordinator", "error", err)
			return false
		}
		k.snap = snap
	}
	silent, loud, err := j.actions(k.snap, env)
	if err != nil {
		j.s.Log.Warn("no action", "target", "cachepot::coordinator", "error", err)
		return false
	}
	k.env, k.messages, k.tool = env, messages, j.tool.Digest
	k.silent, k.loud, k.result = silent.Digest, loud.Digest, nil
	return true
}

// actions returns the action of the call over the inputs in snap, in its two
// forms: for a compiler that has nothing to say, and for one that has.
func (j *job) actions(snap *filestate.Snapshot, env []string) (silent, loud *action.Canonical, err error) {
	var b tree.Builder
	j.tool.AddTo(&b)
	snap.AddTo(&b)
	b.Dir(j.call.Dir)
	t, err := b.Build()
	if err != nil {
		return nil, nil, err
	}
	cmd := j.command(env)
	if silent, err = action.New(cmd, t.Root, j.s.ISA); err != nil {
		return nil, nil, err
	}
	loud, err = action.New(j.loud(cmd), t.Root, j.s.ISA)
	return silent, loud, err
}

// command is what runs, with the variables that were looked at by name.
func (j *job) command(env []string) *action.Command {
	cmd := &action.Command{
		Args: append([]string{j.call.Path}, j.inv.Args...),
		Env:  merge(j.inv.Env, env),
		Dir:  j.call.Dir,
	}
	for _, o := range j.inv.Outputs {
		cmd.Outputs = append(cmd.Outputs, o.Path)
	}
	return cmd
}

// merge returns the variables of a and those of b that a does not have.
func merge(a, b []string) []string {
	out := slices.Clone(a)
	for _, kv := range b {
		if _, there := compiler.Environ(a).Lookup(compiler.Name(kv)); !there {
			out = append(out, kv)
		}
	}
	return out
}

// lookup returns the variables of names that are set.
func lookup(env compiler.Environ, names []string) []string {
	var out []string
	for _, n := range names {
		if v, ok := env.Lookup(n); ok {
			out = append(out, n+"="+v)
		}
	}
	return out
}

// loadPathSets returns the path sets that calls of a request needed before.
func (s *Server) loadPathSets(ctx context.Context, id digest.Digest) []*known {
	b, err := storage.Get(ctx, s.Tier, storage.Request, id)
	if err != nil {
		s.readFailed(err)
		return nil
	}
	var out []*known
	for _, id := range decodeDigests(b) {
		if ps := s.loadPathSet(ctx, id); ps != nil {
			out = append(out, &known{id: id, paths: ps})
		}
	}
	return out
}

// loadPathSet returns a stored path set, nil where it is gone.
func (s *Server) loadPathSet(ctx context.Context, id digest.Digest) *action.PathSet {
	enc, err := storage.Get(ctx, s.Tier, storage.PathSet, id)
	if err != nil {
		s.readFailed(err)
		return nil
	}
	ps, err := action.DecodePathSet(enc)
	if err != nil {
		return nil
	}
	return ps
}

// readFailed counts what is not simply absent.
func (s *Server) readFailed(err error) {
	if !storage.IsMiss(err) {
		s.Log.Warn("cannot read cache", "target", "cachepot::coordinator", "error", err)
		s.Stats.Do(func(c *stats.Counters) { c.CacheReadErrors++ })
	}
}

func (q *request) weigh() int64 {
	n := int64(1 << 10)
	for _, k := range q.known {
		n += 512 + k.paths.Weight()
		if k.snap != nil {
			n += k.snap.Weight()
		}
	}
	return n
}
