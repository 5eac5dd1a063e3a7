package coordinator

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
)

// here reports whether the content of f has been fetched.
func here(f *reapi.File) bool { return f.Content != nil || f.Digest == digest.Empty() }

// stage brings an output to where it can become a blob. Its content is verified,
// here or when it was fetched.
func (j *job) stage(ctx context.Context, f *reapi.File, scratch string) (*cas.Staged, error) {
	if here(f) {
		return j.s.Blobs.StageBytes(ctx, f.Content)
	}
	name := filepath.Join(scratch, "output")
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
	dst, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep output: %w", err)
	}
	defer dst.Close()
	if here(f) {
		_, err = dst.Write(f.Content)
	} else {
		err = j.s.Remote.Engine.Download(ctx, f.Digest, dst)
	}
	if cerr := dst.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("keep output: %w", cerr)
	}
	return err
}
