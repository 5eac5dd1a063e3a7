package worker

import (
	"context"
	"errors"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/storage"
)

// contents implements the service ContentAddressableStorage.
type contents struct {
	repb.UnimplementedContentAddressableStorageServer
	server *Server
}

// FindMissingBlobs implements the service.
func (c *contents) FindMissingBlobs(ctx context.Context, req *repb.FindMissingBlobsRequest) (*repb.FindMissingBlobsResponse, error) {
	realm, err := c.server.enter(ctx, req.InstanceName)
	if err != nil {
		return nil, err
	}
	names, err := parseAll(req.DigestFunction, req.BlobDigests)
	if err != nil {
		return nil, err
	}
	missing, err := realm.Touch(ctx, names)
	if err != nil {
		return nil, failed(ctx, err)
	}
	resp := &repb.FindMissingBlobsResponse{}
	for _, d := range missing {
		resp.MissingBlobDigests = append(resp.MissingBlobDigests, message(d))
	}
	return resp, nil
}

func parseAll(f repb.DigestFunction_Value, digests []*repb.Digest) ([]digest.Digest, error) {
	if err := supported(f); err != nil {
		return nil, err
	}
	out := make([]digest.Digest, 0, len(digests))
	for _, d := range digests {
		parsed, err := parse(d)
		if err != nil {
			return nil, err
		}
		out = append(out, parsed)
	}
	return out, nil
}

// BatchUpdateBlobs implements the service.
func (c *contents) BatchUpdateBlobs(ctx context.Context, req *repb.BatchUpdateBlobsRequest) (*repb.BatchUpdateBlobsResponse, error) {
	realm, err := c.server.enter(ctx, req.InstanceName)
	if err != nil {
		return nil, err
	}
	if err := supported(req.DigestFunction); err != nil {
		return nil, err
	}
	var total int64
	for _, r := range req.Requests {
		if total += max(r.GetDigest().GetSizeBytes(), int64(len(r.GetData()))); total > maxBatch {
			return nil, status.Errorf(codes.InvalidArgument, "more than %d bytes of blobs in one message", maxBatch)
		}
	}
	resp := &repb.BatchUpdateBlobsResponse{}
	for _, r := range req.Requests {
		resp.Responses = append(resp.Responses, &repb.BatchUpdateBlobsResponse_Response{
			Digest: r.GetDigest(), Status: status.Convert(c.update(ctx, realm, r)).Proto(),
		})
	}
	return resp, nil
}

func (c *contents) update(ctx context.Context, realm *blobs.Realm, r *repb.BatchUpdateBlobsRequest_Request) error {
	d, err := parse(r.GetDigest())
	if err != nil {
		return err
	}
	content := r.GetData()
	if r.GetCompressor() != repb.Compressor_IDENTITY {
		if content, err = plain(content, r.GetCompressor(), d.Size); err != nil {
			return err
		}
	}
	return failed(ctx, realm.Put(ctx, d, content))
}

// BatchReadBlobs implements the service.
func (c *contents) BatchReadBlobs(ctx context.Context, req *repb.BatchReadBlobsRequest) (*repb.BatchReadBlobsResponse, error) {
	realm, err := c.server.enter(ctx, req.InstanceName)
	if err != nil {
		return nil, err
	}
	names, err := parseAll(req.DigestFunction, req.Digests)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, d := range names {
		if d.Size > maxBatch {
			return nil, status.Errorf(codes.InvalidArgument, "blob %s is too long for a batch", d)
		}
		if total += d.Size; total > maxBatch {
			return nil, status.Errorf(codes.InvalidArgument, "more than %d bytes of blobs in one message", maxBatch)
		}
	}
	squeeze := false
	for _, z := range req.AcceptableCompressors {
		squeeze = squeeze || z == repb.Compressor_ZSTD
	}
	resp := &repb.BatchReadBlobsResponse{}
	for _, d := range names {
		one := &repb.BatchReadBlobsResponse_Response{Digest: message(d), Status: &rpcstatus.Status{}}
		content, err := realm.Read(ctx, d)
		if err != nil {
			one.Status = status.Convert(failed(ctx, err)).Proto()
		} else if one.Data = content; squeeze && len(content) >= worthIt {
			small, err := squeezed(content)
			if err != nil {
				return nil, err
			}
			if len(small) < len(content) {
				one.Data, one.Compressor = small, repb.Compressor_ZSTD
			}
		}
		resp.Responses = append(resp.Responses, one)
	}
	return resp, nil
}

// Limits of GetTree.
const (
	treePage = 1000
	treeMost = 1 << 16 // directories
)

// GetTree implements the service. All comes in one stream, so that there are no tokens.
func (c *contents) GetTree(req *repb.GetTreeRequest, stream repb.ContentAddressableStorage_GetTreeServer) error {
	ctx := stream.Context()
	realm, err := c.server.enter(ctx, req.InstanceName)
	if err != nil {
		return err
	}
	if err := supported(req.DigestFunction); err != nil {
		return err
	}
	root, err := parse(req.RootDigest)
	if err != nil {
		return err
	}
	if req.PageToken != "" {
		return status.Error(codes.InvalidArgument, "no page was given that token")
	}
	page, bytes := &repb.GetTreeResponse{}, 0
	seen := map[digest.Digest]bool{root: true}
	for todo := []digest.Digest{root}; len(todo) > 0; todo = todo[1:] {
		dir, err := directory(ctx, realm, todo[0])
		if err != nil {
			if todo[0] != root && status.Code(err) == codes.NotFound {
				continue // as the API has it: what is there comes
			}
			return err
		}
		if bytes += int(todo[0].Size); len(page.Directories) == treePage || bytes > maxBatch/2 && len(page.Directories) > 0 {
			if err := stream.Send(page); err != nil {
				return err
			}
			page, bytes = &repb.GetTreeResponse{}, int(todo[0].Size)
		}
		page.Directories = append(page.Directories, dir)
		for _, sub := range dir.Directories {
			d, err := parse(sub.Digest)
			if err != nil {
				return err
			}
			if !seen[d] {
				seen[d] = true
				todo = append(todo, d)
			}
		}
		if len(seen) > treeMost {
			return status.Errorf(codes.InvalidArgument, "a tree of more than %d directories", treeMost)
		}
	}
	return stream.Send(page)
}

func directory(ctx context.Context, realm *blobs.Realm, d digest.Digest) (*repb.Directory, error) {
	if d.Size > maxBatch {
		return nil, status.Errorf(codes.InvalidArgument, "%s is no directory", d)
	}
	enc, err := realm.Read(ctx, d)
	if err != nil {
		return nil, failed(ctx, err)
	}
	dir := &repb.Directory{}
	if err := proto.Unmarshal(enc, dir); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%s is no directory", d)
	}
	return dir, nil
}

// failed makes a gRPC error of one of the store; nil stays nil.
func failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case storage.IsMiss(err):
		return status.Error(codes.NotFound, err.Error())
	case errors.Is(err, storage.ErrWrongContent):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, blobs.ErrQuota), errors.Is(err, blobs.ErrRealms):
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if f, ok := errors.AsType[*storage.Fault](err); ok && f.Trouble == storage.Full {
		return status.Error(codes.ResourceExhausted, "the worker's disk is full")
	}
	return status.Error(codes.Internal, err.Error())
}
