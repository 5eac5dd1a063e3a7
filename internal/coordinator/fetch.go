package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/wire"
)

// here reports whether the content of f has been fetched.
func here(f *reapi.File) bool { return f.Content != nil || f.Digest == digest.Empty() }

// stage brings an output to where it can become a blob. Its content is verified,
// here or when it was fetched.
func (j *job) stage(ctx context.Context, f *reapi.File, a *awayRun) (*cas.Staged, error) {
	if here(f) {
		return j.s.Blobs.StageBytes(ctx, f.Content)
	}
	name := filepath.Join(a.scratch, "output")
	if err := j.fetchTo(ctx, f, name); err != nil {
		return nil, err
	}
	defer os.Remove(name)
	src, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read output: %w", err)
	}
	defer src.Close()
	return j.s.Blobs.Stage(ctx, src)
}

// fetchTo writes a file that an engine has to name, in place of what an earlier run
// has left there.
func (j *job) fetchTo(ctx context.Context, f *reapi.File, name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make scratch directory: %w", err)
	}
	dst, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep output: %w", err)
	}
	defer dst.Close()
	err = j.s.Remote.Engine.Download(ctx, f.Digest, dst)
	if cerr := dst.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("keep output: %w", cerr)
	}
	return err
}

// maxPrinted bounds what is taken of a compiler's messages, in bytes.
const maxPrinted = 16 << 20

// unpack takes in what an engine says came of a run. The staged outputs are the
// caller's to discard, after an error too.
func (j *job) unpack(ctx context.Context, a *awayRun, res *reapi.Result) (*wire.Exited, []taken, error) {
	x := &wire.Exited{}
	var err error
	if x.Stdout, err = j.s.Remote.printed(ctx, res.Stdout); err != nil {
		return nil, nil, err
	}
	if x.Stderr, err = j.s.Remote.printed(ctx, res.Stderr); err != nil {
		return nil, nil, err
	}
	if res.ExitCode != 0 {
		return nil, nil, &unlike{label: fmt.Sprintf("ends with status %d", res.ExitCode), detail: firstLine(x.Stderr, x.Stdout), failed: true, stderr: x.Stderr}
	}
	if len(res.Other) > 0 {
		return nil, nil, &unlike{label: "an output is no plain file", detail: res.Other[0]}
	}
	files := make(map[string]*reapi.File, len(res.Files))
	for i := range res.Files {
		f := &res.Files[i]
		files[filepath.Join(j.call.Dir, f.Path)] = f
	}
	outputs, err := j.unpackOutputs(ctx, a, files)
	if err != nil {
		return nil, outputs, err
	}
	if a.side != nil { // what an earlier try has left is no word of this one's
		_ = os.RemoveAll(a.scratch)
	}
	a.side = make(map[string][]byte, len(a.Side))
	for _, name := range a.Side {
		if f := files[sideDir+"/"+name]; f != nil {
			if here(f) {
				a.side[name] = f.Content
			} else if err := j.fetchTo(ctx, f, filepath.Join(a.scratch, name)); err != nil {
				return nil, outputs, err
			}
			delete(files, sideDir+"/"+name)
		}
	}
	for p := range files {
		return nil, outputs, &unlike{label: "what came back is no output of the call", detail: p}
	}
	return x, outputs, nil
}

// maxInline is up to how many bytes an output goes to the wrapper as it came, instead of
// by the blob that was just made of it.
const maxInline = 64 << 10

// unpackOutputs stages the outputs of the call and takes them out of files.
func (j *job) unpackOutputs(ctx context.Context, a *awayRun, files map[string]*reapi.File) ([]taken, error) {
	var small []digest.Digest
	for _, f := range files {
		if f.Digest.Size <= reapi.Small && f.Content == nil {
			small = append(small, f.Digest)
		}
	}
	contents, err := j.s.Remote.Engine.Fetch(ctx, small)
	if err != nil {
		return nil, err
	}
	var out []taken
	for _, o := range j.inv.Outputs {
		if o.Unwritten {
			continue
		}
		p := filepath.Clean(j.at(o.Path))
		f := files[p]
		if f == nil {
			if o.Optional {
				continue
			}
			return out, &unlike{label: "an output did not come back", detail: o.Path}
		}
		if f.Content == nil {
			f.Content = contents[f.Digest]
		}
		t := taken{Output: o, mode: created}
		if f.Executable && !o.InPlace {
			t.mode = 0o777
		}
		if t.staged, err = j.stage(ctx, f, a); err != nil {
			return out, err
		}
		if f.Digest.Size <= maxInline {
			t.content = f.Content
		}
		out = append(out, t)
		delete(files, p)
	}
	for _, f := range files { // side files
		if f.Content == nil {
			f.Content = contents[f.Digest]
		}
	}
	return out, nil
}

// firstLine returns the first line that any of texts has.
func firstLine(texts ...[]byte) string {
	for _, t := range texts {
		if line, _, _ := bytes.Cut(bytes.TrimSpace(t), []byte("\n")); len(line) > 0 {
			return string(line[:min(len(line), 300)])
		}
	}
	return ""
}
