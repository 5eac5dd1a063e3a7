package worker

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/execute"
)

const (
	// A job is ended when nobody has waited for it for so long. Who has a lease comes
	// back at once or not at all; others may have lost their connection.
	graceLeased = 2 * time.Second
	graceDirect = 30 * time.Second
	// keepEnded is how long an operation that has ended can still be asked about.
	keepEnded = time.Minute
	// mostOperations bounds the operations that are known at the same time.
	mostOperations = 1 << 16
)

// jobs knows what is being executed. Equal actions of one realm at the same time are
// executed once; each call has an operation of its own for it.
type jobs struct {
	mu      sync.Mutex
	running map[jobKey]*running
	ops     map[string]*operation
	all     map[*running]struct{}
	going   sync.WaitGroup
}

type jobKey struct {
	realm  *blobs.Realm
	action digest.Digest
}

// running is one execution.
type running struct {
	action digest.Digest
	job    *execute.Job // nil where the result was known
	cancel context.CancelFunc
	ops    int // guarded by jobs.mu

	mu       sync.Mutex // guards what follows
	stage    repb.ExecutionStage_Value
	change   chan struct{} // closed when the stage changes
	response *repb.ExecuteResponse
}

// operation is one client's wish for an execution.
type operation struct {
	name     string
	instance string
	realm    *blobs.Realm
	leased   bool
	wishes   wishes
	job      *running

	cancelled chan struct{} // closed by a cancellation

	streams int         // that follow it; guarded by jobs.mu
	timer   *time.Timer // likewise; runs while there are none
	gone    bool        // likewise: it does not count among the job's any more
}

func newJobs() *jobs {
	return &jobs{running: map[jobKey]*running{}, ops: map[string]*operation{}, all: map[*running]struct{}{}}
}

// finished is an execution that had its result before it began.
func finished(action digest.Digest, result *repb.ActionResult) *running {
	return &running{action: action, cancel: func() {}, stage: repb.ExecutionStage_COMPLETED, change: make(chan struct{}),
		response: &repb.ExecuteResponse{Result: result, CachedResult: true}}
}

// now returns the stage and what is closed when it changes.
func (r *running) now() (repb.ExecutionStage_Value, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stage, r.change
}

func (r *running) reach(stage repb.ExecutionStage_Value) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stage = stage
	close(r.change)
	r.change = make(chan struct{})
}

func (r *running) end(resp *repb.ExecuteResponse) {
	r.mu.Lock()
	r.response = resp
	r.mu.Unlock()
	r.reach(repb.ExecutionStage_COMPLETED)
}

// outcome returns the answer of an execution that has ended.
func (r *running) outcome() *repb.ExecuteResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.response
}

// add names an operation.
func (j *jobs) add(op *operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.name(op)
}

func (j *jobs) name(op *operation) {
	prefix := op.instance
	if prefix != "" {
		prefix += "/"
	}
	op.name = prefix + "operations/" + rand.Text()
	op.cancelled = make(chan struct{})
	op.job.ops++
	if len(j.ops) < mostOperations { // beyond, it cannot be asked about
		j.ops[op.name] = op
	}
}

// start has a job run for an operation, or joins it to the run of an equal one.
func (j *jobs) start(op *operation, job *execute.Job, run func(context.Context, *running, bool) *repb.ExecuteResponse) {
	key := jobKey{op.realm, job.Action}
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.running[key]; r != nil && !job.DoNotCache {
		op.job = r
		j.name(op)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{action: job.Action, job: job, cancel: cancel, stage: repb.ExecutionStage_QUEUED, change: make(chan struct{})}
	op.job = r
	j.name(op)
	j.all[r] = struct{}{}
	if !job.DoNotCache {
		j.running[key] = r
	}
	leased := op.leased
	j.going.Go(func() {
		defer cancel()
		resp := run(ctx, r, leased)
		j.mu.Lock()
		j.leave(key, r)
		j.mu.Unlock()
		r.end(resp)
	})
}

// leave lets nobody join a run any more; the caller holds mu.
func (j *jobs) leave(key jobKey, r *running) {
	if j.running[key] == r {
		delete(j.running, key)
	}
	delete(j.all, r)
}

// find returns the operation of that name, or nil.
func (j *jobs) find(name string) *operation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ops[name]
}

// attach notes that somebody follows an operation.
func (j *jobs) attach(op *operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	op.streams++
	if op.timer != nil {
		op.timer.Stop()
		op.timer = nil
	}
}

// detach notes that somebody does not any more. After a while without anybody the
// operation is forgotten, and with its last one the job is ended.
func (j *jobs) detach(op *operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if op.streams--; op.streams > 0 {
		return
	}
	grace := graceDirect
	switch {
	case op.job.outcome() != nil:
		grace = keepEnded
	case op.leased:
		grace = graceLeased
	}
	op.timer = time.AfterFunc(grace, func() { j.expire(op) })
}

func (j *jobs) expire(op *operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if op.streams == 0 {
		delete(j.ops, op.name)
		j.withdraw(op)
	}
}

// withdraw takes an operation from its job, which is ended with the last one; the
// caller holds mu.
func (j *jobs) withdraw(op *operation) {
	if op.gone {
		return
	}
	op.gone = true
	if op.job.ops--; op.job.ops == 0 {
		if op.job.job != nil {
			j.leave(jobKey{op.realm, op.job.action}, op.job)
		}
		op.job.cancel()
	}
}

// cancel ends an operation, at once. Others that wait for the same job go on.
func (j *jobs) cancel(op *operation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case <-op.cancelled:
		return
	default:
	}
	close(op.cancelled)
	j.withdraw(op)
}

// cancelAll ends all jobs.
func (j *jobs) cancelAll() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for r := range j.all {
		r.cancel()
	}
}

// wait waits until no job runs.
func (j *jobs) wait() { j.going.Wait() }
