package execute

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/sandbox"
)

// mostEntries bounds what one directory may hold that comes back.
const mostEntries = 1 << 16

// want says what may come of an output: clients before 2.1 say which it is to be.
type want int

const (
	anything want = iota
	aFile
	aDirectory
)

// keep stores the outputs and streams of a run and names them in the result.
func (j *Job) keep(ctx context.Context, r *sandbox.Result, result *repb.ActionResult) error {
	for i, o := range j.outputs {
		if err := j.keepOutput(ctx, r, o, r.Outputs[i], result); err != nil {
			return fmt.Errorf("keep output: %w", err)
		}
	}
	for _, stream := range []struct {
		text []byte
		at   **repb.Digest
	}{{r.Stdout, &result.StdoutDigest}, {r.Stderr, &result.StderrDigest}} {
		d := digest.Of(stream.text)
		if err := j.realm.Put(ctx, d, stream.text); err != nil {
			return fmt.Errorf("keep messages: %w", err)
		}
		*stream.at = message(d)
	}
	return nil
}

func (j *Job) keepOutput(ctx context.Context, r *sandbox.Result, o output, found sandbox.Output, result *repb.ActionResult) error {
	switch {
	case found.Kind == sandbox.File && o.want != aDirectory:
		d, err := j.keepFile(ctx, r, found.Path)
		if err != nil {
			return err
		}
		result.OutputFiles = append(result.OutputFiles, &repb.OutputFile{Path: o.name, Digest: d, IsExecutable: found.Executable})
	case found.Kind == sandbox.Directory && o.want != aFile:
		d, err := j.keepDirectory(ctx, r, found.Path, o.path)
		if err != nil {
			return err
		}
		result.OutputDirectories = append(result.OutputDirectories, &repb.OutputDirectory{Path: o.name, TreeDigest: d})
	case found.Kind == sandbox.Symlink && o.want == anything:
		result.OutputSymlinks = append(result.OutputSymlinks, &repb.OutputSymlink{Path: o.name, Target: found.Target})
	}
	return nil // what is missing, or no such thing, the client finds missing
}

func (j *Job) keepFile(ctx context.Context, r *sandbox.Result, at string) (*repb.Digest, error) {
	f, err := r.Open(at)
	if err != nil {
		return nil, err
	}
	d, err := j.realm.PutFile(ctx, f)
	return message(d), errors.Join(err, f.Close())
}

// keepDirectory stores all that lies below a directory, and the message that describes it.
func (j *Job) keepDirectory(ctx context.Context, r *sandbox.Result, at, root string) (*repb.Digest, error) {
	found, err := r.Walk(at, mostEntries)
	if err != nil {
		return nil, err
	}
	dirs := map[string]*repb.Directory{root: {}}
	order := []string{root}
	for _, e := range found {
		parent := dirs[path.Dir(e.Path)]
		if parent == nil {
			return nil, fmt.Errorf("%s comes before its directory", e.Path)
		}
		switch name := path.Base(e.Path); e.Kind {
		case sandbox.File:
			d, err := j.keepFile(ctx, r, e.Path)
			if err != nil {
				return nil, err
			}
			parent.Files = append(parent.Files, &repb.FileNode{Name: name, Digest: d, IsExecutable: e.Executable})
		case sandbox.Symlink:
			parent.Symlinks = append(parent.Symlinks, &repb.SymlinkNode{Name: name, Target: e.Target})
		case sandbox.Directory:
			dirs[e.Path] = &repb.Directory{}
			order = append(order, e.Path)
		}
	}
	tree := &repb.Tree{Root: dirs[root]}
	known := map[digest.Digest]bool{}
	for i := len(order) - 1; i > 0; i-- { // what lies deeper comes first
		enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(dirs[order[i]])
		if err != nil {
			return nil, fmt.Errorf("encode directory: %w", err)
		}
		d := digest.Of(enc)
		parent := dirs[path.Dir(order[i])]
		// They are taken from the last to the first.
		node := &repb.DirectoryNode{Name: strings.TrimPrefix(order[i], path.Dir(order[i])+"/"), Digest: message(d)}
		parent.Directories = append([]*repb.DirectoryNode{node}, parent.Directories...)
		if !known[d] {
			known[d] = true
			tree.Children = append(tree.Children, dirs[order[i]])
		}
	}
	enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("encode tree: %w", err)
	}
	d := digest.Of(enc)
	return message(d), j.realm.Put(ctx, d, enc)
}
