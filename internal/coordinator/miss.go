package coordinator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/wire"
)

// miss has the wrapper compile and stores what comes of it.
func (j *job) miss(ctx context.Context) {
	if j.inv.Resumes != "" && (j.inv.Resumed || j.seen()) {
		j.runBare(compiler.NotCacheable("%s", j.inv.Resumes))
		return
	}
	scratch := filepath.Join(j.s.Scratch, strconv.FormatUint(j.s.serial.Add(1), 10))
	defer os.RemoveAll(scratch)
	if j.elsewhere(ctx, scratch) {
		return
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		j.runBare(fmt.Errorf("make scratch directory: %w", err))
		return
	}
	plan, err := j.lang.Plan(j.call, j.inv, scratch)
	if err != nil {
		j.runBare(err)
		return
	}
	began := beginning{scratch: scratch, whole: j.wholeFiles(plan.Made), start: j.settle()}
	run := &wire.Run{
		Watch: plan.Watch, Looks: plan.Looks, Direct: plan.Direct, Path: j.call.Path,
		Argv: append([]string{j.call.Arg0}, j.withMaps(plan.Args)...),
		Env:  j.runEnv(plan.Env),
	}
	done := j.producing()
	j.p.answer(run.Append(nil))
	exited, err := j.report()
	var stored *result.Result
	if done != nil {
		defer func() { done(err == nil && exited.Status == 0, j.contentsOf(stored)) }()
	}
	if err != nil {
		j.s.journal.add(j.note("not stored", "the wrapper went away"))
		return // and with it the compiler
	}
	j.s.storing.RLock() // from before the caller goes on
	defer j.s.storing.RUnlock()
	n := j.note("miss", "")
	var why error
	if stored, why = j.keep(ctx, exited, &began, &n); why != nil {
		n.Outcome, n.Reason = "not stored", j.s.notStored(why)
	}
	j.s.journal.add(n)
}

// beginning is what was known when a run began.
type beginning struct {
	scratch string
	start   filestate.Moment
	whole   map[string]filestate.Content // of compiler.Plan.Made, as they were before start
}

// wholeFiles returns the contents of files. What cannot be read, or lies behind a
// link, is left out: then its time stamps decide.
func (j *job) wholeFiles(files []string) map[string]filestate.Content {
	whole := make(map[string]filestate.Content, len(files))
	for _, p := range files {
		if c, err := j.s.View.File(p); err == nil {
			whole[p] = c
		}
	}
	return whole
}

// report waits for the end of the compile.
func (j *job) report() (*wire.Exited, error) {
	kind, payload, err := wire.ReadFrame(j.p, j.s.MaxFrame, nil)
	if err != nil {
		return nil, err
	}
	if kind != wire.KindExited {
		return nil, wire.ErrMalformed
	}
	return wire.DecodeExited(payload)
}

// settle waits until a change of any file that the call is known to read would
// show in its time stamp, and returns the time. A source is often written just
// before it is compiled; where stamps are fine that is no reason to wait.
func (j *job) settle() filestate.Moment {
	const tick = time.Millisecond
	files := j.predicted()
	for range 20 {
		now := j.s.View.Now()
		if j.allQuiet(files, now) {
			return now
		}
		time.Sleep(tick)
	}
	return j.s.View.Now()
}

func (j *job) allQuiet(files []string, now filestate.Moment) bool {
	for _, p := range files {
		if !j.s.View.Quiet(p, now) {
			return false
		}
	}
	return true
}

// predicted returns the files that the call is likely to read: what it is known
// to, and what earlier compiles of the request did. Directories are left out: compilers write into them all the time.
func (j *job) predicted() []string {
	var out []string
	for _, p := range j.inv.Known {
		out = append(out, j.at(p))
	}
	for _, f := range j.faces {
		out = append(out, f.req.needed()...)
	}
	return out
}

// seen reports whether an earlier compile of the call is known.
func (j *job) seen() bool {
	return slices.ContainsFunc(j.faces, func(f *face) bool { return f.req.seen() })
}

// needed returns the files and links that earlier compiles of the request read.
func (q *request) needed() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []string
	for _, k := range q.known {
		if k.snap != nil {
			for _, f := range k.snap.Files() {
				out = append(out, f.Path)
			}
			for _, l := range k.snap.Links() {
				out = append(out, l[0])
			}
		}
	}
	return out
}

// failedCompile is the error of keep for a compiler that did not succeed.
var errFailedCompile = errors.New("compile failed")

// keep stores the result of a run. The error says why it is not stored.
func (j *job) keep(ctx context.Context, x *wire.Exited, b *beginning, n *Note) (*result.Result, error) {
	outputs, err := j.takeFrom(ctx, x, b.start)
	j.p.send(wire.Frame(wire.KindAck, nil))
	if err != nil {
		return nil, err
	}
	defer func() { discard(outputs) }()
	paths, err := j.lang.Inputs(j.call, j.inv, &compiler.Observed{
		Scratch: b.scratch, Opened: x.Opened, Looks: looks(x), Programs: x.Programs, Stdout: x.Stdout, Stderr: x.Stderr, Output: contents(outputs)})
	if err != nil {
		return nil, err
	}
	snap, err := j.inputs(paths, b)
	if err != nil {
		return nil, err
	}
	e, _, err := j.store(ctx, &made{x: x, outputs: outputs, paths: paths, snap: snap}, b, n)
	return e, err
}

