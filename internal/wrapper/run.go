package wrapper

import (
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/wire"
)

// run runs the compiler as the coordinator asks. From its start on there is no
// second run: what it has printed or written is out.
func (c *call) run(r *wire.Run) int {
	exited, err := c.child(r)
	if err != nil {
		return c.bare()
	}
	if frame := exited.Append(nil); c.send(frame) == nil {
		// Outputs stay as they are until the coordinator has its copy of them.
		_, _, _ = c.receive()
	}
	return exitAs(syscall.WaitStatus(exited.Status))
}

// scout runs a part of the compiler that only finds out what is read, and reports.
// ended says that the call ends with it.
func (c *call) scout(r *wire.Run) (status int, ended bool) {
	exited, err := c.child(r)
	if err != nil || c.send(exited.Append(nil)) != nil {
		return c.bare(), true
	}
	if ws := syscall.WaitStatus(exited.Status); ws.Signaled() {
		return exitAs(ws), true // it was meant for the call
	}
	return 0, false
}

// child runs the compiler to its end, handing on what it prints and keeping a
// copy. An error means that it has not started.
func (c *call) child(r *wire.Run) (*wire.Exited, error) {
	signals := make(chan os.Signal, 4)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !signal.Ignored(s) { // as under nohup; a handler would have the child not ignore it
			signal.Notify(signals, s)
		}
	}
	if r.Scout {
		defer signal.Stop(signals) // what comes next is to end the call
	}
	streams, err := newStreams(r.Bare, sameFile(1, 2))
	if err != nil {
		return nil, err
	}
	streams.quiet = r.Scout
	start := time.Now()
	p, err := c.startProcess(r, streams.childFiles())
	streams.closeChildEnds()
	if err != nil {
		streams.close()
		return nil, err
	}
	go func() {
		for s := range signals {
			_ = unix.PidfdSendSignal(p.pidfd, s.(syscall.Signal), nil, 0) // it may be gone
		}
	}()
	streams.pump(p.pidfd)
	e := p.wait()
	e.Nanoseconds = uint64(time.Since(start))
	e.Lost = streams.lost
	e.Stdout, e.Stderr = streams.kept[0], streams.kept[1]
	return e, nil
}

// exitAs ends this process as the compiler ended.
func exitAs(ws syscall.WaitStatus) int {
	if !ws.Signaled() {
		return ws.ExitStatus()
	}
	sig := ws.Signal()
	// No second core file where the compiler has left one.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	byDefault(sig)
	_ = unix.Kill(unix.Getpid(), sig)
	pause(100) // the signal is on its way
	return 128 + int(sig)
}

// byDefault makes the kernel do what it does by default with a signal, where the
// runtime would turn it into a trace of its own.
func byDefault(sig syscall.Signal) {
	if signal.Ignored(sig) {
		return
	}
	var action [4]uint64 // struct kernel_sigaction: handler, flags, restorer, mask
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
