package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/roots"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/wire"
	"github.com/cachepot/cachepot/internal/witness"
)

// Options are what a Server is made of.
type Options struct {
	Tier      storage.Tier
	Blobs     *cas.Store // the same tier's blobs, as files
	Tools     *toolchain.Registry
	View      *filestate.View
	Languages map[string]compiler.Language // by Tool.Family
	Stats     *stats.File
	Log       *slog.Logger

	Place    wire.Place // of this process
	MaxFrame int        // longest frame accepted, in bytes
	// Fits reports whether a caller with this environment and working directory
	// wants the configuration that this coordinator has.
	Fits func(env []string, dir string) bool
	// Roots finds the roots of a call. nil: all calls name their real paths.
	Roots func(roots.Call) *roots.Map
	// MapMacros has sources that ask for their own names get those that roots have.
	MapMacros bool
	// Try finds out, at low priority, whether macros that had a hand in the results of
	// actions care where they run, and tells the tier (package witness). It ends early with
	// its context. nil: nobody does.
	Try func(ctx context.Context, actions []digest.Digest) error
	// PerCall reads what the environment of one call asks for.
	PerCall func(env []string) (recache, noCache bool, err error)
	// Variables returns what the user, and the project that one of dirs belongs to,
	// say of the classes of variables.
	Variables func(dirs []string) (compiler.Variables, error)
	// Idle is how long the server waits for a caller before it ends; 0 is for ever.
	Idle time.Duration
	// Unwatched says why this process cannot watch others, "" where it can. Its
	// callers watch their compilers; it watches what compilers are made of.
	Unwatched func() string
	// HardLinks restores outputs as links to the blobs.
	HardLinks bool
	// Scratch is a directory of the server's own for side files.
	Scratch string
	ISA     string // platform property of actions
	// Remote is where misses are compiled; nil: here.
	Remote *Remote
	// Stands are the toolchains that the user has configured for Remote; nil: none.
	Stands *toolchain.Stands
	// Broken says why this coordinator cannot cache at all (a configuration that
	// does not parse, a cache directory that cannot be used): every call is then
	// run as it is. With BrokenOnce only the first caller is told.
	Broken     string
	BrokenOnce bool
}

// Server serves wrappers until it is told to end, is idle, or does not fit a
// caller any more.
type Server struct {
	Options
	requests  *requests
	journal   *journal
	witnesses witness.Ledger
	trials    trials
	silent    silent
	lone      lone

	drain    chan struct{} // closed when no further callers are to be served
	drained  sync.Once
	active   sync.WaitGroup
	inFlight atomic.Int64
	touched  atomic.Int64 // UnixNano of the last caller's arrival or leaving
	serial   atomic.Uint64
	warned   atomic.Bool
	told     sync.Map     // warnings that a caller was given, by text
	storing  sync.RWMutex // read-locked while a result is stored; see settled
}

// New returns a Server that is not serving yet.
func New(o Options) *Server {
	return &Server{Options: o, requests: newRequests(), journal: &journal{}, witnesses: witness.New(o.Tier), drain: make(chan struct{})}
}

// Drain makes Serve stop taking callers and return once those it has are served.
func (s *Server) Drain() { s.drained.Do(func() { close(s.drain) }) }

// Serve answers the callers of l. It closes l before it waits for the last of
// them, so that a caller that comes later starts a new coordinator. It returns
// nil unless accepting failed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.touched.Store(time.Now().UnixNano())
	go func() {
		<-s.drain
		l.Close()
	}()
	if s.Idle > 0 {
		go s.watchIdle()
	}
	if s.View != nil {
		go s.tendView()
	}
	if s.Roots != nil && s.Try != nil {
		go s.tryMacros(ctx)
	}
	var failed error
	for {
		conn, err := l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				failed = err
			}
			break
		}
		s.active.Add(1)
		s.inFlight.Add(1)
		go func() {
			defer s.active.Done()
			defer s.leave()
			s.serve(ctx, conn)
		}()
	}
	s.Drain()
	s.active.Wait()
	return failed
}

// settled waits until the results of all compiles that have ended are stored.
func (s *Server) settled() {
	s.storing.Lock()
	s.storing.Unlock() //nolint:staticcheck // nothing is to be done under it
}

func (s *Server) leave() {
	s.touched.Store(time.Now().UnixNano())
	s.inFlight.Add(-1)
}

// tendEvery is for how long a deleted file may keep its space for our sake.
const tendEvery = 10 * time.Second

func (s *Server) tendView() {
	t := time.NewTicker(tendEvery)
	defer t.Stop()
	for {
		select {
		case <-s.drain:
			return
		case <-t.C:
			s.View.Tend()
		}
	}
}

func (s *Server) watchIdle() {
	for {
		quiet := time.Since(time.Unix(0, s.touched.Load()))
		if s.inFlight.Load() == 0 && quiet >= s.Idle {
			s.Drain()
			return
		}
		select {
		case <-s.drain:
			return
		case <-time.After(max(s.Idle-quiet, 10*time.Millisecond)):
		}
	}
}
