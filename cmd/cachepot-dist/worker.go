package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/execute"
	"github.com/cachepot/cachepot/internal/dist/layout"
	"github.com/cachepot/cachepot/internal/dist/register"
	"github.com/cachepot/cachepot/internal/dist/worker"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/sandbox"
)

const (
	// sandboxCommand is what the sandbox starts this program with for each of its stages.
	sandboxCommand = "sandbox-stage"
	// baseInstance is the instance of clients whose actions want programs of the worker.
	baseInstance = "base"
	// waitingPerSlot bounds how many jobs wait: beyond, a client is better off elsewhere.
	waitingPerSlot = 64
)

// worker returns the command that serves as a worker.
func (p *program) worker() *cobra.Command {
	var c *config.Worker
	return p.command(&server{
		name: "worker", starts: true,
		load: func(file string, env []string, host config.Host) (config.Process, config.Address, error) {
			var err error
			if c, err = config.LoadWorker(file, env, host); err != nil {
				return config.Process{}, config.Address{}, err
			}
			return c.Process, c.PublicAddr, mayListen(c)
		},
		serve: func(ctx context.Context, log *slog.Logger, ready func()) error {
			return serveWorker(ctx, c, log, ready)
		},
	}, "Compile for others, in sandboxes")
}

// mayListen refuses what would let strangers in.
func mayListen(c *config.Worker) error {
	switch {
	case c.ClientAuth == nil && c.SchedulerURL != "":
		return nil
	case c.ClientAuth == nil:
		return errors.New("nobody could use this worker: give it a scheduler_url, or a [client_auth] with type = \"token\", and the clients the same token as dist.auth.token")
	case c.ClientAuth.Type == config.AuthInsecure && !c.PublicAddr.Loopback():
		return fmt.Errorf("client_auth.type: %s lets everybody in who reaches %s, which is more than this machine; use type = \"token\"", config.AuthInsecure, c.PublicAddr.HostPort())
	}
	return nil
}

// serveWorker serves until ctx is done.
func serveWorker(ctx context.Context, c *config.Worker, log *slog.Logger, ready func()) error {
	takeProcessors(2) // most of them are for jobs
	w, err := openWorker(ctx, c, log)
	if err != nil {
		return err
	}
	defer w.close()
	l, err := net.Listen("tcp", c.PublicAddr.HostPort())
	if err != nil {
		return fmt.Errorf("public_addr: %w", err)
	}
	if w.registration != nil {
		registered, stop := context.WithCancel(ctx)
		defer stop()
		go w.registration.Run(registered)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	log.Info("serving", "address", c.PublicAddr.HostPort(), "slots", w.slots, "sandbox", w.level.String(), "tls", w.secure != nil)
	ready()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	w.server.Stop()
	return <-served
}

// composed is a worker made of its parts.
type composed struct {
	server *worker.Server
	secure *tls.Config
	pin    []byte // of its key
	slots  int
	level  sandbox.Level
	// registration is that at the scheduler; nil: there is none.
	registration *register.Registration
	held         *worker.Held
	closes       []func() error // the last made first closed
}

func (w *composed) close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		_ = w.closes[i]()
	}
}

