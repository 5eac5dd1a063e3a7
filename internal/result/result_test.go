package result_test

import (
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
)

func sample() *result.Result {
	return &result.Result{
		Outputs: []result.Output{
			{Path: "a.o", Digest: digest.Of([]byte("object")), Mode: 0o666},
			{Path: "/w/a.d", Digest: digest.Empty(), Mode: 0o600 | result.ExactMode},
		},
		Stdout: []byte("out"), Stderr: []byte("a.c:1: warning\n"),
		Took: 1234567 * time.Nanosecond, Recipe: digest.Of([]byte("recipe")),
	}
}

func TestRoundTrip(t *testing.T) {
	for name, r := range map[string]*result.Result{"full": sample(), "empty": {Recipe: digest.Empty()}} {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := result.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(r, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestFailedCompile: a result with another exit code than 0 is never taken for one.
func TestFailedCompile(t *testing.T) {
	b, err := proto.Marshal(&repb.ActionResult{ExitCode: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := result.Decode(b); err == nil {
		t.Errorf("decoded %+v", r)
	}
}

// FuzzDecode: what decodes can be encoded and decodes to the same again.
func FuzzDecode(f *testing.F) {
	b, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := result.Decode(b)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil {
			return // a path that is no UTF-8
		}
		got, err := result.Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		got.Took = r.Took // a duration past 292 years is cut
		if d := cmp.Diff(r, got); d != "" {
			t.Error(d)
		}
	})
}
