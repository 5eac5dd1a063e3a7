package worker_test

import (
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
)

// TestStages: a job that lasts is said to run before it ends.
func TestStages(t *testing.T) {
	b := start(t, options{})
	stream, err := b.exec().Execute(t.Context(), &repb.ExecuteRequest{ActionDigest: b.action(job{args: []string{"sleep", "1000"}})})
	if err != nil {
		t.Fatal(err)
	}
	runs := false
	for {
		op, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if op.Done {
			break
		}
		var m repb.ExecuteOperationMetadata
		if err := op.Metadata.UnmarshalTo(&m); err != nil {
			t.Fatal(err)
		}
		runs = runs || m.Stage == repb.ExecutionStage_EXECUTING
	}
	if !runs {
		t.Error("it was not said that the job runs")
	}
}
