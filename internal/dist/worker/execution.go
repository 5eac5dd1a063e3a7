package worker

import (
	"context"
	"errors"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/execute"
	"github.com/cachepot/cachepot/internal/dist/layout"
	"github.com/cachepot/cachepot/internal/sandbox"
)

// execution implements the service Execution.
type execution struct {
	repb.UnimplementedExecutionServer
	server *Server
}

// parkTime is how long an Execute waits for blobs on their way.
const parkTime = 5 * time.Second

// Execute implements the service.
func (e *execution) Execute(req *repb.ExecuteRequest, stream repb.Execution_ExecuteServer) error {
	ctx := stream.Context()
	s := e.server
	realm, err := s.enter(ctx, req.InstanceName)
	if err != nil {
		return err
	}
	if err := supported(req.DigestFunction); err != nil {
		return err
	}
	action, err := parse(req.ActionDigest)
	if err != nil {
		return err
	}
	md, _ := metadata.FromIncomingContext(ctx)
	permit, err := s.config.Gate.Admit(ctx, req.InstanceName, action, md)
	if err != nil {
		return err
	}
	ran := false
	defer func() { permit.done(ran) }()
	op := &operation{
		instance: req.InstanceName, realm: realm, leased: permit.Leased,
		wishes: wishes{req.InlineStdout, req.InlineStderr, req.InlineOutputFiles},
	}
	if !req.SkipCacheLookup {
		result, err := lookUp(ctx, realm, action)
		if err == nil {
			ran = true
			op.job = finished(action, result)
			s.jobs.add(op)
			return s.follow(op, stream)
		}
		if status.Code(err) != codes.NotFound {
			return err
		}
	}
	job, err := s.prepare(ctx, realm, action, len(md.Get(pipelinedHeader)) > 0)
	if err != nil {
		return err
	}
	ran = true
	s.config.Held.note(permit.Affinity, job.Largest())
	s.jobs.start(op, job, s.run)
	return s.follow(op, stream)
}

// prepare makes a job of an action. With park it waits a while for blobs that are on
// their way. The error is gRPC's.
func (s *Server) prepare(ctx context.Context, realm *blobs.Realm, action digest.Digest, park bool) (*execute.Job, error) {
	parked, cancel := context.WithTimeout(ctx, parkTime)
	defer cancel()
	for {
		job, err := s.config.Execute.Prepare(ctx, realm, action)
		lacking, ok := errors.AsType[*layout.Lacking](err)
		if !ok || !park || parked.Err() != nil {
			return job, s.jobError(ctx, err)
		}
		realm.Wait(parked, lacking.Blobs)
	}
}

// jobError makes a gRPC error of what kept a job from its end; nil stays nil.
func (s *Server) jobError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if lacking, ok := errors.AsType[*layout.Lacking](err); ok {
		return missing(lacking.Blobs)
	}
	if e, ok := errors.AsType[*execute.Refused](err); ok {
		return status.Error(codes.InvalidArgument, e.Error())
	}
	if e, ok := errors.AsType[*layout.Invalid](err); ok {
		return status.Error(codes.InvalidArgument, e.Error())
	}
	if errors.Is(err, execute.ErrTimeout) {
		return status.Error(codes.DeadlineExceeded, err.Error())
	}
	if errors.Is(err, sandbox.ErrLimit) {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if st, ok := status.FromError(err); ok {
		return st.Err()
	}
	return failed(ctx, err)
}

// mostNamed bounds the blobs that one error names, some 150 bytes each.
const mostNamed = 5000

// missing is the error that names blobs for the client to upload.
func missing(names []digest.Digest) error {
	st := status.Newf(codes.FailedPrecondition, "%d blobs are missing", len(names))
	details := &errdetails.PreconditionFailure{}
	for _, d := range names[:min(len(names), mostNamed)] {
		details.Violations = append(details.Violations, &errdetails.PreconditionFailure_Violation{Type: "MISSING", Subject: "blobs/" + d.String()})
	}
	if with, err := st.WithDetails(details); err == nil {
		st = with
	}
	return st.Err()
}

