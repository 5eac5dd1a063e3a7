package worker

import (
	"context"
	"errors"
	"io"

	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/storage"
)

// streams implements the service ByteStream.
type streams struct{ server *Server }

// chunk is how much of a blob goes into one message.
const chunk = 256 << 10

// Read implements the service. Where the blob travels compressed, the offset is one of
// the content, and there is no limit.
func (s *streams) Read(req *bytestream.ReadRequest, stream bytestream.ByteStream_ReadServer) error {
	ctx := stream.Context()
	r, err := parseRead(req.ResourceName)
	if err != nil {
		return err
	}
	realm, err := s.server.enter(ctx, r.instance)
	if err != nil {
		return err
	}
	if req.ReadOffset < 0 || req.ReadOffset > r.blob.Size || req.ReadLimit < 0 || r.zstd && req.ReadLimit != 0 {
		return status.Errorf(codes.OutOfRange, "offset %d and limit %d of a blob of %d bytes", req.ReadOffset, req.ReadLimit, r.blob.Size)
	}
	f, err := realm.Open(ctx, r.blob)
	if err != nil {
		return failed(ctx, err)
	}
	defer f.Close()
	length := r.blob.Size - req.ReadOffset
	if req.ReadLimit > 0 {
		length = min(length, req.ReadLimit)
	}
	content := io.NewSectionReader(f, req.ReadOffset, length)
	out := &sender{stream: stream}
	if !r.zstd {
		_, err = io.CopyBuffer(out, content, make([]byte, min(chunk, length+1)))
		return sendError(err)
	}
	z, err := compressor(out)
	if err != nil {
		return err
	}
	_, err = io.Copy(z, content)
	return sendError(errors.Join(err, z.Close()))
}

// sendError makes a gRPC error of what ended a copy.
func sendError(err error) error {
	if err == nil {
		return nil
	}
	if s, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		return s
	}
	return status.Error(codes.Internal, err.Error())
}

// sender sends what is written to it.
type sender struct {
	stream bytestream.ByteStream_ReadServer
}

// Write implements io.Writer.
func (s *sender) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := min(len(p), chunk)
		if err := s.stream.Send(&bytestream.ReadResponse{Data: p[:n]}); err != nil {
			return 0, err
		}
		p = p[n:]
	}
	return total, nil
}

// Write implements the service. An upload that breaks off leaves nothing: it begins anew.
func (s *streams) Write(stream bytestream.ByteStream_WriteServer) error {
	ctx := stream.Context()
	first, err := stream.Recv()
	if err != nil {
		return recvError(err)
	}
	r, err := parseWrite(first.ResourceName)
	if err != nil {
		return err
	}
	realm, err := s.server.enter(ctx, r.instance)
	if err != nil {
		return err
	}
	if realm.Has(r.blob) {
		size := r.blob.Size
		if r.zstd {
			size = -1 // as the API has it
		}
		return stream.SendAndClose(&bytestream.WriteResponse{CommittedSize: size})
	}
	in, err := realm.Receive(r.blob)
	if err != nil {
		return failed(ctx, err)
	}
	defer in.Discard()
	pieces := &receiver{stream: stream, next: first}
	if err := pieces.into(in, r.zstd); err != nil {
		return failedUpload(ctx, err)
	}
	if err := in.Commit(ctx); err != nil {
		return failed(ctx, err)
	}
	return stream.SendAndClose(&bytestream.WriteResponse{CommittedSize: pieces.offset})
}

func failedUpload(ctx context.Context, err error) error {
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return failed(ctx, err)
}

func recvError(err error) error {
	if errors.Is(err, io.EOF) {
		return status.Error(codes.InvalidArgument, "the upload ends before it was finished")
	}
	return err
}

// receiver reads what a client sends.
type receiver struct {
	stream bytestream.ByteStream_WriteServer
	next   *bytestream.WriteRequest
	rest   []byte
	offset int64 // of what has come
	ended  bool
}

// into copies all that comes to a blob.
func (r *receiver) into(in *blobs.Incoming, compressed bool) error {
	if !compressed {
		_, err := io.CopyBuffer(in, onlyReader{r}, make([]byte, chunk))
		return err
	}
	z, err := decompressor(onlyReader{r})
	if err != nil {
		return err
	}
	defer z.Close()
	_, err = io.CopyBuffer(in, onlyReader{z}, make([]byte, chunk))
	if err == nil {
		// Behind the frames nothing may come.
		_, err = io.Copy(io.Discard, r)
	}
	if err == nil || errors.Is(err, storage.ErrWrongContent) {
		return err
	}
	if _, ours := status.FromError(err); ours {
		return err
	}
	if _, ours := errors.AsType[*storage.Fault](err); ours {
		return err
	}
	return errNoZstd()
}

// onlyReader hides what else a reader can do, so that a copy goes by the buffer.
type onlyReader struct{ io.Reader }

// Read implements io.Reader. An error of the call is gRPC's.
func (r *receiver) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.ended {
			return 0, io.EOF
		}
		m := r.next
		if r.next = nil; m == nil {
			var err error
			if m, err = r.stream.Recv(); err != nil {
				return 0, recvError(err)
			}
		}
		if m.WriteOffset != r.offset {
			return 0, status.Errorf(codes.InvalidArgument, "offset %d where %d comes next", m.WriteOffset, r.offset)
		}
		r.offset += int64(len(m.Data))
		r.rest, r.ended = m.Data, m.FinishWrite
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// QueryWriteStatus implements the service: a blob is there whole, or not at all.
func (s *streams) QueryWriteStatus(ctx context.Context, req *bytestream.QueryWriteStatusRequest) (*bytestream.QueryWriteStatusResponse, error) {
	r, err := parseWrite(req.ResourceName)
	if err != nil {
		return nil, err
	}
	realm, err := s.server.enter(ctx, r.instance)
	if err != nil {
		return nil, err
	}
	if !realm.Has(r.blob) {
		return &bytestream.QueryWriteStatusResponse{}, nil
	}
	return &bytestream.QueryWriteStatusResponse{CommittedSize: r.blob.Size, Complete: true}, nil
}
