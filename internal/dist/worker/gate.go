package worker

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
)

// Gate decides who may use a worker, from the headers of a call. Errors are gRPC's,
// and hold nothing that the caller has not sent. All methods are safe for concurrent use.
type Gate interface {
	// Know reports whether a call may come in at all. It is asked before anything of
	// the call but its headers is read, and must not block.
	Know(md metadata.MD) error
	// Allow reports whether the caller may use the blobs and results of an instance.
	Allow(instance string, md metadata.MD) error
	// Admit decides whether the caller may have an action executed. The permit is used
	// once.
	Admit(ctx context.Context, instance string, action digest.Digest, md metadata.MD) (Permit, error)
}

// Permit lets one action be executed.
type Permit struct {
	// Leased: the job was promised a slot. It goes before others, and is ended soon
	// after nobody waits for it any more.
	Leased bool
	// Done is called when the call has ended; nil where nobody wants to know.
	Done func()
}

func (p Permit) done() {
	if p.Done != nil {
		p.Done()
	}
}

// Open is the gate that is none: everybody may use everything. It is for workers that
// only this machine can reach.
type Open struct{}

// Know implements Gate.
func (Open) Know(metadata.MD) error { return nil }

// Allow implements Gate.
func (Open) Allow(string, metadata.MD) error { return nil }

// Admit implements Gate.
func (Open) Admit(context.Context, string, digest.Digest, metadata.MD) (Permit, error) {
	return Permit{}, nil
}

// Bearer is the gate for those who know one token.
type Bearer struct{ sum [sha256.Size]byte }

// NewBearer returns the gate for a token.
func NewBearer(token string) *Bearer { return &Bearer{sha256.Sum256([]byte(token))} }

// Know implements Gate.
func (b *Bearer) Know(md metadata.MD) error {
	for _, v := range md.Get("authorization") {
		scheme, token, _ := strings.Cut(v, " ")
		if !strings.EqualFold(scheme, "bearer") {
			continue
		}
		// Of the sums, so that the time tells nothing of the length either.
		sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if subtle.ConstantTimeCompare(sum[:], b.sum[:]) == 1 {
			return nil
		}
	}
	return status.Error(codes.Unauthenticated, "a bearer token of this worker is needed")
}

// Allow implements Gate.
func (b *Bearer) Allow(_ string, md metadata.MD) error { return b.Know(md) }

// Admit implements Gate.
func (b *Bearer) Admit(_ context.Context, _ string, _ digest.Digest, md metadata.MD) (Permit, error) {
	return Permit{}, b.Know(md)
}