// made is what a run has made, and what it looked at.
type made struct {
	x       *wire.Exited
	outputs []taken
	paths   *action.PathSet
	snap    *filestate.Snapshot
	looked  bool // it is an earlier result, and nothing was run
	away    bool // nobody watched it: which macros it loaded is not known
}

// store stores what a run has made, and says under which face.
func (j *job) store(ctx context.Context, m *made, b *beginning, n *Note) (*result.Result, *face, error) {
	began := time.Now()
	f, texts, err := j.faceOf(m, n)
	if err != nil {
		return nil, nil, err
	}
	x, paths, snap := m.x, m.paths, m.snap
	e := &result.Result{Stdout: x.Stdout, Stderr: x.Stderr, Took: time.Duration(x.Nanoseconds)}
	if f.places != nil {
		if e.Bound, err = f.bound(m, texts); err != nil {
			return nil, nil, err
		}
		if f.places.Ambiguous() || paths.LooksUp(f.places) {
			// The way there by which the caller spells a root is not the root's, and not all
			// directories that others would look in were looked in.
			paths = f.realPaths(f.storedPaths(paths))
			if snap, err = j.inputs(paths, b); err != nil {
				return nil, nil, err
			}
		}
	}
	if e.Outputs, err = j.publish(ctx, m.outputs, texts); err != nil {
		return nil, nil, err
	}
	err = f.publish(ctx, e, paths, snap, n)
	if errors.Is(err, errMoves) || errors.Is(err, errVaries) {
		j.located = err.Error()
		j.stay(j.located, n)
		if e.Outputs, err = j.publish(ctx, m.outputs, nil); err != nil {
			return nil, nil, err
		}
		e.Bound = nil
		f = j.locatedFace()
		err = f.publish(ctx, e, paths, snap, n)
	}
	if err != nil {
		return nil, nil, err
	}
	f.remain(e)
	j.s.Stats.Do(func(c *stats.Counters) {
		c.CacheWrites++
		c.CacheWriteDuration += stats.Duration(time.Since(began))
		c.CompilerDuration += stats.Duration(x.Nanoseconds)
	})
	return e, f, nil
}

func looks(x *wire.Exited) []compiler.Look {
	all := make([]compiler.Look, len(x.Looks))
	for i, l := range x.Looks {
		all[i] = compiler.Look{Path: l.Path, Deed: deed(l.Deed), Found: l.Found}
	}
	return all
}

func deed(d wire.Deed) compiler.Deed {
	switch d {
	case wire.Read:
		return compiler.Read
	case wire.Probed:
		return compiler.Probed
	case wire.Listed:
		return compiler.Listed
	case wire.Wrote:
		return compiler.Wrote
	default:
		return compiler.Removed // wire knows no other
	}
}

// takeFrom takes the outputs of a run if it is one whose result can be stored.
func (j *job) takeFrom(ctx context.Context, x *wire.Exited, start filestate.Moment) ([]taken, error) {
	ws := syscall.WaitStatus(x.Status)
	j.s.Stats.Do(func(c *stats.Counters) {
		c.Compilations++
		if ws != 0 {
			c.CompileFails++ // and no miss: no cache could have answered
		} else {
			c.CacheMisses.Add(j.inv.Language, j.tool.Tool.Family)
		}
	})
	switch {
	case ws != 0:
		return nil, errFailedCompile
	case x.Lost:
		return nil, compiler.NotCacheable("too many messages")
	case x.Unwatched != "":
		return nil, compiler.NotCacheable("not watched: %s", x.Unwatched)
	}
	return j.takeOutputs(ctx, start)
}

// inputs evaluates the paths that a run looked at. Whatever was found must have
// been there, as it is, since the run began.
func (j *job) inputs(paths *action.PathSet, b *beginning) (*filestate.Snapshot, error) {
	paths.Paths = slices.DeleteFunc(paths.Paths, j.tool.Names)
	paths.Normalize()
	snap := j.still(paths)
	if snap == nil {
		var err error
		if snap, err = j.s.View.Evaluate(paths); err != nil {
			return nil, err
		}
	}
	if p := snap.ChangedSince(b.start, b.whole); p != "" {
		j.s.Log.Info("input changed", "target", "cachepot::coordinator", "path", p)
		return nil, compiler.NotCacheable("input changed during the compile")
	}
	for _, p := range append(paths.Found, j.inv.Known...) {
		if _, err := filestate.Stat(j.call.At(j.at(p))); err != nil {
			return nil, compiler.NotCacheable("input removed during the compile")
		}
	}
	if err := j.checkAlone(paths, snap); err != nil {
		return nil, err
	}
	if !j.tool.Unchanged() {
		return nil, compiler.NotCacheable("compiler changed during the compile")
	}
	return snap, nil
}

