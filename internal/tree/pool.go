package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cachepot/cachepot/internal/digest"
)

// Source finds content by its name. What it opens may turn out to be something
// else: who reads it verifies.
type Source interface {
	Open(ctx context.Context, d digest.Digest) (*os.File, error)
}

// Pool is a directory that holds each file of many trees once, verified and
// read-only. Trees are laid out from it by hard links, so none of them may be
// written to: they serve as lower layers. A Pool is not safe for concurrent use.
//
//	pool = file*
//	file = hash "-" size [ "x" ]   ; "x": executable, mode 0555, else 0444
type Pool struct {
	dir   string
	owner int
}

// ErrContent is wrapped by the error for a source whose content is not what was
// asked for.
var ErrContent = errors.New("content has changed")

// NewPool returns the pool in dir, an empty directory. owner is the user and the
// group that all files and directories are given, -1 to leave them as they are.
func NewPool(dir string, owner int) *Pool { return &Pool{dir: dir, owner: owner} }

// file returns the path of the content called d, which it takes from src unless
// it has it.
func (p *Pool) file(ctx context.Context, d digest.Digest, executable bool, src Source) (string, error) {
	mode, suffix := fs.FileMode(0o444), ""
	if executable {
		mode, suffix = 0o555, "x"
	}
	name := filepath.Join(p.dir, fmt.Sprintf("%s-%d%s", d.Hex(), d.Size, suffix))
	if _, err := os.Lstat(name); err == nil {
		return name, nil
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	f, err := src.Open(ctx, d)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := p.take(f, d, name, mode); err != nil {
		return "", fmt.Errorf("take in %s: %w", f.Name(), err)
	}
	return name, nil
}

// take copies f to a new file and verifies the copy, since f may change under the
// reader. The file has its name only when it is right.
func (p *Pool) take(f *os.File, d digest.Digest, name string, mode fs.FileMode) error {
	temp := filepath.Join(p.dir, "new")
	to, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp) // has another name by then, if all went well
	defer to.Close()
	if _, err := io.Copy(to, f); err != nil { // shares blocks where it can
		return err
	}
	found, err := digest.Read(io.NewSectionReader(to, 0, 1<<62))
	if err != nil {
		return err
	}
	if found != d {
		return ErrContent
	}
	if err := to.Chmod(mode); err != nil { // no umask applies
		return err
	}
	if err := p.own(temp); err != nil {
		return err
	}
	return os.Rename(temp, name)
}

func (p *Pool) own(path string) error {
	if p.owner < 0 {
		return nil
	}
	return os.Lchown(path, p.owner, p.owner)
}

// Materialise lays the tree out below dir, an empty directory of the pool's file
// system that nobody else writes to. Content that the pool lacks comes from src.
// Directories get mode 0755. After an error part of the tree may be there.
func (p *Pool) Materialise(ctx context.Context, t *Tree, dir string, src Source) error {
	if err := p.own(dir); err != nil {
		return fmt.Errorf("lay out tree: %w", err)
	}
	// A path below dir leads nowhere else: its directories were made here, and a
	// second node of the same name fails.
	return t.Walk(func(path string, n Node) error {
		at := dir + path
		switch n.Kind {
		case Directory:
			if err := os.Mkdir(at, 0o700); err != nil {
				return fmt.Errorf("lay out tree: %w", err)
			}
			if err := os.Chmod(at, 0o755); err != nil {
				return fmt.Errorf("lay out tree: %w", err)
			}
		case Symlink:
			if err := os.Symlink(n.Target, at); err != nil {
				return fmt.Errorf("lay out tree: %w", err)
			}
		case Regular:
			file, err := p.file(ctx, n.Digest, n.Executable, src)
			if err != nil {
				return err
			}
			if err := os.Link(file, at); err != nil {
				return fmt.Errorf("lay out tree: %w", err)
			}
			return nil // owned already
		}
		if err := p.own(at); err != nil {
			return fmt.Errorf("lay out tree: %w", err)
		}
		return nil
	})
}