// openWorker chooses the parts and puts them together.
func openWorker(ctx context.Context, c *config.Worker, log *slog.Logger) (*composed, error) {
	w := &composed{slots: c.Builder.Slots}
	if w.slots == 0 {
		w.slots = runtime.NumCPU()
	}
	if err := w.open(ctx, c, log); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *composed) open(ctx context.Context, c *config.Worker, log *slog.Logger) (err error) {
	if err := w.lock(c.CacheDir); err != nil {
		return fmt.Errorf("cache_dir: %w", err)
	}
	if w.secure, w.pin, err = security(c); err != nil {
		return err
	}
	box, err := w.sandbox(ctx, c)
	if err != nil {
		return err
	}
	w.level = box.Level()
	instances := worker.Instances{""}
	var foreign *execute.Foreign
	if c.Builder.Base != "" {
		foreign = &execute.Foreign{Realm: baseInstance, Base: c.Builder.Base}
		instances = append(instances, foreign.Realm)
	}
	// Inputs lie there twice: as they were sent, and as jobs use them.
	half := int64(c.ToolchainCacheSize) / 2
	store, err := blobs.Open(blobs.Config{Dir: filepath.Join(c.CacheDir, "blobs"), Limit: half, Now: time.Now})
	if err != nil {
		return fmt.Errorf("cache_dir: %w", err)
	}
	w.closes = append(w.closes, store.Close)
	trees, err := layout.Open(layout.Config{Dir: filepath.Join(c.CacheDir, "layout"), Limit: half, Now: time.Now})
	if err != nil {
		return fmt.Errorf("cache_dir: %w", err)
	}
	w.closes = append(w.closes, func() error { trees.Close(); return nil })
	w.held = worker.OpenHeld(filepath.Join(c.CacheDir, "toolchains.json"), store.Has, log)
	w.server = worker.New(worker.Config{
		Blobs: store, Held: w.held,
		Execute: execute.New(execute.Config{
			Layout: trees, Sandbox: box, Limits: sandbox.DefaultLimits(), Worker: c.PublicAddr.HostPort(),
			ISA: action.ISA(runtime.GOARCH), Foreign: foreign, Now: time.Now,
		}),
		Gate: w.gate(c, instances, log), TLS: w.secure, Slots: w.slots, Queue: waitingPerSlot * w.slots, Log: log, Now: time.Now,
	})
	return nil
}

// gate decides who may come in.
func (w *composed) gate(c *config.Worker, instances worker.Instances, log *slog.Logger) worker.Gate {
	var direct worker.Gate
	switch {
	case c.ClientAuth == nil:
	case c.ClientAuth.Type == config.AuthInsecure:
		direct = worker.Open{Instances: instances}
	default:
		direct = worker.NewBearer(c.ClientAuth.Token.Reveal(), instances)
	}
	if c.SchedulerURL == "" {
		return direct
	}
	w.registration = registration(c, w.pin, w.slots, w.held.Affinities, func() int { return w.server.Load().Running }, log)
	return &leased{w.registration.Verifier(), direct}
}

// lock makes the directory, and sees to it that no other worker uses it.
func (w *composed) lock(dir string) error {
	if err := openToJobs(dir); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("another worker uses %s: %w", dir, err)
	}
	w.closes = append(w.closes, f.Close)
	return nil
}

// openToJobs makes a directory that nobody else writes to. The users of jobs get through to
// what is theirs, and see nothing else.
func openToJobs(dir string) error {
	if err := safefile.PrivateDir(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o011)
}

// security returns how the worker speaks TLS, and the pin of its key; nil: in the clear, which
// never leaves this machine.
func security(c *config.Worker) (secure *tls.Config, pin []byte, err error) {
	if c.TLS == nil && c.PublicAddr.Loopback() {
		return nil, nil, nil
	}
	var cert *tls.Certificate
	if c.TLS == nil {
		own, err := worker.OwnCertificate(c.CacheDir, c.PublicAddr.Host, time.Now())
		if err != nil {
			return nil, nil, err
		}
		cert = own
	} else {
		pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return nil, nil, fmt.Errorf("[tls]: %w", err)
		}
		cert = &pair
	}
	sum, err := worker.Pin(cert)
	if err != nil {
		return nil, nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}, sum[:], nil
}

// sandbox opens the sandbox in a directory of its own, in which an earlier worker may have
// left jobs.
func (w *composed) sandbox(ctx context.Context, c *config.Worker) (*sandbox.Sandbox, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := openToJobs(c.Builder.BuildDir); err != nil {
		return nil, fmt.Errorf("builder.build_dir: %w", err)
	}
	dir := filepath.Join(c.Builder.BuildDir, "worker-"+c.PublicAddr.Port)
	if err := sandbox.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("builder.build_dir: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("builder.build_dir: %w", err)
	}
	w.closes = append(w.closes, func() error { return sandbox.Remove(dir) })
	box, err := sandbox.Open(ctx, sandbox.Config{
		Program: program, Self: []string{sandboxCommand}, Bwrap: c.Builder.BwrapPath, Dir: dir, Root: os.Getuid() == 0, Slots: w.slots,
	})
	if err == nil {
		w.closes = append(w.closes, box.Close)
	}
	return box, err
}
