package coordinator

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/wire"
)

// Engine executes actions elsewhere. A *reapi.Client is one. Its methods are safe for
// concurrent use; what they return is verified by digest, and nothing else about it.
type Engine interface {
	Address() string
	// Connect makes it quick to reach, and waits for nothing.
	Connect()
	ProbeRoot(ctx context.Context, isa string) error
	Execute(ctx context.Context, job *reapi.Job) (*reapi.Result, error)
	Fetch(ctx context.Context, digests []digest.Digest) (map[digest.Digest][]byte, error)
	Download(ctx context.Context, d digest.Digest, w io.Writer) error
}

// Cache is an Engine that can be asked for results of earlier executions alone.
type Cache interface {
	// LookUp returns nil where there is none. Of an action that is not known there, nothing
	// need have been uploaded.
	LookUp(ctx context.Context, job *reapi.Job) (*reapi.Result, error)
}

// Remote is where misses are compiled if they can be: see docs/spec/wire.md.
type Remote struct {
	Engine Engine
	URL    string // as configured
	// Believe takes results that the engine has from earlier executions.
	Believe bool
	// OnlyLooksUp has nothing executed there: earlier results are all that is asked for. It
	// needs Believe.
	OnlyLooksUp bool
	// Strict makes a call fail that could run there and did not.
	Strict bool
	// Properties are what the engine wants to be told of the platform, as "name=value";
	// nil: what actions say by themselves.
	Properties []string
	// Cluster says how a scheduler and its workers are doing; nil where the engine has none.
	Cluster func(ctx context.Context) (*ClusterStatus, error)

	running atomic.Int64 // calls under way
	mu      sync.Mutex   // guards all below
	fit     bool
	stores  error         // why it executes nothing, though earlier results are taken; nil: it does, or they are not
	unfit   error         // why it is not, for good
	last    error         // why it was of no use when it was last tried; nil: it was not
	retry   time.Time     // not to be tried before
	trying  chan struct{} // closed when the probe under way has ended; nil: none is
}

const (
	// retryAfter is for how long an engine that did not answer is left alone.
	retryAfter = 10 * time.Second
	// clusterRetry is the same where workers are many and come back: the engine knows by
	// itself whom to leave alone.
	clusterRetry = time.Second
	probeWait    = 30 * time.Second
)

