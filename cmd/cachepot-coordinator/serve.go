package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/cli"
	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/logging"
	"github.com/cachepot/cachepot/internal/place"
	"github.com/cachepot/cachepot/internal/rendezvous"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/wire"
)

// serve is the life of a coordinator. A configuration that cannot be used does
// not keep it from serving: its callers have to be told why they compile bare.
func serve(ctx context.Context, env []string, foreground bool) error {
	// A caller's limit on file sizes may be the server's too: the write fails then.
	signal.Ignore(syscall.SIGXFSZ)
	// Twice the live heap is some tens of megabytes; collecting less often is worth it.
	debug.SetGCPercent(300)
	c, loadErr := load(env)
	if loadErr != nil && foreground {
		return loadErr
	}
	getenv := lookupIn(env)
	port, ok := rendezvous.Port(getenv("CACHEPOT_COORDINATOR_PORT"))
	if !ok {
		return errors.New("CACHEPOT_COORDINATOR_PORT: want a port number, 1 to 65535")
	}
	listener, release, err := listen(rendezvous.Dir(getenv, os.Getuid()), port)
	if err != nil || listener == nil { // somebody else was first
		return err
	}
	defer release()
	var server *coordinator.Server
	var finish func()
	if loadErr != nil {
		server, finish = broken(env, loadErr.Error(), false), func() {}
		notify(getenv("CACHEPOT_STARTUP_NOTIFY"), loadErr)
	} else {
		restrictCore(c.Coordinator.AllowCoreDumps)
		server, finish, err = compose(c, env, logOutput(c, foreground))
		if err != nil {
			server, finish = broken(env, err.Error(), true), func() {}
		}
		notify(c.Coordinator.StartupNotify, err)
	}
	defer finish()
	go func() {
		<-ctx.Done()
		server.Drain()
	}()
	// Calls under way are finished whatever the signal: their compilers run.
	return server.Serve(context.Background(), releasing{listener, release})
}

// releasing gives up the right to the socket together with the socket: the next
// coordinator may listen while this one still finishes its calls.
type releasing struct {
	net.Listener
	release func()
}

func (r releasing) Close() error {
	err := r.Listener.Close()
	r.release()
	return err
}

func lookupIn(env []string) func(string) string {
	return func(name string) string {
		for _, kv := range env {
			if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
				return kv[len(name)+1:]
			}
		}
		return ""
	}
}

// listen makes the socket of a port. The listener is nil where another
// coordinator has it. release gives up the claim; it may be called twice.
func listen(dir, port string) (net.Listener, func(), error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, nil, fmt.Errorf("make socket directory: %w", err)
	}
	if !rendezvous.Private(dir, os.Getuid()) {
		return nil, nil, fmt.Errorf("%s belongs to somebody else or is open to others", dir)
	}
	lock, err := os.OpenFile(rendezvous.RunLock(dir, port), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open lock: %w", err)
	}
	release := func() { _ = lock.Close() }
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		release()
		return nil, nil, nil
	}
	socket := rendezvous.Socket(dir, port)
	// What a coordinator that was killed has left; nobody else has the lock.
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		release()
		return nil, nil, fmt.Errorf("remove stale socket: %w", err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	return l, release, nil
}

// notify tells whoever waits on the socket in path that the server serves, or
// why it cannot.
//
//	message = "ok" LF | "error: " text LF
func notify(path string, failure error) {
	if path == "" {
		return
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return // nobody waits any more
	}
	defer conn.Close()
	text := "ok\n"
	if failure != nil {
		text = "error: " + failure.Error() + "\n"
	}
	_, _ = io.WriteString(conn, text)
}

// restrictCore keeps the environments of callers out of core files.
func restrictCore(allow bool) {
	if !allow {
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
}

// broken returns a server that has every call run as it is.
func broken(env []string, why string, once bool) *coordinator.Server {
	return coordinator.New(coordinator.Options{
		Stats: cli.DiscardedStats(), Log: slog.New(slog.DiscardHandler),
		Place: place.Here(), MaxFrame: wire.DefaultMaxFrame, Fits: fits(env), Idle: time.Minute,
		Broken: why, BrokenOnce: once,
	})
}

// fits returns the test whether a caller's configuration is that of env.
func fits(env []string) func([]string, string) bool {
	own := config.Identity(env, host("/"))
	return func(theirs []string, dir string) bool { return config.Identity(theirs, host(dir)) == own }
}

// maxLog is how large the log may be when a coordinator starts, in bytes; a
// larger one is begun anew.
const maxLog = 10 << 20

func logOutput(c *config.Config, foreground bool) *slog.Logger {
	var w io.Writer = os.Stderr
	if !foreground {
		w = io.Discard
		path := filepath.Join(c.StateDir, "coordinator-"+c.Coordinator.Port+".log")
		if err := safefile.PrivateDir(c.StateDir); err == nil {
			flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND | unix.O_NOFOLLOW
			if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
				flags |= os.O_TRUNC
			}
			if f, err := os.OpenFile(path, flags, 0o600); err == nil {
				w = f
			}
		}
	}
	return logging.New(w, c.Log)
}
