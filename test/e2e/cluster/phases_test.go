package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

// phase is a part of the life of a job in which it can be held.
type phase struct {
	name string
	kind string // of the source
	// hold starts a compile, and others if it has to, and returns when it is in the phase. What is
	// returned lets it go on. false: it went through unseen, and another has to be tried.
	hold func(s *stack) (*held, bool)
}

// held is a compile that is held in a phase.
type held struct {
	*call
	others []*call // that are under way besides
	worker int     // the one that has it, or could have
	let    func()
}

// blow is what is done to a part.
type blow struct {
	name string
	// strike does it and returns what ends it.
	strike func(s *stack, h *held) (heal func() error)
	// bound is what the caller may have to wait longer than a compile takes, as
	// docs/spec/leases.md and wire.md say.
	bound time.Duration
	kills bool // the caller itself
}

// slack is what a busy machine may take besides.
const slack = 15 * time.Second

// reachWait is how long a call may take to get to a phase.
const reachWait = 20 * time.Second

// trapped holds a call where a message passes one of the lines.
func (s *stack) trapped(kind string, lines []*line, is func(method string, up bool, message []byte) bool) (*held, bool) {
	t := newTrap(is)
	for _, l := range lines {
		l.trap.Store(t)
	}
	h := &held{call: s.compile(kind), let: func() {
		for _, l := range lines {
			l.trap.Store(nil)
		}
		close(t.gone)
	}}
	select {
	case l := <-t.reached:
		h.worker = max(slices.Index(s.jobs, l), 0)
		return h, true
	case <-h.end:
	case <-time.After(reachWait):
	}
	h.let()
	return h, false
}

// isDemand reports whether a client says that it wants leases.
func isDemand(method string, up bool, message []byte) bool {
	m := &distpb.FromClient{}
	return up && strings.HasSuffix(method, "/Lease") && proto.Unmarshal(message, m) == nil && m.GetDemand().GetIdle() > 0
}

// isGrant reports whether a scheduler grants a lease.
func isGrant(method string, up bool, message []byte) bool {
	m := &distpb.ToClient{}
	return !up && strings.HasSuffix(method, "/Lease") && proto.Unmarshal(message, m) == nil && m.GetGrant() != nil
}

func isUpload(method string, up bool, _ []byte) bool {
	return up && (strings.HasSuffix(method, "/BatchUpdateBlobs") || strings.HasSuffix(method, "/Write"))
}

func isExecute(method string, up bool, _ []byte) bool {
	return up && strings.HasSuffix(method, "/Execute")
}

// isDone reports whether a worker says that a job has ended.
func isDone(method string, up bool, message []byte) bool {
	op := &longrunning.Operation{}
	return !up && strings.HasSuffix(method, "/Execute") && proto.Unmarshal(message, op) == nil && op.GetDone()
}

func isRead(method string, up bool, _ []byte) bool { return !up && strings.HasSuffix(method, "/Read") }

// spent waits until leases that are held for jobs to come have been given back: a job asks for
// its own then.
func spent() { time.Sleep(3 * time.Second) }

func phases() []phase {
	return []phase{
		{"a lease is asked for", "small", func(s *stack) (*held, bool) {
			spent()
			return s.trapped("small", []*line{s.leases}, isDemand)
		}},
		{"a lease is granted", "small", func(s *stack) (*held, bool) {
			spent()
			return s.trapped("small", []*line{s.leases}, isGrant)
		}},
		{"no slot is free", "small", (*stack).queued},
		{"the tree is uploaded", "small", func(s *stack) (*held, bool) {
			return s.trapped("small", s.jobs, func(method string, up bool, b []byte) bool {
				return isUpload(method, up, b) || isExecute(method, up, b)
			})
		}},
		{"it waits for blobs", "small", (*stack).parked},
		{"it runs", "slow", (*stack).running},
		{"its outputs are written", "small", func(s *stack) (*held, bool) { return s.trapped("small", s.jobs, isDone) }},
		{"its outputs are fetched", "large", func(s *stack) (*held, bool) { return s.trapped("large", s.jobs, isRead) }},
		{"its outputs are stored", "small", func(s *stack) (*held, bool) {
			h := &held{call: s.compile("small"), let: func() {}}
			if !s.wait(h.call, time.Now().Add(reachWait)) {
				return h, false
			}
			s.start(h.call) // what is stored is looked for while the blow falls
			return h, true
		}},
	}
}

// parked holds what a worker waits for that has been told to execute.
func (s *stack) parked() (*held, bool) {
	var told atomic.Bool
	h, ok := s.trapped("small", s.jobs, func(method string, up bool, b []byte) bool {
		if isExecute(method, up, b) {
			told.Store(true)
		}
		return isUpload(method, up, b)
	})
	for end := time.Now().Add(time.Second); ok && !told.Load(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) { // this client does not know the worker: one comes after the other
			h.let()
			return h, false
		}
	}
	return h, ok
}