// ready says why the engine is of no use now. The first callers wait for a probe; once
// it has failed it is tried again behind their backs, since they can compile here.
func (r *Remote) ready(ctx context.Context, isa string) error {
	r.mu.Lock()
	switch {
	case r.unfit != nil || r.fit:
		defer r.mu.Unlock()
		return r.unfit
	case time.Now().Before(r.retry):
		defer r.mu.Unlock()
		return r.last
	}
	if r.trying == nil {
		r.trying = make(chan struct{})
		go r.probe(isa)
	}
	trying, last := r.trying, r.last
	r.mu.Unlock()
	if last != nil && !r.Strict {
		return last
	}
	select {
	case <-trying:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unfit != nil {
		return r.unfit
	}
	return r.last
}

// probe tries the engine.
func (r *Remote) probe(isa string) {
	ctx, cancel := context.WithTimeout(context.Background(), probeWait)
	defer cancel()
	err := errOnlyLooksUp
	if !r.OnlyLooksUp {
		err = r.Engine.ProbeRoot(ctx, isa)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, unfit := errors.AsType[*reapi.Unfit](err)
	unfit = unfit || err == errOnlyLooksUp
	_, cache := r.Engine.(Cache)
	switch {
	case err == nil:
		r.fit, r.last = true, nil
	case unfit && r.Believe && cache:
		r.fit, r.last, r.stores = true, nil, err
	case unfit:
		r.unfit = err
	default:
		r.rest(err)
	}
	close(r.trying)
	r.trying = nil
}

// errOnlyLooksUp is why nothing is executed where the user wants it so.
var errOnlyLooksUp = errors.New("is only asked for earlier results")

// cache returns the engine where it is only asked for earlier results, nil where it executes.
func (r *Remote) cache() Cache {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stores == nil {
		return nil
	}
	return r.Engine.(Cache) // ready has seen to that
}

// rest leaves the engine alone for a while. The caller holds the lock.
func (r *Remote) rest(err error) {
	after := retryAfter
	if r.Cluster != nil {
		after = clusterRetry
	}
	r.fit, r.last, r.retry = false, err, time.Now().Add(after)
}

// failed takes note of an error of the engine.
func (r *Remote) failed(err error) {
	if !reapi.Gone(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fit { // else it is known
		r.rest(err)
	}
}

// ClusterStatus is how many workers a scheduler has, how many jobs these take at a time, and
// how many run, of all clients.
type ClusterStatus struct {
	Workers    int `json:"num_workers"`
	CPUs       int `json:"num_cpus"`
	InProgress int `json:"in_progress"`
}

// RemoteStatus is how an engine is doing.
type RemoteStatus struct {
	URL      string `json:"url"`
	Executes bool   `json:"executes"`
	Running  int64  `json:"in_progress"`
	Error    string `json:"error,omitempty"` // why it does not execute
	// Cluster is nil where the engine is none of a scheduler.
	Cluster *ClusterStatus `json:"cluster,omitempty"`
}

// Status probes the engine, where that was not done, and says how it is doing.
func (r *Remote) Status(ctx context.Context, isa string) *RemoteStatus {
	s := &RemoteStatus{URL: r.URL, Running: r.running.Load()}
	if r.Cluster != nil {
		var err error
		if s.Cluster, err = r.Cluster(ctx); err != nil {
			s.Error = err.Error()
		}
		return s
	}
	if err := r.ready(ctx, isa); err != nil {
		s.Error = err.Error()
	} else {
		s.Executes = true
	}
	return s
}

// remotely has a miss compiled elsewhere and answers the caller. False: it has to be
// compiled here, and nothing has been answered.
func (j *job) remotely(ctx context.Context, scratch string) bool {
	r := j.s.Remote
	lang, ok := j.lang.(compiler.Remote)
	if !ok {
		j.stays("language")
		return false
	}
	a, err := j.prepareAway(lang, scratch)
	if bare, here := errors.AsType[*compiler.Bare](err); here {
		j.stays(bare.Reason)
		return false
	}
	done := j.producing()
	var out *outcome
	if err == nil {
		r.running.Add(1)
		out, err = j.away(ctx, lang, a)
		r.running.Add(-1)
	}
	if err == nil {
		j.deliver(out, done)
		return true
	}
	if done != nil {
		done(false, nil)
	}
	if errors.Is(err, errGone) {
		j.s.journal.add(j.note("not stored", err.Error()))
		return true
	}
	if errors.Is(err, errAbsent) {
		j.stays(err.Error())
		return false
	}
	if home, ok := errors.AsType[*homeError](err); ok {
		j.stays(home.why)
		return false
	}
	return j.fallBack(err)
}

// stays counts a call that can only run here.
func (j *job) stays(why string) {
	j.s.Stats.Do(func(c *stats.Counters) { c.DistLocal.Add(why) })
}

// fallBack counts why a call did not run elsewhere. Where it may not run here
// either, the caller is told, and the answer is true.
func (j *job) fallBack(err error) bool {
	r := j.s.Remote
	r.failed(err)
	j.s.Stats.Do(func(c *stats.Counters) {
		c.DistErrors++
		c.DistFailures.Add(failureLabel(err))
	})
	j.s.Log.Warn("not compiled remotely", "target", "cachepot::coordinator", "source", j.inv.Source, "error", err)
	if !r.Strict || r.cache() != nil {
		return false
	}
	j.s.journal.add(j.note("error", err.Error()))
	u, ran := errors.AsType[*unlike](err)
	ran = ran && u.failed
	j.s.Stats.Do(func(c *stats.Counters) {
		if ran {
			c.Compilations++
			c.CompileFails++
		} else {
			c.CacheErrors.Add(j.inv.Language, j.tool.Tool.Family)
		}
	})
	fail := &wire.Fail{Reason: j.inv.Source + ": not compiled remotely, and dist.fallback is fail: " + err.Error()}
	if ran {
		fail.Stderr = u.stderr
	}
	j.p.answer(fail.Append(nil))
	return true
}

// failureLabel names an error for the statistics.
func failureLabel(err error) string {
	if u, ok := errors.AsType[*unlike](err); ok {
		return u.label
	}
	if f, ok := errors.AsType[*reapi.Failure](err); ok {
		return "cannot " + f.What + ": " + f.Code.String()
	}
	if _, ok := errors.AsType[*reapi.Unfit](err); ok {
		return "engine unfit"
	}
	if bare, ok := errors.AsType[*compiler.Bare](err); ok {
		return bare.Reason
	}
	if bad, ok := errors.AsType[*toolchain.Unusable](err); ok {
		return bad.Label
	}
	switch {
	case errors.Is(err, reapi.ErrContent):
		return "content is not what its digest says"
	case errors.Is(err, reapi.ErrChanged):
		return "input changed during the compile"
	}
	return "other"
}

// unlike is the error for what came of a run elsewhere and is not what a run here
// would have given.
type unlike struct {
	label, detail string
	failed        bool // the compiler did, and said:
	stderr        []byte
}

func (u *unlike) Error() string {
	if u.detail == "" {
		return u.label
	}
	return u.label + ": " + u.detail
}

// deliver answers the caller with what was compiled elsewhere.
func (j *job) deliver(out *outcome, done func(bool, map[string]digest.Digest)) {
	j.s.journal.add(out.note)
	if done != nil {
		done(true, j.contentsOf(out.result))
	}
	j.p.answer(out.frame)
}
