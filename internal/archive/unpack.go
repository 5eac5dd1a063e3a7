package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// magic is how each form of packing begins.
type magic struct {
	name  string
	bytes string
	open  func(io.Reader) (io.Reader, func(), error)
}

func magics() []magic {
	stay := func() {}
	return []magic{
		{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, func(), error) {
			z, err := gzip.NewReader(r)
			return z, stay, err
		}},
		{"xz", "\xfd7zXZ\x00", func(r io.Reader) (io.Reader, func(), error) {
			z, err := xz.NewReader(r, maxWindow)
			return z, stay, err
		}},
		{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, func(), error) {
			z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, stay, err
			}
			return z, z.Close, nil
		}},
		{"bzip2", "BZh", func(r io.Reader) (io.Reader, func(), error) { return bzip2.NewReader(r), stay, nil }},
	}
}

// isTar is where every tar archive of the last 35 years says that it is one.
const (
	tarMark   = "ustar"
	tarMarkAt = 257
	block     = 512 // bytes, the unit of a tar archive
)

// packing returns what head is packed by, nil where it is not.
func packing(head []byte) *magic {
	for _, m := range magics() {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return &m
		}
	}
	return nil
}

// unpacked reads the tar archive in r. It counts what it yields and refuses a bomb.
type unpacked struct {
	r     io.Reader
	close func()
	in    *counter
	out   int64 // bytes yielded
	limit int64
	// zeros is true while all that was yielded since it was set was zero.
	zeros bool
}

// counter counts what is read of the archive's own file.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func unpack(r io.Reader, limits Limits) (*unpacked, error) {
	u := &unpacked{in: &counter{r: r}, limit: limits.Bytes, close: func() {}}
	packed := bufio.NewReaderSize(u.in, 64<<10)
	head, err := packed.Peek(block)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	u.r = packed
	if m := packing(head); m != nil {
		if u.r, u.close, err = m.open(packed); err != nil {
			return nil, spoilt(err)
		}
		inner := bufio.NewReaderSize(u.r, 64<<10)
		u.r = inner
		if head, err = inner.Peek(block); err != nil && !errors.Is(err, io.EOF) {
			u.close()
			return nil, spoilt(err)
		}
		if m := packing(head); m != nil {
			u.close()
			return nil, refuse("", "is packed twice, the second time by %s", m.name)
		}
	}
	if len(head) < block || string(head[tarMarkAt:tarMarkAt+len(tarMark)]) != tarMark {
		u.close()
		return nil, refuse("", "is no tar archive, plain or packed by gzip, xz, zstd or bzip2")
	}
	return u, nil
}

// Read implements io.Reader.
func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	u.out += int64(n)
	u.zeros = u.zeros && len(bytes.Trim(b[:n], "\x00")) == 0
	switch {
	case u.out > u.limit:
		return n, refuse("", "holds more than the %d bytes that a toolchain may take (dist.toolchain_cache_size)", u.limit)
	case u.out > ratioFrom && u.out/maxRatio > u.in.n:
		return n, refuse("", "is a bomb: more than %d times larger than it is packed", maxRatio)
	case err != nil && !errors.Is(err, io.EOF):
		return n, spoilt(err)
	}
	return n, err
}

// spoilt says that the packed form is not right. Errors of the file itself stay what
// they are.
func spoilt(err error) error {
	if _, ok := errors.AsType[*Refused](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, xz.ErrBuf) {
		return refuse("", "ends early")
	}
	if errors.Is(err, xz.ErrMemlimit) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return refuse("", "needs more than %d MiB of memory to unpack", maxWindow>>20)
	}
	return refuse("", "is damaged: %v", err)
}
