package coordinator

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/tree"
)

// sideDir is where a run elsewhere leaves side files: the scratch directory's name
// there, so that equal calls make equal actions.
const sideDir = "/cachepot-side"

// awayRun is a call prepared to run elsewhere.
type awayRun struct {
	*compiler.Away
	scratch string            // large files are put here; made when there is one
	side    map[string][]byte // the side files of the last try that came with its result
	tried   digest.Digest     // the action that was tried last
	began   beginning
}

// outcome is what came of a run elsewhere, stored.
type outcome struct {
	result *result.Result
	frame  []byte // the answer that puts it in place
	note   Note
}

// prepareAway prepares a run elsewhere. A *compiler.Bare says that there can be none.
func (j *job) prepareAway(lang compiler.Remote, scratch string) (*awayRun, error) {
	if j.call.Tool.Family != "rustc" && filepath.Base(j.call.Arg0) != filepath.Base(j.call.Path) {
		return nil, compiler.NotCacheable("compiler called by another name than its file's") // its messages have that
	}
	scratch = filepath.Join(scratch, "away")
	a, err := lang.Away(j.call, j.inv, scratch)
	if err != nil {
		return nil, err
	}
	return &awayRun{Away: a, scratch: scratch, began: beginning{scratch: scratch, whole: j.wholeFiles(a.Made), start: j.settle()}}, nil
}

// away executes the call on what it is expected to look at.
func (j *job) away(ctx context.Context, lang compiler.Remote, a *awayRun) (*outcome, error) {
	if err := j.s.Remote.ready(ctx, j.s.ISA); err != nil {
		return nil, err
	}
	predicted := j.prediction()
	if j.s.Remote.cache() != nil && !a.Scout {
		return j.awayFound(ctx, lang, a, predicted)
	}
	if a.Scout {
		return j.awayScouted(ctx, lang, a, predicted)
	}
	if predicted == nil {
		likely, err := j.forecast(lang)
		if err != nil {
			return nil, err
		}
		return j.awayOn(ctx, lang, a, likely)
	}
	out, failed := j.awayOn(ctx, lang, a, predicted)
	if _, differs := errors.AsType[*unlike](failed); !differs {
		return out, failed
	}
	// It may look at more than it did.
	likely, err := j.forecast(lang)
	if err != nil {
		return nil, failed
	}
	if likely = union(predicted, likely); likely.ID() == predicted.ID() {
		return nil, failed
	}
	out, err = j.awayOn(ctx, lang, a, likely)
	if errors.Is(err, errSame) { // what it may look at besides is not there
		return nil, failed
	}
	return out, err
}

// awayFound looks for an earlier result of somebody who knew as little of the call as its
// sources tell, and then of one who knew what is known here.
func (j *job) awayFound(ctx context.Context, lang compiler.Remote, a *awayRun, predicted *action.PathSet) (*outcome, error) {
	likely, err := j.forecast(lang)
	if err != nil {
		return nil, err
	}
	out, err := j.awayOn(ctx, lang, a, likely)
	if err != errAbsent || predicted == nil {
		return out, err
	}
	if out, err = j.awayOn(ctx, lang, a, predicted); err == errSame {
		err = errAbsent
	}
	return out, err
}

// awayScouted executes a call of which only a scout tells what it looks at.
func (j *job) awayScouted(ctx context.Context, lang compiler.Remote, a *awayRun, predicted *action.PathSet) (*outcome, error) {
	paths, err := j.scout(lang, a)
	if err != nil {
		return nil, err
	}
	if !a.Partly {
		return j.awayOn(ctx, lang, a, paths)
	}
	if predicted != nil {
		out, failed := j.awayOn(ctx, lang, a, union(predicted, paths))
		if _, differs := errors.AsType[*unlike](failed); !differs {
			return out, failed
		}
		paths = union(predicted, paths)
	}
	likely, err := j.forecast(lang)
	if err != nil {
		return nil, err
	}
	return j.awayOn(ctx, lang, a, union(paths, likely))
}

// forecast returns what the call is likely to look at.
func (j *job) forecast(lang compiler.Remote) (*action.PathSet, error) {
	likely, err := lang.Forecast(j.call, j.inv)
	if bare, ok := errors.AsType[*compiler.Bare](err); ok {
		return nil, &homeError{bare.Reason}
	}
	if err == nil {
		likely.Paths = slices.DeleteFunc(likely.Paths, j.tool.Names)
		likely.Normalize()
	}
	return likely, err
}

// homeError says why a call can run only here, found out late.
type homeError struct{ why string }

func (h *homeError) Error() string { return h.why }

// prediction returns what the latest run of the call is known to have needed, nil
// where none is known.
func (j *job) prediction() *action.PathSet {
	for _, f := range j.faces {
		f.req.mu.Lock()
		if len(f.req.known) > 0 {
			defer f.req.mu.Unlock()
			k := f.req.known[0]
			j.looked(k.paths, k.snap) // a moment ago, for a hit
			return k.paths
		}
		f.req.mu.Unlock()
	}
	return nil
}

