package reapi

import (
	"context"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// silence is how long a service may leave a simple question without an answer
	// while something long is under way.
	silence = 10 * time.Second
	// lifeSign is how often it is asked. That the connection stands says nothing: the
	// kernel keeps those of a process that is stopped.
	lifeSign = 10 * time.Second
)

// guarded runs something that may take long for as long as the service answers
// questions meanwhile.
func (c *Client) guarded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := make(chan struct{})
	go func() {
		t := time.NewTicker(lifeSign)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if !c.answers(ctx) && ctx.Err() == nil {
				close(silent)
				cancel()
				return
			}
		}
	}()
	err := do(ctx)
	select {
	case <-silent:
		if err != nil {
			return &Failure{Address: c.Address(), What: "go on", Code: codes.DeadlineExceeded, Message: "it does not answer"}
		}
	default:
	}
	return err
}

// Alive reports whether the service can be reached and answers a simple question, if only
// by saying no, before ctx is done.
func (c *Client) Alive(ctx context.Context) bool {
	_, err := repb.NewCapabilitiesClient(c.calls).GetCapabilities(c.outgoing(ctx), &repb.GetCapabilitiesRequest{InstanceName: c.config.Instance})
	return ctx.Err() == nil && status.Code(err) != codes.Unavailable
}

// answers reports whether the service answers a simple question in time, if only by
// saying no.
func (c *Client) answers(ctx context.Context) bool {
	asked, cancel := context.WithTimeout(c.outgoing(ctx), silence)
	defer cancel()
	_, _ = repb.NewCapabilitiesClient(c.calls).GetCapabilities(asked, &repb.GetCapabilitiesRequest{InstanceName: c.config.Instance})
	return asked.Err() == nil
}
