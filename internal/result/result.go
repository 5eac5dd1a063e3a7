// Package result is the stored result of an action: its outputs, its messages,
// and the name of the recipe by which it can be made again. The coordinator
// writes results, the audits read them. It imports only digest and the API's
// generated messages; it touches no file.
package result

import (
	"fmt"
	"strings"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cachepot/cachepot/internal/digest"
)

// Result is what an action gave. It is stored as an ActionResult of the Remote
// Execution API with exit code 0: the outputs in the order of the command's
// output paths that exist; their permissions as unix_mode; the time the compile
// took as the difference of the two execution time stamps, of which only that is
// kept; and the digest of the recipe as a string in auxiliary_metadata.
type Result struct {
	Outputs        []Output
	Stdout, Stderr []byte
	Took           time.Duration
	Recipe         digest.Digest // zero where the record names none
	Bound          *Bound        // nil: the result is right wherever its action is
}

// Bound says which code of the build was loaded into the compiler, and where and for whom
// that ran. Elsewhere the result is right only if the code is known not to care (package
// witness).
type Bound struct {
	Macros digest.Digest // as witness.Set names them
	Roots  []Root
}

// Root is a directory with the name that it has in the action, or a variable that the
// action does not name, with the witness.Mark of its value. A Shown variable is one whose
// value was found in what the action gave.
type Root struct{ Fixed, Real string }

// shown is what the name of a Shown variable ends in.
const shown = "!"

// Shown returns the same variable as one whose value was found.
func (r Root) Shown() Root { return Root{r.Fixed + shown, r.Real} }

// Variable returns the name of the variable that r is, "" where it is a directory.
func (r Root) Variable() (name string, isShown bool) {
	if strings.HasPrefix(r.Fixed, "/") {
		return "", false
	}
	return strings.CutSuffix(r.Fixed, shown)
}

// A Bound is the second of auxiliary_metadata, a string:
//
//	bound = macros LF (fixed "=" real LF)*
//
// Names of roots have neither equals signs nor ends of lines.
func (b *Bound) encode() string {
	s := b.Macros.String() + "\n"
	for _, r := range b.Roots {
		s += r.Fixed + "=" + r.Real + "\n"
	}
	return s
}

func decodeBound(s string) (*Bound, error) {
	first, rest, _ := strings.Cut(s, "\n")
	macros, err := digest.Parse(first)
	if err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	b := &Bound{Macros: macros}
	for line := range strings.Lines(rest) {
		fixed, real, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			return nil, fmt.Errorf("decode result: root without a place")
		}
		b.Roots = append(b.Roots, Root{fixed, real})
	}
	return b, nil
}

// Output is one file that the action wrote.
type Output struct {
	Path   string // as the command names it
	Digest digest.Digest
	Mode   uint32 // permissions before the umask; with ExactMode, after it
}

// ExactMode marks permissions that no umask explains: the compiler chose them.
const ExactMode = 1 << 31

// Encode returns the record of r.
func (r *Result) Encode() ([]byte, error) {
	recipe, err := anypb.New(wrapperspb.String(r.Recipe.String()))
	if err != nil {
		return nil, fmt.Errorf("encode recipe's name: %w", err)
	}
	aux := []*anypb.Any{recipe}
	if r.Bound != nil {
		bound, err := anypb.New(wrapperspb.String(r.Bound.encode()))
		if err != nil {
			return nil, fmt.Errorf("encode bound: %w", err)
		}
		aux = append(aux, bound)
	}
	msg := &repb.ActionResult{
		StdoutRaw: r.Stdout, StderrRaw: r.Stderr,
		ExecutionMetadata: &repb.ExecutedActionMetadata{
			ExecutionStartTimestamp:     &timestamppb.Timestamp{},
			ExecutionCompletedTimestamp: timestamppb.New(time.Unix(0, int64(r.Took))),
			AuxiliaryMetadata:           aux,
		},
	}
	for _, o := range r.Outputs {
		msg.OutputFiles = append(msg.OutputFiles, &repb.OutputFile{
			Path:           o.Path,
			Digest:         &repb.Digest{Hash: o.Digest.Hex(), SizeBytes: o.Digest.Size},
			IsExecutable:   o.Mode&0o111 != 0,
			NodeProperties: &repb.NodeProperties{UnixMode: wrapperspb.UInt32(o.Mode)},
		})
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return b, nil
}

// Decode reads what Encode wrote. A result without the name of a recipe is no
// error; that of a compile that failed is one.
func Decode(b []byte) (*Result, error) {
	var msg repb.ActionResult
	if err := proto.Unmarshal(b, &msg); err != nil {
		return nil, fmt.Errorf("decode result: %w", err)
	}
	if msg.ExitCode != 0 {
		return nil, fmt.Errorf("decode result: of a compile that failed")
	}
	meta := msg.GetExecutionMetadata()
	r := &Result{
		Stdout: msg.StdoutRaw, Stderr: msg.StderrRaw,
		Took: meta.GetExecutionCompletedTimestamp().AsTime().Sub(time.Unix(0, 0)),
	}
	for _, o := range msg.OutputFiles {
		d, err := digest.Parse(fmt.Sprintf("%s/%d", o.GetDigest().GetHash(), o.GetDigest().GetSizeBytes()))
		if err != nil {
			return nil, fmt.Errorf("decode result: %w", err)
		}
		r.Outputs = append(r.Outputs, Output{o.Path, d, o.GetNodeProperties().GetUnixMode().GetValue()})
	}
	var name wrapperspb.StringValue
	if aux := meta.GetAuxiliaryMetadata(); len(aux) > 0 && aux[0].UnmarshalTo(&name) == nil {
		if d, err := digest.Parse(name.Value); err == nil {
			r.Recipe = d
		}
	}
	if aux := meta.GetAuxiliaryMetadata(); len(aux) > 1 {
		var bound wrapperspb.StringValue
		err := aux[1].UnmarshalTo(&bound)
		if err == nil {
			r.Bound, err = decodeBound(bound.Value)
		}
		if err != nil { // without its bound it would be used too widely
			return nil, fmt.Errorf("decode result: %w", err)
		}
	}
	return r, nil
}
