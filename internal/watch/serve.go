//go:build linux && (amd64 || arm64)

package watch

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notif is struct seccomp_notif with room for what later kernels may add.
type notif struct {
	id    uint64
	pid   uint32 // thread id as this process sees it; 0: it cannot
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
	_     [48]byte
}

// response is struct seccomp_notif_resp, likewise.
type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
	_     [40]byte
}

// server answers the calls of one tree.
type server struct {
	listener int
	table    [512]uint8 // call number to index in calls, plus one
	calls    []call

	mu        sync.Mutex // held from the receipt of a call until it is recorded
	recording bool
	gone      bool // listener closed, nobody is left
	report    Report
	known     map[string]struct{} // "<Op><path>" of events in report

	alone   bool
	left    atomic.Bool   // another process answers from here on
	stopped chan struct{} // closed when serve returns

	n     notif
	resp  response
	paths [2]pathBuf // of the call at hand
	raw   [pathMax]byte
	proc  [64 + pathMax]byte // for names below /proc
	st    unix.Stat_t
	found []finding // what the call at hand has to tell
	tree  ownFiles
}

func newServer(class Class) *server {
	s := &server{}
	s.calls = calls(class)
	for i, c := range s.calls {
		s.table[c.nr] = uint8(i + 1)
	}
	return s
}

// begin starts the report with the first program, whose execve is not reported.
func (s *server) begin(program string) {
	s.recording = true
	s.known = make(map[string]struct{}, 256)
	s.report.Events = make([]Event, 0, 128)
	s.tree = newOwnFiles()
	s.recordProgram(program)
}

// listen takes the listener over.
func (s *server) listen(listener int) {
	s.listener = listener
	// On 6.6 and later: the waker hands its processor over to the woken. Each
	// call has one of the two sides waiting, so that saves going through another
	// processor twice.
	unix.RawSyscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

// serve is the loop. The mutex is held from before a call is let go, so whoever
// saw its process end and then takes the mutex finds the call recorded.
func (s *server) serve() {
	defer close(s.stopped)
	for !s.left.Load() && !s.gone {
		ready := s.wait()
		s.mu.Lock()
		if ready&unix.POLLIN != 0 {
			s.answer()
		} else if ready != 0 { // no process is left
			unix.Close(s.listener)
			s.gone = true
		}
		s.mu.Unlock()
	}
}

// wait waits for a call, not longer than it takes to notice that the tree was
// handed over, and returns what poll(2) says. The receiving ioctl would wait as
// well, but before 6.11 it does not return when the last process has gone.
func (s *server) wait() (ready int16) {
	p := unix.PollFd{Fd: int32(s.listener), Events: unix.POLLIN}
	limit := unix.Timespec{Nsec: 100e6}
	if s.alone {
		// The goroutine keeps its P while it waits. A stop of the world interrupts
		// the call by the signal that asks for it, and asks again until it is heard.
		unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	} else {
		unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	}
	return p.Revents
}

// answer receives a call, looks at what it names, lets it go on and then records
// it. An answer that is not taken means that the call was given up (a signal),
// and perhaps that the memory read was not the caller's: the call is forgotten.
func (s *server) answer() {
	s.n = notif{}
	if _, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(s.listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&s.n))); e != 0 {
		return // its thread was killed meanwhile
	}
	s.found = s.found[:0]
	if s.recording {
		s.decode()
	}
	s.resp.id, s.resp.flags = s.n.id, unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(s.listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&s.resp)))
	if e == 0 && len(s.found) > 0 {
		s.record()
	}
	s.report.Calls++
}

// start begins to answer.
func (s *server) start() {
	s.left.Store(false)
	s.stopped = make(chan struct{})
	go s.serve()
}

// stop ends that, between two calls: one that was received and not answered when
// this process ends would wait for ever if another has the listener too.
func (s *server) stop() {
	s.left.Store(true)
	<-s.stopped
}

// kernelAtLeast reports whether the running kernel is of that version or later.
func kernelAtLeast(major, minor int) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	first, rest, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (a > major || a == major && b >= minor)
}
