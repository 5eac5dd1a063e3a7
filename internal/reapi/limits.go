package reapi

import (
	"context"
	"fmt"
	"slices"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/bazelbuild/remote-apis/build/bazel/semver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Limits are what a service said that it can do, narrowed to what is used of it.
type Limits struct {
	Execution bool  // it executes actions
	Batch     int64 // bytes of blobs in one message
	MaxBlob   int64 // bytes of the largest blob that it takes; 0: not said
	Zstd      bool  // blobs may travel compressed by ByteStream, and come so in batches
	BatchZstd bool  // they may be sent so in batches too
	Pipelined bool  // an action may be sent ahead of its blobs
}

// batchCap bounds the blobs in one message, whatever the service says: services
// that name no limit were seen to refuse messages of 4 MiB.
const batchCap = 4<<20 - 128<<10

// Limits asks the service what it can do. The answer is remembered until a call
// fails. The error says in one line what a user can do about it.
func (c *Client) Limits(ctx context.Context) (*Limits, error) {
	c.asked.Store(time.Now().UnixNano())
	c.mu.Lock()
	known := c.limits
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), silence)
	defer cancel()
	var header metadata.MD
	caps, err := repb.NewCapabilitiesClient(c.calls).GetCapabilities(ctx, &repb.GetCapabilitiesRequest{InstanceName: c.config.Instance}, grpc.Header(&header))
	if err != nil {
		return nil, c.failed("ask what it can do", err)
	}
	l, err := c.judge(caps)
	if err != nil {
		return nil, err
	}
	l.Pipelined = len(header.Get(pipelinedHeader)) > 0
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = l
	return l, nil
}

// judge refuses a service that this client cannot work with.
func (c *Client) judge(caps *repb.ServerCapabilities) (*Limits, error) {
	low, high := number(caps.GetLowApiVersion()), number(caps.GetHighApiVersion())
	// output_paths came with 2.1. A version that is not said is 0.
	if low >= 3000 || high < 2001 {
		return nil, &Unfit{c.Address(), fmt.Sprintf("speaks version %d.%d to %d.%d of the Remote Execution API; 2.1 or later is needed",
			low/1000, low%1000, high/1000, high%1000)}
	}
	cache := caps.GetCacheCapabilities()
	if !slices.Contains(cache.GetDigestFunctions(), repb.DigestFunction_SHA256) {
		return nil, &Unfit{c.Address(), "does not store blobs by SHA-256"}
	}
	exec := caps.GetExecutionCapabilities()
	l := &Limits{Batch: batchCap, MaxBlob: cache.GetMaxCasBlobSizeBytes(), Execution: exec.GetExecEnabled()}
	if f := exec.GetDigestFunction(); f != repb.DigestFunction_UNKNOWN && f != repb.DigestFunction_SHA256 &&
		!slices.Contains(exec.GetDigestFunctions(), repb.DigestFunction_SHA256) {
		l.Execution = false
	}
	if n := cache.GetMaxBatchTotalSizeBytes(); n > 0 {
		l.Batch = min(l.Batch, n)
	}
	l.Zstd = slices.Contains(cache.GetSupportedCompressors(), repb.Compressor_ZSTD)
	l.BatchZstd = slices.Contains(cache.GetSupportedBatchUpdateCompressors(), repb.Compressor_ZSTD)
	return l, nil
}

func number(v *semver.SemVer) int { return int(v.GetMajor())*1000 + int(v.GetMinor()) }

// forget drops all that is believed of the service: it may be another by now.
func (c *Client) forget() {
	c.known.drop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = nil
}
