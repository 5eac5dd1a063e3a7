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
)

// hit answers with a stored result if there is one.
func (j *job) hit(ctx context.Context) bool {
	f, e, id := j.find(ctx)
	if e == nil {
		return false
	}
	restore, err := f.restoreFrames(ctx, e, nil)
	if err != nil {
		f.damaged(ctx, id, err)
		return false
	}
	family := j.tool.Tool.Family
	j.s.Stats.Do(func(c *stats.Counters) {
		c.CacheHits.Add(j.inv.Language, family)
		c.CacheReadHitDuration += stats.Duration(time.Since(j.started))
		c.TimeSaved += stats.Duration(e.Took)
	})
	j.s.journal.add(j.note("hit", ""))
	f.replayed(e)
	f.remain(e)
	j.p.answer(restore) // the caller may ask for statistics at once
	return true
}

// replayed tells the language that e is about to be put in place.
func (f *face) replayed(e *result.Result) {
	j := f.j
	p, ok := j.lang.(compiler.Producer)
	if !ok {
		return
	}
	p.Replayed(j.call, j.contentsOf(e), func() bool {
		f.req.mu.Lock()
		defer f.req.mu.Unlock()
		return f.req.stands(e)
	})
}

// damaged forgets an entry whose outputs are gone or are not what they should be:
// another can take its place only then.
func (f *face) damaged(ctx context.Context, id digest.Digest, err error) {
	f.req.forget(id)
	s := f.j.s
	s.Log.Info("entry unusable", "target", "cachepot::coordinator", "action", id.Hex(), "error", err)
	if !storage.IsMiss(err) {
		s.Stats.Do(func(c *stats.Counters) { c.CacheReadErrors++ })
	}
	if d, ok := s.Tier.(storage.Dropper); ok {
		_ = d.DropRecord(ctx, storage.Entry, id) // it is looked at again next time
	}
}

// find looks for an entry of the action that the call is at this moment, in each
// face of it.
func (j *job) find(ctx context.Context) (*face, *result.Result, digest.Digest) {
	for _, f := range j.faces {
		if e, id := f.find(ctx); e != nil {
			return f, e, id
		}
	}
	return nil, nil, digest.Digest{}
}

func (f *face) find(ctx context.Context) (*result.Result, digest.Digest) {
	q, j := f.req, f.j
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.loaded {
		q.known = f.loadPathSets(ctx)
		q.loaded = true
		defer func() { j.s.requests.spend(q, q.weigh()) }()
	}
	for i, k := range q.known {
		if !f.refresh(k) {
			continue
		}
		if k.result == nil {
			f.loadResult(ctx, k)
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
func (f *face) loadResult(ctx context.Context, k *known) {
	for _, id := range []digest.Digest{k.silent, k.loud} {
		e := f.j.s.loadEntry(ctx, id)
		if e != nil && f.holds(ctx, id, e, k.env) {
			k.result = e
			f.toReal(k.result)
			k.resultOf = id
			return
		}
	}
}

// refresh makes k the action of this moment; false where it cannot be told.
func (f *face) refresh(k *known) bool {
	j := f.j
	env := lookup(j.call.Env, k.paths.EnvNames)
	messages := append(j.messageEnv(), j.inv.MessageArgs...)
	var snap *filestate.Snapshot
	if k.snap != nil {
		snap = k.snap.Renewed()
	}
	same := snap != nil && snap == k.snap
	if same && k.tool == j.tool.Digest && slices.Equal(env, k.env) && slices.Equal(messages, k.messages) {
		return true
	}
	if snap == nil {
		var err error
		if snap, err = j.s.View.Evaluate(k.paths); err != nil {
			j.s.Log.Debug("inputs unreadable", "target", "cachepot::coordinator", "error", err)
			return false
		}
	}
	k.snap = snap
	silent, loud, err := f.actions(k.snap, env)
	if err != nil {
		j.s.Log.Warn("no action", "target", "cachepot::coordinator", "error", err)
		return false
	}
	k.env, k.messages, k.tool = env, messages, j.tool.Digest
	k.silent, k.loud, k.result = silent.Digest, loud.Digest, nil
	return true
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

// loadPathSets returns the path sets that calls of the request needed before.
func (f *face) loadPathSets(ctx context.Context) []*known {
	s := f.j.s
	b, err := storage.Get(ctx, s.Tier, storage.Request, f.req.id)
	if err != nil {
		s.readFailed(err)
		return nil
	}
	var out []*known
	for _, id := range decodeDigests(b) {
		if ps := s.loadPathSet(ctx, id); ps != nil {
			out = append(out, &known{id: id, paths: f.realPaths(ps)})
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