// run carries a job out and returns the answer to all who wait for it. Whatever is wrong with a
// job, the worker goes on.
func (s *Server) run(ctx context.Context, r *running, leased bool) (resp *repb.ExecuteResponse) {
	defer func() {
		if p := recover(); p != nil {
			resp = &repb.ExecuteResponse{Status: status.Convert(s.defect("job", p)).Proto()}
		}
	}()
	result, err := s.runInSlot(ctx, r, leased)
	if err != nil {
		err = s.jobError(ctx, err)
		if ctx.Err() != nil {
			err = status.Error(codes.Canceled, "nobody waits for the job any more")
		}
		s.config.Log.Info("job not done", "action", r.action.String(), "error", err)
		return &repb.ExecuteResponse{Status: status.Convert(err).Proto()}
	}
	if result.ExitCode == 0 && !r.job.DoNotCache {
		if err := s.remember(ctx, r, result); err != nil {
			s.config.Log.Warn("result not kept", "action", r.action.String(), "error", err)
		}
	}
	return &repb.ExecuteResponse{Result: result, Status: status.New(codes.OK, "").Proto()}
}

func (s *Server) runInSlot(ctx context.Context, r *running, leased bool) (*repb.ActionResult, error) {
	queued := s.config.Now()
	if err := s.slots.acquire(ctx, leased); err != nil {
		return nil, err
	}
	defer s.slots.release()
	result, err := s.config.Execute.Run(ctx, r.job, func() { r.reach(repb.ExecutionStage_EXECUTING) })
	if err != nil {
		return nil, err
	}
	result.ExecutionMetadata.QueuedTimestamp = timestamp(queued)
	return result, nil
}

func (s *Server) remember(ctx context.Context, r *running, result *repb.ActionResult) error {
	enc, err := proto.Marshal(result)
	if err != nil {
		return err
	}
	return r.job.Realm().KeepResult(ctx, r.action, enc)
}

// WaitExecution implements the service.
func (e *execution) WaitExecution(req *repb.WaitExecutionRequest, stream repb.Execution_WaitExecutionServer) error {
	op, err := e.server.find(stream.Context(), req.Name)
	if err != nil {
		return err
	}
	return e.server.follow(op, stream)
}

// find returns an operation by its name if the caller may see it.
func (s *Server) find(ctx context.Context, name string) (*operation, error) {
	op := s.jobs.find(name)
	if op == nil {
		return nil, status.Errorf(codes.NotFound, "there is no operation %.100q", name)
	}
	if _, err := s.enter(ctx, op.instance); err != nil {
		return nil, err
	}
	return op, nil
}

// brief is how long a stage lasts at least that is told of: short jobs have one message less.
const brief = 50 * time.Millisecond

// soon waits a little for the end of a job that runs.
func soon(ctx context.Context, op *operation, change <-chan struct{}) {
	t := time.NewTimer(brief)
	defer t.Stop()
	select {
	case <-change:
	case <-op.cancelled:
	case <-ctx.Done():
	case <-t.C:
	}
}

// follow tells of the stages of an operation that last, and of its end.
func (s *Server) follow(op *operation, stream interface {
	Context() context.Context
	Send(*longrunning.Operation) error
}) error {
	s.jobs.attach(op)
	defer s.jobs.detach(op)
	for told := false; ; told = true {
		stage, change := op.job.now()
		if told && stage == repb.ExecutionStage_EXECUTING {
			soon(stream.Context(), op, change)
			stage, change = op.job.now()
		}
		m, err := s.describe(stream.Context(), op, stage)
		if err != nil {
			return err
		}
		if err := stream.Send(m); err != nil || m.Done {
			return err
		}
		select {
		case <-change:
		case <-op.cancelled:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}
