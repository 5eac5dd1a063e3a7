package reapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
)

// Blob is content that a service may have to be given.
type Blob struct {
	Digest digest.Digest
	Bytes  []byte // the content; nil: it lies in the file
	Path   string
}

// ErrChanged is wrapped by the error for a file that does not have the content any
// more that it was to be uploaded for.
var ErrChanged = errors.New("file has changed")

// askFrom is from how many bytes on it is worth a round trip to ask what the
// service has already.
const askFrom = 256 << 10

// manyBytes is from how many bytes on one upload waits for another: the compiler
// itself is among the blobs of the first calls, which come together.
const manyBytes = 4 << 20

// upload makes sure that the service has all blobs. With ask it is asked for each
// one, whatever is known.
func (c *Client) upload(ctx context.Context, l *Limits, blobs []Blob, ask bool) error {
	lacking := c.known.lacking(blobs)
	if size(lacking) >= manyBytes {
		c.uploading.Lock()
		defer c.uploading.Unlock()
		lacking = c.known.lacking(blobs)
	}
	if len(lacking) == 0 {
		return nil
	}
	missing := lacking
	if ask || c.known.empty() || size(lacking) >= askFrom {
		var err error
		if missing, err = c.missing(ctx, lacking); err != nil {
			return err
		}
	}
	if err := c.send(ctx, l, missing, c.cas()); err != nil {
		return err
	}
	c.known.add(lacking)
	return nil
}

func size(blobs []Blob) int64 {
	var n int64
	for _, b := range blobs {
		n += b.Digest.Size
	}
	return n
}

// askAtOnce bounds the digests in one question, some 80 bytes each.
const askAtOnce = 20000

// missing returns those of blobs that the service does not have.
func (c *Client) missing(ctx context.Context, blobs []Blob) ([]Blob, error) {
	var out []Blob
	for len(blobs) > 0 {
		some := blobs[:min(len(blobs), askAtOnce)]
		blobs = blobs[len(some):]
		req := &repb.FindMissingBlobsRequest{InstanceName: c.config.Instance, DigestFunction: repb.DigestFunction_SHA256}
		for _, b := range some {
			req.BlobDigests = append(req.BlobDigests, proto(b.Digest))
		}
		callCtx, cancel := context.WithTimeout(c.outgoing(ctx), callWait)
		resp, err := c.cas().FindMissingBlobs(callCtx, req)
		cancel()
		if err != nil {
			return nil, c.failed("ask for blobs", err)
		}
		absent := make(map[string]bool, len(resp.GetMissingBlobDigests()))
		for _, d := range resp.GetMissingBlobDigests() {
			absent[d.GetHash()] = true
		}
		for _, b := range some {
			if absent[b.Digest.Hex()] {
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// overhead is what a blob takes in a message besides its content, at most.
const overhead = 128

// send uploads blobs: small ones together, by cas, the others one by one.
func (c *Client) send(ctx context.Context, l *Limits, blobs []Blob, cas repb.ContentAddressableStorageClient) error {
	var batch []Blob
	var bytes int64
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := c.sendBatch(ctx, l, batch, cas)
		batch, bytes = nil, 0
		return err
	}
	for _, b := range blobs {
		n := b.Digest.Size + overhead
		switch {
		case l.MaxBlob > 0 && b.Digest.Size > l.MaxBlob:
			return &Unfit{c.Address(), fmt.Sprintf("takes no blob of %d bytes (%s)", b.Digest.Size, b.Path)}
		case n > l.Batch:
			if err := c.sendStream(ctx, l, b); err != nil {
				return err
			}
			continue
		case bytes+n > l.Batch:
			if err := flush(); err != nil {
				return err
			}
		}
		batch, bytes = append(batch, b), bytes+n
	}
	return flush()
}

func (c *Client) sendBatch(ctx context.Context, l *Limits, blobs []Blob, cas repb.ContentAddressableStorageClient) error {
	req := &repb.BatchUpdateBlobsRequest{InstanceName: c.config.Instance, DigestFunction: repb.DigestFunction_SHA256}
	for _, b := range blobs {
		content, err := b.read()
		if err != nil {
			return err
		}
		one := &repb.BatchUpdateBlobsRequest_Request{Digest: proto(b.Digest), Data: content}
		if l.BatchZstd && len(content) >= worthIt {
			small, err := squeezed(content)
			if err != nil {
				return err
			}
			if len(small) < len(content) {
				one.Data, one.Compressor = small, repb.Compressor_ZSTD
			}
		}
		req.Requests = append(req.Requests, one)
	}
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), callWait)
	defer cancel()
	resp, err := cas.BatchUpdateBlobs(ctx, req)
	if err != nil {
		return c.failed("upload", err)
	}
	stored := 0
	for _, r := range resp.GetResponses() {
		if code := codes.Code(r.GetStatus().GetCode()); code != codes.OK {
			return c.refused("upload", code, r.GetStatus().GetMessage())
		}
		stored++
	}
	if stored < len(blobs) {
		return c.refused("upload", codes.Internal, fmt.Sprintf("%d blobs sent, %d acknowledged", len(blobs), stored))
	}
	return nil
}

// read returns the content of a small blob.
func (b *Blob) read() ([]byte, error) {
	if b.Bytes != nil {
		return b.Bytes, nil
	}
	content, err := os.ReadFile(b.Path)
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if digest.Of(content) != b.Digest {
		return nil, fmt.Errorf("read input %s: %w", b.Path, ErrChanged)
	}
	return content, nil
}

func (b *Blob) open() (io.ReadCloser, error) {
	if b.Bytes != nil {
		return io.NopCloser(newReader(b.Bytes)), nil
	}
	f, err := os.Open(b.Path)
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	return f, nil
}

// chunk is how much of a blob goes into one message of a stream.
const chunk = 1 << 20

// sendStream uploads one blob in pieces. What is sent is digested on the way: a
// file that changes meanwhile is an error here, not only at the service.
func (c *Client) sendStream(ctx context.Context, l *Limits, b Blob) error {
	src, err := b.open()
	if err != nil {
		return err
	}
	defer src.Close()
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), bulkWait)
	defer cancel()
	stream, err := c.bytes().Write(ctx)
	if err != nil {
		return c.failed("upload", err)
	}
	w := &pieces{stream: stream, name: c.prefix + "uploads/" + unique() + "/" + blobName(b.Digest, l.Zstd), buf: make([]byte, 0, chunk)}
	if err := w.copy(src, b, l.Zstd); err != nil && !errors.Is(err, io.EOF) {
		return c.sendError(err)
	}
	resp, err := stream.CloseAndRecv()
	if err != nil {
		return c.failed("upload", err)
	}
	// A service that has the blob already may say so before it has been sent.
	if n := resp.GetCommittedSize(); n != b.Digest.Size && n != w.sent && n != -1 {
		return c.refused("upload", codes.Internal, fmt.Sprintf("%d of %d bytes stored", n, w.sent))
	}
	return nil
}

