package worker

import (
	"context"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// operations implements the service Operations, as far as executions need it.
type operations struct {
	longrunning.UnimplementedOperationsServer
	server *Server
}

// GetOperation implements the service.
func (o *operations) GetOperation(ctx context.Context, req *longrunning.GetOperationRequest) (*longrunning.Operation, error) {
	op, err := o.server.find(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	stage, _ := op.job.now()
	return o.server.describe(ctx, op, stage)
}

// CancelOperation implements the service.
func (o *operations) CancelOperation(ctx context.Context, req *longrunning.CancelOperationRequest) (*emptypb.Empty, error) {
	op, err := o.server.find(ctx, req.Name)
	if err != nil {
		return nil, err
	}
	o.server.jobs.cancel(op)
	return &emptypb.Empty{}, nil
}

// describe returns what there is to say of an operation.
func (s *Server) describe(ctx context.Context, op *operation, stage repb.ExecutionStage_Value) (*longrunning.Operation, error) {
	resp := op.job.outcome()
	select {
	case <-op.cancelled:
		if resp == nil {
			resp = &repb.ExecuteResponse{Status: status.New(codes.Canceled, "cancelled").Proto()}
			stage = repb.ExecutionStage_COMPLETED
		}
	default:
	}
	meta, err := anypb.New(&repb.ExecuteOperationMetadata{Stage: stage, ActionDigest: message(op.job.action), DigestFunction: repb.DigestFunction_SHA256})
	if err != nil {
		return nil, err
	}
	m := &longrunning.Operation{Name: op.name, Metadata: meta}
	if resp == nil || stage != repb.ExecutionStage_COMPLETED {
		return m, nil
	}
	answer := &repb.ExecuteResponse{Status: resp.Status, CachedResult: resp.CachedResult, Message: resp.Message}
	if resp.Result != nil {
		if answer.Result, err = inlined(ctx, op.realm, resp.Result, &op.wishes); err != nil {
			return nil, err
		}
	}
	packed, err := anypb.New(answer)
	if err != nil {
		return nil, err
	}
	m.Done, m.Result = true, &longrunning.Operation_Response{Response: packed}
	return m, nil
}

func timestamp(t time.Time) *timestamppb.Timestamp { return timestamppb.New(t) }
