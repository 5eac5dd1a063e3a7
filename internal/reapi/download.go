package reapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc/codes"

	"github.com/cachepot/cachepot/internal/digest"
)

// ErrContent is wrapped by the error for a blob that the service gave with another
// content than it has by its name.
var ErrContent = errors.New("content is not what its digest says")

// Small is the size up to which blobs are fetched together.
const Small = 1 << 20

// Fetch returns the contents of small blobs, verified. Each digest may come more
// than once.
func (c *Client) Fetch(ctx context.Context, digests []digest.Digest) (map[digest.Digest][]byte, error) {
	l, err := c.Limits(ctx)
	if err != nil {
		return nil, err
	}
	got := make(map[digest.Digest][]byte, len(digests))
	var batch []digest.Digest
	var total int64
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := c.fetchBatch(ctx, l, batch, got)
		batch, total = nil, 0
		return err
	}
	asked := make(map[digest.Digest]bool)
	for _, d := range digests {
		n := d.Size + overhead
		switch {
		case asked[d]:
			continue
		case d.Size == 0:
			if d != digest.Empty() {
				return nil, fmt.Errorf("blob %s: %w", d, ErrContent)
			}
			got[d] = nil
			continue
		case n > l.Batch:
			var b bytes.Buffer
			if err := c.Download(ctx, d, &b); err != nil {
				return nil, err
			}
			got[d] = b.Bytes()
			continue
		case total+n > l.Batch:
			if err := flush(); err != nil {
				return nil, err
			}
		}
		asked[d] = true
		batch, total = append(batch, d), total+n
	}
	return got, flush()
}

func (c *Client) fetchBatch(ctx context.Context, l *Limits, digests []digest.Digest, got map[digest.Digest][]byte) error {
	req := &repb.BatchReadBlobsRequest{InstanceName: c.config.Instance, DigestFunction: repb.DigestFunction_SHA256}
	if l.Zstd {
		req.AcceptableCompressors = []repb.Compressor_Value{repb.Compressor_ZSTD}
	}
	wanted := make(map[string]digest.Digest, len(digests))
	for _, d := range digests {
		req.Digests = append(req.Digests, proto(d))
		wanted[d.Hex()] = d
	}
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), callWait)
	defer cancel()
	resp, err := c.cas().BatchReadBlobs(ctx, req)
	if err != nil {
		return c.failed("fetch outputs", err)
	}
	for _, r := range resp.GetResponses() {
		d, ours := wanted[r.GetDigest().GetHash()]
		if code := codes.Code(r.GetStatus().GetCode()); code != codes.OK {
			return c.refused("fetch outputs", code, r.GetStatus().GetMessage())
		}
		if !ours {
			continue
		}
		content, err := plain(r.GetData(), r.GetCompressor(), d)
		if err == nil && digest.Of(content) != d {
			err = ErrContent
		}
		if err != nil {
			return fmt.Errorf("%s: blob %s: %w", c.Address(), d, err)
		}
		got[d] = content
		delete(wanted, d.Hex())
	}
	for _, d := range wanted {
		return c.refused("fetch outputs", codes.NotFound, "blob "+d.String()+" did not come")
	}
	return nil
}

// Download writes the content of a blob to w and verifies it. After an error w has
// been given anything.
func (c *Client) Download(ctx context.Context, d digest.Digest, w io.Writer) error {
	return c.guarded(ctx, func(ctx context.Context) error { return c.download(ctx, d, w) })
}

func (c *Client) download(ctx context.Context, d digest.Digest, w io.Writer) error {
	l, err := c.Limits(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), bulkWait)
	defer cancel()
	stream, err := c.bytes().Read(ctx, &bytestream.ReadRequest{ResourceName: c.prefix + blobName(d, l.Zstd)})
	if err != nil {
		return c.failed("fetch outputs", err)
	}
	answer := &answer{stream: stream}
	src := io.Reader(answer)
	if l.Zstd {
		z, err := decompressor(answer)
		if err != nil {
			return err
		}
		defer z.Close()
		src = z
	}
	h := digest.NewHasher()
	// One byte too many shows in the digest.
	_, err = io.Copy(io.MultiWriter(h, keeper{w}), io.LimitReader(src, d.Size+1))
	switch {
	case answer.err != nil:
		return c.failed("fetch outputs", answer.err)
	case errors.Is(err, errKeep):
		return err
	case err != nil || h.Digest() != d:
		return fmt.Errorf("%s: blob %s: %w", c.Address(), d, ErrContent)
	}
	return nil
}

// answer reads what comes by a stream.
type answer struct {
	stream bytestream.ByteStream_ReadClient
	rest   []byte
	err    error // of the service
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		resp, err := a.stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			a.err = err
			return 0, err
		}
		a.rest = resp.GetData()
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// errKeep is wrapped by errors of where content is written to.
var errKeep = errors.New("keep output")

// keeper marks errors of a writer as such.
type keeper struct{ w io.Writer }

// Write implements io.Writer.
func (k keeper) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errKeep, err)
	}
	return n, err
}

func newReader(b []byte) io.Reader { return bytes.NewReader(b) }

// unique returns a name that nobody else gives to an upload, in the form of a UUID.
func unique() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
