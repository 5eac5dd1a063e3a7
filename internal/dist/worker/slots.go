package worker

import (
	"container/list"
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// slots bounds the jobs at the same time. Leased jobs go first, each sort in the order
// in which they came.
type slots struct {
	total int
	queue int // longest of each waiting line

	mu      sync.Mutex
	running int
	leased  list.List // of chan struct{}, closed by who hands a slot over
	direct  list.List
}

func newSlots(total, queue int) *slots { return &slots{total: total, queue: queue} }

// acquire waits for a slot. The error is gRPC's RESOURCE_EXHAUSTED where too many wait
// already, else that of ctx.
func (s *slots) acquire(ctx context.Context, leased bool) error {
	s.mu.Lock()
	if s.running < s.total {
		s.running++
		s.mu.Unlock()
		return nil
	}
	line := &s.direct
	if leased {
		line = &s.leased
	}
	if line.Len() >= s.queue {
		s.mu.Unlock()
		return status.Errorf(codes.ResourceExhausted, "%d jobs are waiting already", s.queue)
	}
	turn := make(chan struct{})
	place := line.PushBack(turn)
	s.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-turn: // both at once: hand it on
		s.pass()
	default:
		line.Remove(place)
	}
	return context.Cause(ctx)
}

// release gives a slot back.
func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
}

// pass hands a slot to who is next; the caller holds mu.
func (s *slots) pass() {
	for _, line := range []*list.List{&s.leased, &s.direct} {
		if first := line.Front(); first != nil {
			line.Remove(first)
			close(first.Value.(chan struct{}))
			return
		}
	}
	s.running--
}

func (s *slots) load() Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Load{Slots: s.total, Running: s.running, Waiting: s.leased.Len() + s.direct.Len()}
}