// running stops the compiler itself.
func (s *stack) running() (*held, bool) {
	h := &held{call: s.compile("slow")}
	compilers := s.compilers(h.call, 1)
	h.let = func() { resume(compilers) }
	for _, c := range compilers {
		h.worker = c.worker
	}
	if len(compilers) == 0 {
		h.let()
	}
	return h, len(compilers) > 0
}

// queued has both slots taken by compilers that are stopped, and a call that waits for one.
func (s *stack) queued() (*held, bool) {
	spent()
	others := []*call{s.compile("slow"), s.compile("slow")}
	compilers := s.compilers(others[0], 2)
	if len(compilers) < 2 {
		resume(compilers)
		return &held{call: others[0], others: others[1:]}, false
	}
	h, ok := s.trapped("small", []*line{s.leases}, isDemand)
	let := h.let
	if !ok {
		let = func() {}
	}
	h.others, h.let = others, func() { let(); resume(compilers) }
	if !ok {
		h.let()
	}
	return h, ok
}

// compiler is a process of a job that is stopped.
type compiler struct{ pid, worker int }

// compilers stops compilers that run on workers, as soon as it sees them, until there are n or
// the call has ended.
func (s *stack) compilers(c *call, n int) (found []compiler) {
	for end := time.Now().Add(reachWait); len(found) < n && time.Now().Before(end); time.Sleep(time.Millisecond) {
		for i, w := range s.workers {
			for _, pid := range descendants(w.Pid(), "cc1") {
				if !slices.Contains(found, compiler{pid, i}) && syscall.Kill(pid, syscall.SIGSTOP) == nil {
					found = append(found, compiler{pid, i})
				}
			}
		}
		select {
		case <-c.end:
			return found
		default:
		}
	}
	return found
}

func resume(all []compiler) {
	for _, c := range all {
		_ = syscall.Kill(c.pid, syscall.SIGCONT) // it may have been killed
	}
}

// descendants returns the processes of that name that a process has started, or they.
func descendants(root int, name string) (found []int) {
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", root))
	if err != nil {
		return nil
	}
	for _, path := range children {
		text, _ := os.ReadFile(path) // a thread that has ended
		for _, field := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(field)
			if comm, _ := os.ReadFile("/proc/" + field + "/comm"); strings.TrimSpace(string(comm)) == name {
				found = append(found, pid)
			}
			found = append(found, descendants(pid, name)...)
		}
	}
	return found
}

func nothing() error { return nil }

// stopping strikes a process with SIGSTOP.
func stopping(pid func(s *stack, h *held) int) func(s *stack, h *held) func() error {
	return func(s *stack, h *held) func() error {
		p := pid(s, h)
		if err := syscall.Kill(p, syscall.SIGSTOP); err != nil {
			s.t.Error(err)
		}
		return func() error { return syscall.Kill(p, syscall.SIGCONT) }
	}
}

// dropping strikes a line: packets to or from its port are lost on the host where it begins.
func dropping(which func(s *stack, h *held) *line, to bool) func(s *stack, h *held) func() error {
	return func(s *stack, h *held) func() error {
		l, port := which(s, h), "sport"
		if to {
			port = "dport"
		}
		_, number, _ := strings.Cut(l.address, ":")
		heal, err := l.from.Drop("tcp", port, number)
		if err != nil {
			s.t.Fatal(err)
		}
		return heal
	}
}

func blows() []blow {
	scheduler := func(s *stack, _ *held) int { return -s.scheduler.Pid() }
	worker := func(s *stack, h *held) int { return -s.workers[h.worker].Pid() }
	leases := func(s *stack, _ *held) *line { return s.leases }
	job := func(s *stack, h *held) *line { return s.jobs[h.worker] }
	report := func(s *stack, h *held) *line { return s.reports[h.worker] }
	return []blow{
		{"the scheduler is killed", func(s *stack, _ *held) func() error {
			s.killScheduler()
			return func() error { s.startScheduler(); return nil }
		}, 3 * time.Second, false},
		{"the scheduler is started again", func(s *stack, _ *held) func() error { s.killScheduler(); s.startScheduler(); return nothing }, 3 * time.Second, false},
		{"the scheduler is stopped", stopping(scheduler), 10 * time.Second, false},
		{"a worker is killed", func(s *stack, h *held) func() error {
			s.killWorker(h.worker)
			return func() error { s.startWorker(h.worker); return nil }
		}, 10 * time.Second, false},
		{"a worker is started again", func(s *stack, h *held) func() error { s.killWorker(h.worker); s.startWorker(h.worker); return nothing }, 10 * time.Second, false},
		{"a worker is stopped", stopping(worker), 20 * time.Second, false},
		{"the coordinator is killed", func(s *stack, _ *held) func() error {
			if err := syscall.Kill(s.coordinator(), syscall.SIGKILL); err != nil {
				s.t.Error(err)
			}
			return nothing
		}, 0, false},
		{"the coordinator is stopped", stopping(func(s *stack, _ *held) int { return s.coordinator() }), 2 * time.Second, false},
		{"the wrapper is killed", func(_ *stack, h *held) func() error { _ = h.cmd.Process.Kill(); return nothing }, 0, true},
		{"the wrapper is stopped for a while", func(_ *stack, h *held) func() error {
			_ = h.cmd.Process.Signal(syscall.SIGSTOP) // it may have ended
			time.AfterFunc(3*time.Second, func() { _ = h.cmd.Process.Signal(syscall.SIGCONT) })
			return nothing
		}, 3 * time.Second, false},
		{"the client does not reach the scheduler", dropping(leases, true), 10 * time.Second, false},
		{"the scheduler does not reach the client", dropping(leases, false), 10 * time.Second, false},
		{"the client does not reach the worker", dropping(job, true), 35 * time.Second, false},
		{"the worker does not reach the client", dropping(job, false), 35 * time.Second, false},
		{"the worker does not reach the scheduler", dropping(report, true), 10 * time.Second, false},
		{"the scheduler does not reach the worker", dropping(report, false), 10 * time.Second, false},
	}
}

