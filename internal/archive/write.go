package archive

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Writer writes an archive whose bytes depend on nothing but its members: no times, no
// owners. Members are to come sorted by path, each once.
type Writer struct {
	tar    *tar.Writer
	packer io.Closer // nil: plain
}

// NewWriter returns a Writer to w in the form that the end of name says: ".tar" is plain,
// ".tar.zst" packed by zstd, and all else by gzip. The ends of forms that can only be read
// are an error.
func NewWriter(w io.Writer, name string) (*Writer, error) {
	switch {
	case strings.HasSuffix(name, ".tar"):
		return &Writer{tar: tar.NewWriter(w)}, nil
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("write archive: %w", err)
		}
		return &Writer{tar.NewWriter(z), z}, nil
	case strings.HasSuffix(name, ".xz"), strings.HasSuffix(name, ".bz2"):
		return nil, fmt.Errorf("%s: archives packed so are read, not written; allowed: .tar, .tar.gz, .tar.zst", name)
	}
	z := gzip.NewWriter(w)
	return &Writer{tar.NewWriter(z), z}, nil
}

// Directory adds the directory at the absolute path p.
func (w *Writer) Directory(p string) error {
	return w.header(&tar.Header{Typeflag: tar.TypeDir, Name: p[1:] + "/", Mode: 0o755})
}

// Symlink adds a link to target.
func (w *Writer) Symlink(p, target string) error {
	return w.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: p[1:], Linkname: target, Mode: 0o777})
}

// File adds a file with the first size bytes of content.
func (w *Writer) File(p string, executable bool, size int64, content io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: p[1:], Mode: 0o644, Size: size}
	if executable {
		h.Mode = 0o755
	}
	if err := w.header(h); err != nil {
		return err
	}
	if _, err := io.CopyN(w.tar, content, size); err != nil {
		return fmt.Errorf("write archive: %s: %w", p, err)
	}
	return nil
}

func (w *Writer) header(h *tar.Header) error {
	if err := w.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

// Close ends the archive. It does not close what it was written to.
func (w *Writer) Close() error {
	err := w.tar.Close()
	if w.packer != nil {
		err = errors.Join(err, w.packer.Close())
	}
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}
