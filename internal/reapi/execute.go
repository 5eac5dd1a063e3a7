package reapi

import (
	"context"
	"errors"
	"fmt"
	"io"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
)

// Job is an action to execute.
type Job struct {
	Action digest.Digest
	// Blobs are all that the action leads to, and the action itself.
	Blobs []Blob
	// Believe takes a result that the service has from an earlier execution. Its
	// cache may have been written by anybody.
	Believe bool
	// Affinity names what many actions have in common that is large: their toolchain. Where
	// there is a choice of places, one that has it is better.
	Affinity string
	// Inline are outputs that are wanted with the answer, as the action names them. The
	// service does as it likes.
	Inline []string
}

// Result is what the service says came of an action. Only what is fetched by
// digest is proven; that it came of this action is not.
type Result struct {
	ExitCode int32
	Files    []File
	// Other are outputs that are no plain files, by path.
	Other          []string
	Stdout, Stderr Text
	Worker         string // where it ran, in the service's words; may be empty
	Cached         bool   // it was executed before
}

// File is an output.
type File struct {
	Path       string // relative to the working directory
	Digest     digest.Digest
	Executable bool
	Content    []byte // verified; nil where it has to be fetched
}

// Text is an output stream, in whole or by its digest.
type Text struct {
	Raw    []byte
	Digest digest.Digest // zero: Raw is all of it
}

// Execute uploads what the service lacks and has the action executed. Any error of
// the service drops what was known of it; then all of it is asked for and the action
// is tried once more. When ctx is done the operation is cancelled.
func (c *Client) Execute(ctx context.Context, job *Job) (*Result, error) {
	r, err := c.try(ctx, job, false)
	if f, ok := errors.AsType[*Failure](err); ok && !f.lasting() && ctx.Err() == nil {
		c.forget()
		r, err = c.try(ctx, job, true)
	}
	if _, ok := errors.AsType[*Failure](err); ok {
		c.forget()
	}
	return r, err
}

func (c *Client) try(ctx context.Context, job *Job, ask bool) (*Result, error) {
	l, err := c.Limits(ctx)
	if err != nil {
		return nil, err
	}
	if !l.Execution {
		return nil, &Unfit{c.Address(), "executes no actions"}
	}
	var r *Result
	err = c.guarded(ctx, func(ctx context.Context) error {
		if blobs := c.ahead(l, job, ask); len(blobs) > 0 {
			var err error
			r, err = c.overtake(ctx, l, job, blobs)
			return err
		}
		err := c.upload(ctx, l, job.Blobs, ask)
		if err == nil {
			r, err = c.execute(ctx, job, false)
		}
		return err
	})
	return r, err
}

// execute has the action executed; with ahead its blobs are on their way.
func (c *Client) execute(ctx context.Context, job *Job, ahead bool) (*Result, error) {
	callCtx, cancel := context.WithTimeout(c.outgoing(ctx), executeWait)
	defer cancel()
	if ahead {
		callCtx = metadata.AppendToOutgoingContext(callCtx, pipelinedHeader, "1")
	}
	stream, err := c.execution().Execute(callCtx, &repb.ExecuteRequest{
		InstanceName: c.config.Instance, ActionDigest: proto(job.Action), SkipCacheLookup: !job.Believe,
		DigestFunction: repb.DigestFunction_SHA256, InlineStdout: true, InlineStderr: true,
		InlineOutputFiles: job.Inline,
	})
	if err != nil {
		return nil, c.failed("execute", err)
	}
	name, resp, err := follow(stream)
	if status.Code(err) == codes.Unavailable && name != "" && ctx.Err() == nil {
		// The operation may go on though the connection does not.
		if again, werr := c.execution().WaitExecution(callCtx, &repb.WaitExecutionRequest{Name: name}); werr == nil {
			_, resp, err = follow(again)
		}
	}
	if ctx.Err() != nil && name != "" {
		c.cancel(context.WithoutCancel(ctx), name)
	}
	if err != nil {
		return nil, c.failed("execute", err)
	}
	return c.result(resp)
}

// operations is a stream of the states of one operation.
type operations interface {
	Recv() (*longrunning.Operation, error)
}

// follow waits for the end of an operation and returns its name as soon as there is
// one.
func follow(stream operations) (name string, resp *repb.ExecuteResponse, err error) {
	for {
		op, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return name, nil, status.Error(codes.Unavailable, "it hung up before the action had ended")
		}
		if err != nil {
			return name, nil, err
		}
		if op.GetName() != "" {
			name = op.GetName()
		}
		if !op.GetDone() {
			continue
		}
		if e := op.GetError(); e != nil {
			return name, nil, status.Error(codes.Code(e.GetCode()), e.GetMessage())
		}
		resp = &repb.ExecuteResponse{}
		if err := op.GetResponse().UnmarshalTo(resp); err != nil {
			return name, nil, status.Error(codes.Internal, "answer of another kind: "+err.Error())
		}
		return name, resp, nil
	}
}

// cancel has the service end an operation that nobody waits for any more. Whether
// it does is its own affair.
func (c *Client) cancel(ctx context.Context, name string) {
	ctx, stop := context.WithTimeout(c.outgoing(ctx), cancelWait)
	defer stop()
	_, _ = c.operations().CancelOperation(ctx, &longrunning.CancelOperationRequest{Name: name})
}

// result reads an answer.
func (c *Client) result(resp *repb.ExecuteResponse) (*Result, error) {
	if code := codes.Code(resp.GetStatus().GetCode()); code != codes.OK {
		message := resp.GetStatus().GetMessage()
		if message == "" {
			message = resp.GetMessage()
		}
		return nil, c.refused("execute", code, message)
	}
	a := resp.GetResult()
	if a == nil {
		return nil, c.refused("execute", codes.Internal, "no result")
	}
	r := &Result{ExitCode: a.GetExitCode(), Worker: a.GetExecutionMetadata().GetWorker(), Cached: resp.GetCachedResult()}
	var err error
	if r.Stdout, err = text(a.GetStdoutRaw(), a.GetStdoutDigest()); err != nil {
		return nil, c.refused("execute", codes.Internal, err.Error())
	}
	if r.Stderr, err = text(a.GetStderrRaw(), a.GetStderrDigest()); err != nil {
		return nil, c.refused("execute", codes.Internal, err.Error())
	}
	for _, f := range a.GetOutputFiles() {
		d, err := parse(f.GetDigest())
		if err != nil {
			return nil, c.refused("execute", codes.Internal, err.Error())
		}
		out := File{Path: f.GetPath(), Digest: d, Executable: f.GetIsExecutable()}
		if content := f.GetContents(); len(content) > 0 && digest.Of(content) == d {
			out.Content = content
		}
		r.Files = append(r.Files, out)
	}
	for _, s := range a.GetOutputSymlinks() {
		r.Other = append(r.Other, s.GetPath())
	}
	for _, s := range a.GetOutputFileSymlinks() {
		r.Other = append(r.Other, s.GetPath())
	}
	for _, d := range a.GetOutputDirectories() {
		r.Other = append(r.Other, d.GetPath())
	}
	return r, nil
}

// text reads a stream: what is given in whole counts, and by a digest otherwise.
func text(raw []byte, d *repb.Digest) (Text, error) {
	if len(raw) > 0 || d == nil || d.GetSizeBytes() == 0 {
		return Text{Raw: raw}, nil
	}
	found, err := parse(d)
	return Text{Digest: found}, err
}

func parse(d *repb.Digest) (digest.Digest, error) {
	return digest.Parse(fmt.Sprintf("%s/%d", d.GetHash(), d.GetSizeBytes()))
}