// struck has a blow fall in a phase.
func (s *stack) struck(t *testing.T, p phase, b blow, bare map[string]string) {
	outer := s.t
	s.t = t
	defer func() { s.t = outer }()
	s.healthy(t, bare)
	var h *held
	for try := 0; ; try++ {
		var ok bool
		if h, ok = p.hold(s); ok {
			break
		}
		for _, c := range append(h.others, h.call) {
			if !s.wait(c, time.Now().Add(time.Minute)) {
				t.Fatal("a compile does not end")
			}
			s.right(t, "not held", c, bare)
		}
		if try == 9 {
			t.Fatal("the phase is not reached")
		}
	}
	heal := b.strike(s, h)
	h.let()
	start := time.Now()
	for _, c := range append(h.others, h.call) {
		if !s.wait(c, start.Add(b.bound+slack)) {
			t.Errorf("after %v the caller waits still", time.Since(start).Round(time.Millisecond))
			_ = c.cmd.Process.Kill()
			<-c.end
		} else if c != h.call || !b.kills {
			s.right(t, "struck", c, bare)
		}
	}
	t.Logf("%s while %s: %v", b.name, p.name, time.Since(start).Round(time.Millisecond))
	if err := heal(); err != nil {
		t.Error(err)
	}
	s.start(h.call) // what is there now must not be wrong
	if !s.wait(h.call, time.Now().Add(time.Minute)) {
		t.Fatal("the compile does not end when it is made again")
	}
	s.right(t, "again", h.call, bare)
}

// TestPhases: whatever happens to any part, or is lost on the way between two, in whatever phase a
// job is, the caller gets what the compiler gives, and in good time; and then compiles go to the
// workers again.
func TestPhases(t *testing.T) {
	bare := bareObjects(t)
	type stroke struct {
		p phase
		b blow
	}
	todo := make(chan stroke, len(phases())*len(blows()))
	for _, b := range blows() {
		for _, p := range phases() {
			todo <- stroke{p, b}
		}
	}
	close(todo)
	work := func(t *testing.T) {
		s := newStack(t)
		for one := range todo {
			name := strings.ReplaceAll(one.b.name+"/"+one.p.name, " ", "_")
			if !t.Run(name, func(t *testing.T) { s.struck(t, one.p, one.b, bare) }) {
				s = newStack(t) // the old one may be left in any state
			}
		}
		s.idle(t)
	}
	var all sync.WaitGroup
	for i := range 6 { // most of the time is waiting, however few processors there are
		all.Go(func() { t.Run(fmt.Sprint("stack", i), work) })
	}
	all.Go(func() { t.Run("long", func(t *testing.T) { longLoss(t, bare) }) })
	all.Wait()
}

// longLoss: what a client says to its only worker is lost for so long that the kernel hardly tries any
// more. When it is not any more, the worker is soon of use.
func longLoss(t *testing.T, bare map[string]string) {
	s := newStack(t)
	s.killWorker(1)
	s.healthy(t, bare)
	heal, err := s.client.Drop("tcp", "dport", "10501")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(55 * time.Second); time.Now().Before(end); {
		c := s.compile("small")
		if !s.wait(c, time.Now().Add(35*time.Second+slack)) {
			t.Fatal("a compile does not end while the workers are not reached")
		}
		s.right(t, "lost", c, bare)
	}
	if err := heal(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s.healthy(t, bare)
	took := time.Since(start)
	t.Logf("compiles go to the workers again after %v", took.Round(time.Millisecond))
	if took > 5*time.Second+slack {
		t.Errorf("want at most %v", 5*time.Second+slack)
	}
}

// idle checks that nobody holds a slot in the end.
func (s *stack) idle(t *testing.T) {
	t.Helper()
	err := errors.New("not asked")
	n := -1
	for end := time.Now().Add(75 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, _, n, err = harness.AskStatus(dist(t), "http://"+schedulerAddress, "", s.scheduler.Host); err == nil && n == 0 {
			return
		}
	}
	t.Errorf("%d leases are in use, %v", n, err)
}