func (c *Client) sendError(err error) error {
	if _, ours := status.FromError(err); !ours || errors.Is(err, ErrChanged) {
		return err
	}
	return c.failed("upload", err)
}

// pieces sends what is written to it as messages of a stream. The last piece is sent by
// end, which says that it is.
type pieces struct {
	stream bytestream.ByteStream_WriteClient
	name   string // for the first message
	buf    []byte
	sent   int64
}

// copy sends the content of b. An error that is io.EOF says that the service
// listens no more and has answered.
func (w *pieces) copy(src io.Reader, b Blob, compressed bool) error {
	h := digest.NewHasher()
	src = io.TeeReader(io.LimitReader(src, b.Digest.Size+1), h)
	if compressed {
		z, err := compressor(w)
		if err != nil {
			return err
		}
		defer z.Close()
		if _, err := io.Copy(z, src); err != nil {
			return err
		}
		if h.Digest() == b.Digest {
			if err := z.Close(); err != nil {
				return err
			}
		}
	} else if _, err := io.Copy(w, src); err != nil {
		return err
	}
	if h.Digest() != b.Digest {
		return fmt.Errorf("read input %s: %w", b.Path, ErrChanged)
	}
	return w.send(true)
}

// Write implements io.Writer.
func (w *pieces) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if len(w.buf) == chunk { // there is more, so it is not the last
			if err := w.send(false); err != nil {
				return 0, err
			}
		}
		n := min(len(p), chunk-len(w.buf))
		w.buf, p = append(w.buf, p[:n]...), p[n:]
	}
	return total, nil
}

func (w *pieces) send(last bool) error {
	err := w.stream.Send(&bytestream.WriteRequest{ResourceName: w.name, WriteOffset: w.sent, Data: w.buf, FinishWrite: last})
	w.sent, w.name, w.buf = w.sent+int64(len(w.buf)), "", w.buf[:0]
	return err
}

func proto(d digest.Digest) *repb.Digest {
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}