// looked remembers what a path set, which is in order, has led to.
func (j *job) looked(paths *action.PathSet, snap *filestate.Snapshot) {
	if j.evaluated == nil {
		j.evaluated = make(map[*action.PathSet]*filestate.Snapshot)
	}
	if snap != nil {
		j.evaluated[paths] = snap
	}
}

// still returns what paths led to earlier and lead to now, nil where that is not known.
// To compare is cheaper than to look for it all again.
func (j *job) still(paths *action.PathSet) *filestate.Snapshot {
	for earlier, snap := range j.evaluated {
		if paths.Same(earlier) && snap.Unchanged() {
			return snap
		}
	}
	return nil
}

// checkAlone refuses inputs that "#pragma once" may take for one file or for two,
// by their inodes and time stamps.
func (j *job) checkAlone(paths *action.PathSet, snap *filestate.Snapshot) error {
	if len(paths.Alone) == 0 {
		return nil
	}
	count := make(map[digest.Digest]int)
	for _, f := range snap.Files() {
		count[f.Digest]++
	}
	for _, p := range paths.Alone {
		c, err := j.s.View.File(j.call.At(j.at(p)))
		if err != nil {
			return err
		}
		if count[c.Digest] > 1 {
			return compiler.NotCacheable("#pragma once or #import with two equal files")
		}
	}
	return nil
}

// publish makes e the result of the action that was run, and the paths a path set
// of its request.
func (f *face) publish(ctx context.Context, e *result.Result, paths *action.PathSet, snap *filestate.Snapshot, n *Note) error {
	j := f.j
	env := lookup(j.call.Env, paths.EnvNames)
	silent, loud, err := f.actions(snap, env)
	if err != nil {
		return err
	}
	id, made := silent.Digest, f.command(env)
	if j.inv.Shapes(e.Stdout, e.Stderr) {
		id, made = loud.Digest, j.loud(made)
	}
	stored := f.storedPaths(paths)
	k := &known{id: stored.ID(), paths: paths, snap: snap, env: env, messages: append(j.messageEnv(), j.inv.MessageArgs...),
		tool: j.tool.Digest, silent: silent.Digest, loud: loud.Digest}
	if e.Recipe, err = j.s.Blobs.PutBytes(ctx, f.recipe(k, made).Encode()); err != nil {
		return err
	}
	n.Recipe, n.Subject = e.Recipe, j.subject()
	kept := f.stored(e)
	if err := f.testify(ctx, id, kept, env); err != nil {
		return err
	}
	enc, err := kept.Encode()
	if err != nil {
		return err
	}
	if err := storage.Put(ctx, j.s.Tier, storage.PathSet, k.id, stored.Encode()); err != nil {
		return err
	}
	if j.recache {
		if d, ok := j.s.Tier.(storage.Dropper); ok {
			_ = d.DropRecord(ctx, storage.Entry, id) // then the old one stays
		}
	}
	if err := storage.Put(ctx, j.s.Tier, storage.Entry, id, enc); err != nil {
		return err
	}
	switch p := j.s.lone.among(snap); {
	case f.places == nil:
	case p != "":
		j.stay(follows, n)
		n.Reason += ": " + p
		j.s.lone.add(e.Outputs)
	case e.Bound != nil:
		j.wait(ctx, id, e.Bound, n)
	}
	j.s.remember(ctx, n.Subject, e.Recipe)
	k.result, k.resultOf = e, id
	return f.learn(ctx, k)
}

// learn makes k the first path set of its request.
func (f *face) learn(ctx context.Context, k *known) error {
	q, j := f.req, f.j
	q.mu.Lock()
	defer q.mu.Unlock()
	list := []*known{k}
	ids := []digest.Digest{k.id}
	for _, old := range q.known {
		if old.id != k.id && len(list) < maxPathSets {
			list = append(list, old)
			ids = append(ids, old.id)
		}
	}
	q.known, q.loaded = list, true
	q.learned.Add(1)
	j.s.requests.spend(q, q.weigh())
	return storage.Put(ctx, j.s.Tier, storage.Request, q.id, encodeDigests(ids))
}

// notStored counts why a result was not stored, and returns it in words.
func (s *Server) notStored(why error) string {
	var bare *compiler.Bare
	var fault *storage.Fault
	label := why.Error()
	switch {
	case errors.Is(why, errFailedCompile):
		return label
	case errors.As(why, &bare):
	case errors.As(why, &fault):
		label = "cannot store: " + fault.Trouble.String()
		s.Stats.Do(func(c *stats.Counters) { c.CacheWriteErrors++ })
		s.Log.Warn("cannot store", "target", "cachepot::coordinator", "error", why)
	default:
		s.Log.Warn("not stored", "target", "cachepot::coordinator", "error", why)
		label = "inputs unreadable"
	}
	s.Stats.Do(func(c *stats.Counters) { c.NotStored.Add(label) })
	return label
}
