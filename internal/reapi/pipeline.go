package reapi

import (
	"context"
	"errors"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
)

// pipelinedHeader says, in an answer about capabilities, that an Execute may be sent before the
// blobs it needs, and in an Execute, that it was.
const pipelinedHeader = "cachepot-pipelined"

// ahead returns the blobs that are sent while their action is on its way already, nil
// where one has to come after the other: the service did not offer it, or so much is to be
// sent that it is worth asking first.
func (c *Client) ahead(l *Limits, job *Job, ask bool) []Blob {
	if !l.Pipelined || ask || c.known.empty() {
		return nil
	}
	lacking := c.known.lacking(job.Blobs)
	if size(lacking) >= manyBytes {
		return nil
	}
	return lacking
}

// besideFrom is from how many bytes on an upload goes over the other connection. Less holds
// up no call, and to wake both ends twice takes longer than to send it.
const besideFrom = 64 << 10

// overtake has the action executed while its blobs are uploaded: one round trip in all. The
// service waits a while for those that it lacks.
func (c *Client) overtake(ctx context.Context, l *Limits, job *Job, blobs []Blob) (*Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cas := c.cas()
	if size(blobs) >= besideFrom {
		cas = repb.NewContentAddressableStorageClient(c.bulk)
	}
	uploaded := make(chan error, 1)
	go func() {
		err := c.send(ctx, l, blobs, cas)
		if err == nil {
			c.known.add(blobs)
		} else {
			cancel() // nothing comes any more that the service could wait for
		}
		uploaded <- err
	}()
	r, err := c.execute(ctx, job, true)
	if err != nil && !canceled(err) {
		cancel()
	}
	// What was not uploaded is not known, even where the service could do without.
	if sent := <-uploaded; sent != nil && (err == nil || canceled(err)) {
		return nil, sent
	}
	return r, err
}

// canceled reports whether err says that we ended the call ourselves.
func canceled(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Code == codes.Canceled
}
