package wrapper

import (
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/watch"
	"github.com/cachepot/cachepot/internal/wire"
)

// process is a running compiler.
type process struct {
	pid       int
	pidfd     int
	tree      *watch.Tree // nil where it is not watched
	looks     bool        // report looks, not only what was opened
	unwatched string      // why it is not, though it should be
	self      string
}

// watchedVariable tells wrappers below a watched compiler to be the real tools.
const watchedVariable = "CACHEPOT_WATCHED"

// startProcess starts the compiler. One that cannot be watched runs all the same:
// only its result cannot be stored.
func (c *call) startProcess(r *wire.Run, files []uintptr) (*process, error) {
	p := &process{pidfd: -1, self: c.self}
	if r.Watch || r.Looks {
		class := watch.Opens
		switch {
		case r.Looks && r.Direct:
			class = watch.Direct
		case r.Looks:
			class = watch.All
		}
		tree, err := watch.Start(&watch.Spec{
			Path: r.Path, Argv: r.Argv, Env: append(r.Env, watchedVariable+"=1"), Files: files, Class: class,
			Alone: true, Deathsig: unix.SIGKILL, NoFile: callersNoFile(),
		})
		if err == nil {
			p.tree, p.pid, p.looks = tree, tree.Pid(), r.Looks
			p.pidfd, err = unix.PidfdOpen(p.pid, 0)
			return p, err
		}
		if err != watch.ErrUnavailable && err != watch.ErrNested {
			return nil, err
		}
		p.unwatched = err.Error()
	}
	// The kernel ends the child when the thread that started it ends.
	runtime.LockOSThread()
	var err error
	p.pid, err = syscall.ForkExec(r.Path, r.Argv, &syscall.ProcAttr{
		Env:   r.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, PidFD: &p.pidfd},
	})
	return p, err
}

// callersNoFile returns the limit of open files that the caller gave this
// process, which the Go runtime raised at its start. The parent has it still,
// where its hard limit shows that it is the same.
func callersNoFile() *watch.Limit {
	var own, parent unix.Rlimit
	if unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &own) != nil ||
		unix.Prlimit(unix.Getppid(), unix.RLIMIT_NOFILE, nil, &parent) != nil || own.Max != parent.Max {
		return nil
	}
	return &watch.Limit{Soft: parent.Cur, Hard: parent.Max}
}

// wait returns how the compiler ended and what it opened.
func (p *process) wait() *wire.Exited {
	if p.tree != nil {
		return p.waitWatched()
	}
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(p.pid, &ws, 0, nil); err != syscall.EINTR {
			break
		}
	}
	return &wire.Exited{Status: uint32(ws), Unwatched: p.unwatched}
}

func (p *process) waitWatched() *wire.Exited {
	ws, _, err := p.tree.Wait()
	e := &wire.Exited{Status: uint32(ws)}
	if err != nil {
		e.Unwatched = err.Error()
	}
	r := p.tree.Report()
	if len(r.Incomplete) > 0 {
		e.Unwatched = strings.Join(r.Incomplete, ", ")
	}
	if p.looks {
		e.Looks, e.Programs = looks(r.Events), programs(r.Events)
	} else {
		e.Opened = opened(r.Events)
	}
	if p.tree.Alive() {
		// Left-over processes need somebody to answer them once this one is gone.
		if err := p.tree.Leave(p.self, []string{"cachepot", serveWatched}, nil); err != nil {
			e.Unwatched = err.Error()
		}
	}
	return e
}

func opened(events []watch.Event) []string {
	var paths []string
	for i := range events {
		if e := &events[i]; e.Input() && e.Op != watch.Probe && e.Errno == 0 {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

func programs(events []watch.Event) []string {
	var paths []string
	for i := range events {
		if e := &events[i]; e.Op == watch.Exec && e.Errno == 0 {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// looks leaves out what the tree only did with its own files. Of a file that it
// wrote it says whether that is still there: it must be found out before the
// caller goes on and removes it.
func looks(events []watch.Event) []wire.Look {
	all := make([]wire.Look, 0, len(events))
	for i := range events {
		e := &events[i]
		if e.Own && e.Op != watch.Write {
			continue
		}
		found := e.Errno == 0
		if e.Op == watch.Write {
			var st unix.Stat_t
			found = unix.Lstat(e.Path, &st) != unix.ENOENT
		}
		all = append(all, wire.Look{Deed: deed(e.Op), Found: found, Path: e.Path})
	}
	return all
}

func deed(op watch.Op) wire.Deed {
	switch op {
	case watch.Read, watch.Exec:
		return wire.Read
	case watch.Probe, watch.Link:
		return wire.Probed
	case watch.List:
		return wire.Listed
	case watch.Write:
		return wire.Wrote
	default:
		return wire.Removed
	}
}

// serveWatched is the argument by which this program is started to answer the
// processes that a watched compiler has left behind.
const serveWatched = "--serve-watched"
