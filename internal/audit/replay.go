package audit

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/tree"
)

// live is content by the paths of the live file system where it should be.
type live map[digest.Digest]string

// Open implements tree.Source.
func (l live) Open(_ context.Context, d digest.Digest) (*os.File, error) {
	path, ok := l[d]
	if !ok {
		return nil, fmt.Errorf("no file has the content %s", d)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, gone("%s cannot be read", path)
	}
	return f, nil
}

// layOut lays t out in a directory of its own.
func (a *Auditor) layOut(ctx context.Context, t *tree.Tree, src live) (string, error) {
	dir, err := os.MkdirTemp(a.dir, "layer-")
	if err != nil {
		return "", fmt.Errorf("make layer: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // it becomes the root of a job
		return "", fmt.Errorf("make layer: %w", err)
	}
	err = a.pool.Materialise(ctx, t, dir, src)
	if errors.Is(err, tree.ErrContent) {
		err = gone("an input changes while it is read: %s", err)
	}
	return dir, err
}

// toolLayer returns the layer of the toolchain, which is laid out once.
func (a *Auditor) toolLayer(ctx context.Context, in *inputs) (string, error) {
	if dir, ok := a.layers[in.toolTree.Root]; ok {
		return dir, nil
	}
	src := live{}
	for _, f := range in.tool.Files() {
		src[f.Digest] = f.Path
	}
	dir, err := a.layOut(ctx, in.toolTree, src)
	if err == nil {
		a.layers[in.toolTree.Root] = dir
	}
	return dir, err
}

// replay runs the command in a root of its own, with the variables env, and compares what
// comes of it. It returns what stands for that, "" where the command failed.
func (a *Auditor) replay(ctx context.Context, s *subject, in *inputs, env []string, r *Report) (all string, err error) {
	err = a.play(ctx, s, in, env, r, func(got *sandbox.Result) (err error) {
		if all, err = sum(s, got); err != nil {
			return err
		}
		return a.compare(ctx, s, got, r)
	})
	return all, err
}

// play runs the command in a root of its own, with the variables env, and hands on what
// comes of it where it succeeds.
func (a *Auditor) play(ctx context.Context, s *subject, in *inputs, env []string, r *Report, then func(*sandbox.Result) error) error {
	below, err := a.toolLayer(ctx, in)
	if err != nil {
		return err
	}
	src := live{}
	for _, f := range s.here.Files {
		src[f.Digest] = f.Path
	}
	above, err := a.layOut(ctx, in.ownTree, src)
	if above != "" {
		defer os.RemoveAll(above)
	}
	if err != nil {
		return err
	}
	cmd := &s.recipe.Command
	got, err := a.box.Run(ctx, &sandbox.Job{
		Layers: []string{above, below}, Shared: shared(),
		Args: cmd.Args, Env: env, Dir: cmd.Dir, Outputs: cmd.Outputs, Limits: sandbox.DefaultLimits(),
	})
	switch {
	case errors.Is(err, sandbox.ErrLimit):
		r.fault("replay: %s", err)
		r.limited = true
		return nil
	case err != nil:
		return err
	}
	defer got.Close()
	if got.Status != 0 {
		r.fault("replay: the command failed with status %d: %s", got.Status, firstLine(got.Stderr, got.Stdout))
		return nil
	}
	return then(got)
}

// shared are what a job may read beside its tree.
func shared() []sandbox.Bind {
	var out []sandbox.Bind
	for _, dir := range toolchain.LocaleData() {
		out = append(out, sandbox.Bind{From: dir})
	}
	return out
}

// compare compares the outputs and messages of a replay with the stored ones.
func (a *Auditor) compare(ctx context.Context, s *subject, got *sandbox.Result, r *Report) error {
	stored := make(map[string]digest.Digest)
	for _, o := range s.result.Outputs {
		stored[o.Path] = o.Digest
	}
	for i, path := range s.recipe.Command.Outputs {
		d, was := stored[path]
		delete(stored, path)
		switch is := got.Outputs[i].Kind == sandbox.File; {
		case was && !is:
			r.fault("replay: %s was not written", path)
		case !was && is:
			r.fault("replay: %s was written, and the entry does not have it", path)
		case was:
			if err := a.compareOutput(ctx, path, d, got, r); err != nil {
				return err
			}
		}
	}
	for path := range stored {
		r.fault("%s is stored and is no output of the command", path)
	}
	compareMessages(s.result, got, r)
	return nil
}

func (a *Auditor) compareOutput(ctx context.Context, path string, d digest.Digest, replayed *sandbox.Result, r *Report) error {
	want, err := a.store.Blobs().Open(ctx, d)
	if err != nil {
		return missing("output "+path, err)
	}
	defer want.Close()
	got, err := replayed.Open(path)
	if err != nil {
		return err
	}
	defer got.Close()
	difference, err := compareFiles(want, got)
	if err != nil {
		return fmt.Errorf("compare %s: %w", path, err)
	}
	if difference != "" {
		r.fault("replay: %s differs: %s", path, difference)
	}
	return nil
}
