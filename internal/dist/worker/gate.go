package worker

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
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
	// Allow reports whether there is an instance of that name, which is a realm, and the
	// caller may use its blobs and results.
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
	// Affinity is what the job has in common with others that is large; "" where it is not known.
	Affinity string
	// Done is called when the call has ended; nil where nobody wants to know. ran: there is a
	// job for it, or a result; else it may be tried again.
	Done func(ran bool)
}

func (p Permit) done(ran bool) {
	if p.Done != nil {
		p.Done(ran)
	}
}

// Instances are the names of those that a gate knows.
type Instances []string

// check refuses the name of another one.
func (i Instances) check(name string) error {
	if !slices.Contains(i, name) {
		return status.Errorf(codes.InvalidArgument, "there is no instance %.60q here", name)
	}
	return nil
}

// Open is the gate that is none: everybody may use its instances. It is for workers that
// only this machine can reach.
type Open struct{ Instances Instances }

// Know implements Gate.
func (Open) Know(metadata.MD) error { return nil }

// Allow implements Gate.
func (o Open) Allow(instance string, _ metadata.MD) error { return o.Instances.check(instance) }

// Admit implements Gate.
func (o Open) Admit(_ context.Context, instance string, _ digest.Digest, _ metadata.MD) (Permit, error) {
	return Permit{}, o.Instances.check(instance)
}

// Bearer is the gate for those who know one token.
type Bearer struct {
	sum       [sha256.Size]byte
	instances Instances
}

// NewBearer returns the gate for a token, which is good for these instances.
func NewBearer(token string, instances Instances) *Bearer {
	return &Bearer{sha256.Sum256([]byte(token)), instances}
}

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
func (b *Bearer) Allow(instance string, md metadata.MD) error {
	if err := b.Know(md); err != nil {
		return err
	}
	return b.instances.check(instance)
}

// Admit implements Gate.
func (b *Bearer) Admit(_ context.Context, instance string, _ digest.Digest, md metadata.MD) (Permit, error) {
	return Permit{}, b.Allow(instance, md)
}
