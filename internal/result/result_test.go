package result_test

import (
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

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
	bound := sample()
	bound.Bound = &result.Bound{Macros: digest.Of([]byte("macros")), Roots: []result.Root{{Fixed: "/cachepot/src", Real: "/w/p"}, {Fixed: "/cachepot/home", Real: "/u/me"}}}
	alone := &result.Result{Recipe: digest.Empty(), Bound: &result.Bound{Macros: digest.Empty()}}
	for name, r := range map[string]*result.Result{"full": sample(), "empty": {Recipe: digest.Empty()}, "bound": bound, "bound to no root": alone} {
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

// TestBrokenBound: a result whose bound cannot be read is not taken for one that has none.
func TestBrokenBound(t *testing.T) {
	for _, text := range []string{"", "no digest\n", digest.Empty().String() + "\n/cachepot/src\n"} {
		var aux []*anypb.Any
		for _, s := range []string{digest.Empty().String(), text} {
			a, err := anypb.New(wrapperspb.String(s))
			if err != nil {
				t.Fatal(err)
			}
			aux = append(aux, a)
		}
		b, err := proto.Marshal(&repb.ActionResult{ExecutionMetadata: &repb.ExecutedActionMetadata{AuxiliaryMetadata: aux}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := result.Decode(b); err == nil {
			t.Errorf("%q: decoded %+v", text, r)
		}
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
