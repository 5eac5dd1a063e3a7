package coordinator

import (
	"container/list"
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
)

// maxPathSets is how many path sets a request keeps: those that its latest
// compiles turned out to need.
const maxPathSets = 8

// requests remembers what calls like those seen before needed.
type requests struct {
	mu   sync.Mutex // guards all below; never held during input or output
	byID map[place]*list.Element
	use  *list.List // of *request, the latest used first
	cost int64
}

// maxMemory bounds the memory of all requests, in bytes by estimate. What is
// dropped is found again on disk.
const maxMemory = 96 << 20

func newRequests() *requests {
	return &requests{byID: make(map[place]*list.Element), use: list.New()}
}

// place is a request in one place: what it is known to need is remembered by real
// paths.
type place struct {
	id    digest.Digest
	roots string // the real ones, and whose they are; "" where the request names all
}

// request is a call as far as it is known without looking at its inputs: what it
// says, where, and which compiler it says it to.
type request struct {
	place
	leader chan struct{} // holds one token while a call compiles
	// learned is how many results were stored for it.
	learned atomic.Uint64

	mu     sync.Mutex // guards all below
	loaded bool       // path sets have been looked for in the tier
	known  []*known   // the latest used first
	cost   int64
}

// known is a path set of a request, and what it led to when it was last looked at.
type known struct {
	id     digest.Digest
	paths  *action.PathSet
	snap   *filestate.Snapshot
	env    []string      // the values of paths.EnvNames then
	tool   digest.Digest // the toolchain then
	silent digest.Digest // the action then, if the compiler has nothing to say

	messages []string      // what shaped messages then
	loud     digest.Digest // the action then, if the compiler has something to say

	result   *result.Result // of resultOf, one of the two; nil: not looked for or not found
	resultOf digest.Digest
}

// get returns the request of a face.
func (r *requests) get(f *face) *request {
	at := place{id: requestID(f)}
	if f.places != nil {
		at.roots = f.places.String()
		for _, r := range f.whose {
			at.roots += r.Fixed + "=" + r.Real + ":"
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byID[at]; e != nil {
		r.use.MoveToFront(e)
		return e.Value.(*request)
	}
	q := &request{place: at, leader: make(chan struct{}, 1), cost: 1 << 10}
	r.byID[at] = r.use.PushFront(q)
	r.grow(q.cost)
	return q
}

// spend tells that q now takes cost bytes.
func (r *requests) spend(q *request, cost int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grow(cost - q.cost)
	q.cost = cost
}

// grow drops the requests that have not been used for longest. One that is in
// use meanwhile stays with its user.
func (r *requests) grow(by int64) {
	r.cost += by
	for r.cost > maxMemory && r.use.Len() > 1 {
		q := r.use.Remove(r.use.Back()).(*request)
		delete(r.byID, q.place)
		r.cost -= q.cost
	}
}

// A request is named by the digest of
//
//	request = "request 1" 0 toolchain 0 directory 0 path 0 count(args) arg* count(env) var*
//
// where arg and var are texts that end in a zero byte, which none of them holds.
func requestID(f *face) digest.Digest {
	h := digest.NewHasher()
	var b strings.Builder
	text := func(s string) { b.WriteString(s); b.WriteByte(0) }
	many := func(l []string) {
		b.WriteByte(byte(len(l) >> 24))
		b.WriteByte(byte(len(l) >> 16))
		b.WriteByte(byte(len(l) >> 8))
		b.WriteByte(byte(len(l)))
		for _, s := range l {
			text(s)
		}
	}
	text("request 1")
	text(f.tool.String())
	text(f.place(f.j.call.Dir))
	text(f.place(f.j.call.Path))
	many(f.args)
	many(f.env)
	_, _ = h.Write([]byte(b.String()))
	return h.Digest()
}

// lead waits until no other call of this request compiles, and says whether there was
// one. It is not ok if ctx ended first.
func (q *request) lead(ctx context.Context) (waited, ok bool) {
	select {
	case q.leader <- struct{}{}:
		return false, true
	default:
	}
	select {
	case q.leader <- struct{}{}:
		return true, true
	case <-ctx.Done():
		return true, false
	}
}

// seen reports whether an earlier compile of the request is known.
func (q *request) seen() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.known) > 0
}

// forget drops what is remembered of the result of an action.
func (q *request) forget(id digest.Digest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, k := range q.known {
		if k.resultOf == id {
			k.result = nil
		}
	}
}

func (q *request) leave() { <-q.leader }

// stands reports whether the inputs that e was found by are still what they were
// then. The caller holds the lock.
func (q *request) stands(e *result.Result) bool {
	for _, k := range q.known {
		if k.result == e {
			return k.snap != nil && k.snap.Unchanged()
		}
	}
	return false
}
