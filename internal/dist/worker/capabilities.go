package worker

import (
	"context"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/bazelbuild/remote-apis/build/bazel/semver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// maxBatch bounds the blobs in one message, in bytes: what many clients take for given.
const maxBatch = 4<<20 - 128<<10

// pipelinedHeader tells, in an answer about capabilities, that Execute may be sent before
// the blobs it needs, and in an Execute, that it was.
const pipelinedHeader = "cachepot-pipelined"

// capabilities tells what the worker can do.
type capabilities struct{ server *Server }

// GetCapabilities implements the service Capabilities.
func (c *capabilities) GetCapabilities(ctx context.Context, req *repb.GetCapabilitiesRequest) (*repb.ServerCapabilities, error) {
	if _, err := c.server.enter(ctx, req.InstanceName); err != nil {
		return nil, err
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs(pipelinedHeader, "1")); err != nil {
		return nil, err
	}
	sha := []repb.DigestFunction_Value{repb.DigestFunction_SHA256}
	zstd := []repb.Compressor_Value{repb.Compressor_ZSTD}
	return &repb.ServerCapabilities{
		CacheCapabilities: &repb.CacheCapabilities{
			DigestFunctions:                 sha,
			ActionCacheUpdateCapabilities:   &repb.ActionCacheUpdateCapabilities{UpdateEnabled: false},
			MaxBatchTotalSizeBytes:          maxBatch,
			MaxCasBlobSizeBytes:             c.server.config.Blobs.MaxBlob(),
			SymlinkAbsolutePathStrategy:     repb.SymlinkAbsolutePathStrategy_DISALLOWED,
			SupportedCompressors:            zstd,
			SupportedBatchUpdateCompressors: zstd,
		},
		ExecutionCapabilities: &repb.ExecutionCapabilities{
			DigestFunction: repb.DigestFunction_SHA256, DigestFunctions: sha, ExecEnabled: true,
		},
		LowApiVersion:  &semver.SemVer{Major: 2, Minor: 0},
		HighApiVersion: &semver.SemVer{Major: 2, Minor: 12},
	}, nil
}