// union returns all that a and b name.
func union(a, b *action.PathSet) *action.PathSet {
	u := &action.PathSet{
		Paths: slices.Concat(a.Paths, b.Paths), EnvNames: slices.Concat(a.EnvNames, b.EnvNames),
		Found: b.Found, Alone: b.Alone, SpeaksOfFile: a.SpeaksOfFile || b.SpeaksOfFile, Leading: b.Leading, Asked: b.Asked,
	}
	for _, s := range slices.Concat(a.Searches, b.Searches) {
		u.Searches = append(u.Searches, action.Search{Dirs: slices.Clone(s.Dirs), Names: slices.Clone(s.Names)})
	}
	u.Listings = slices.Concat(a.Listings, b.Listings)
	u.Normalize()
	u.Searches = slices.CompactFunc(u.Searches, func(x, y action.Search) bool {
		return slices.Equal(x.Dirs, y.Dirs) && slices.Equal(x.Names, y.Names)
	})
	u.Listings = slices.Compact(u.Listings)
	return u
}

// sent is what a run elsewhere was given.
type sent struct {
	paths *action.PathSet
	snap  *filestate.Snapshot
	env   []string // variables that were looked at by name, as far as they are set
	tree  *tree.Tree
	job   *reapi.Job
}

// errSame is the error for an action that was tried already.
var errSame = errors.New("the same action again")

// errAbsent says that a service has no earlier result.
var errAbsent = errors.New("not in the cache of the service")

// errGone is the error for a caller that went away.
var errGone = errors.New("the wrapper went away")

// awayOn executes the call in a root that holds what paths lead to.
func (j *job) awayOn(ctx context.Context, lang compiler.Remote, a *awayRun, paths *action.PathSet) (*outcome, error) {
	present, stop := j.p.whilePresent(ctx)
	defer stop()
	out, err := j.awayWhile(present, lang, a, paths)
	if err != nil && present.Err() != nil {
		return nil, errGone
	}
	return out, err
}

func (j *job) awayWhile(ctx context.Context, lang compiler.Remote, a *awayRun, paths *action.PathSet) (*outcome, error) {
	s, err := j.pack(a, paths)
	if err != nil {
		return nil, err
	}
	if s.job.Action == a.tried {
		return nil, errSame
	}
	a.tried = s.job.Action
	start := time.Now()
	execute, cache := j.s.Remote.Engine.Execute, j.s.Remote.cache()
	if cache != nil {
		execute = cache.LookUp
	}
	res, err := execute(ctx, s.job)
	if err != nil {
		return nil, err
	}
	if cache != nil && (res == nil || res.ExitCode != 0) {
		return nil, errAbsent
	}
	x, outputs, err := j.unpack(ctx, a, res)
	defer func() { discard(outputs) }()
	if err != nil {
		return nil, err
	}
	x.Nanoseconds = uint64(time.Since(start))
	return j.accept(ctx, lang, a, s, &made{x: x, outputs: outputs, away: true, looked: cache != nil}, res)
}

// pack makes the action, in the form that the engine wants, and names all blobs that
// it leads to.
func (j *job) pack(a *awayRun, paths *action.PathSet) (*sent, error) {
	snap := j.evaluated[paths]
	if snap == nil {
		var err error
		if snap, err = j.s.View.Evaluate(paths); err != nil {
			return nil, err
		}
		j.looked(paths, snap)
	}
	var err error
	s := &sent{paths: paths, snap: snap, env: lookup(j.call.Env, paths.EnvNames)}
	given := []*filestate.Snapshot{snap}
	if a.Also != nil {
		also, err := j.s.View.Evaluate(a.Also)
		if err != nil {
			return nil, err
		}
		given = append(given, also)
	}
	if s.tree, err = j.locatedFace().tree(given...); err != nil {
		return nil, err
	}
	act, err := action.Rendered(j.awayCommand(a, s.env), s.tree.Root, j.s.ISA, j.s.Remote.Properties)
	if err != nil {
		return nil, err
	}
	s.job = &reapi.Job{Action: act.Digest, Inline: act.Outputs, Believe: j.s.Remote.Believe && !j.recache, Affinity: j.tool.Digest.String()}
	files := j.tool.Files()
	for _, g := range given {
		files = append(files, g.Files()...)
	}
	s.job.Blobs = blobsOf(files, s.tree, act)
	return s, nil
}

// blobsOf names all blobs that an action leads to.
func blobsOf(files []filestate.File, t *tree.Tree, act *action.Canonical) []reapi.Blob {
	var blobs []reapi.Blob
	for _, f := range files {
		blobs = append(blobs, reapi.Blob{Digest: f.Digest, Path: f.Path})
	}
	for d, enc := range t.Dirs {
		blobs = append(blobs, reapi.Blob{Digest: d, Bytes: enc})
	}
	return append(blobs, reapi.Blob{Digest: digest.Of(act.Command), Bytes: act.Command}, reapi.Blob{Digest: act.Digest, Bytes: act.Action})
}

// awayCommand is what runs elsewhere.
func (j *job) awayCommand(a *awayRun, env []string) *action.Command {
	elsewhere := func(list []string) []string {
		out := make([]string, len(list))
		for i, s := range list {
			out[i] = strings.ReplaceAll(s, a.scratch, sideDir)
		}
		return out
	}
	all := merge(merge(merge(elsewhere(a.Env), j.inv.Env), j.inv.Messages), env)
	cmd := &action.Command{Args: append([]string{j.call.Path}, elsewhere(j.withMaps(a.Args))...), Env: all, Dir: j.call.Dir}
	for _, o := range j.inv.Outputs {
		if !o.Unwritten {
			cmd.Outputs = append(cmd.Outputs, o.Path)
		}
	}
	for _, name := range a.Side {
		cmd.Outputs = append(cmd.Outputs, sideDir+"/"+name)
	}
	return cmd
}
