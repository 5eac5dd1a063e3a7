package reapi

import (
	"context"
	"errors"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
)

// LookUp returns what the service has of an earlier execution of the action, nil where it
// has nothing. It uploads nothing and has nothing executed. Whoever may write to the service's
// cache can have made it up, and the outputs may be gone: see Result.
func (c *Client) LookUp(ctx context.Context, job *Job) (*Result, error) {
	r, err := c.lookUp(ctx, job)
	f, failed := errors.AsType[*Failure](err)
	if failed && f.Code == codes.NotFound {
		return nil, nil
	}
	if failed {
		c.forget()
	}
	return r, err
}

func (c *Client) lookUp(ctx context.Context, job *Job) (*Result, error) {
	if _, err := c.Limits(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), callWait)
	defer cancel()
	a, err := repb.NewActionCacheClient(c.calls).GetActionResult(ctx, &repb.GetActionResultRequest{
		InstanceName: c.config.Instance, ActionDigest: proto(job.Action), DigestFunction: repb.DigestFunction_SHA256,
		InlineStdout: true, InlineStderr: true, InlineOutputFiles: job.Inline,
	})
	if err != nil {
		return nil, c.failed("look up", err)
	}
	return c.result(&repb.ExecuteResponse{Result: a, CachedResult: true})
}
