package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/execute"
	"github.com/cachepot/cachepot/internal/dist/layout"
	"github.com/cachepot/cachepot/internal/dist/worker"
	"github.com/cachepot/cachepot/internal/sandbox"
)

// inside is a worker in this process: what it was asked for by its port can be run once
// more without one.
type inside struct {
	address string
	dir     string
	store   *blobs.Store
	execute *execute.Executor
	closes  []func() // the last first

	mu   sync.Mutex
	last digest.Digest // the action that came last
}

// startInside starts a worker with an empty store, of the parts of which cachepot-dist makes one.
func startInside(ctx context.Context, b *bench) (w *inside, err error) {
	w = &inside{}
	if w.dir, err = os.MkdirTemp(b.work, "service-"); err != nil {
		return nil, err
	}
	w.later(func() { _ = sandbox.Remove(w.dir) })
	if err := w.open(ctx, b); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func (w *inside) later(f func()) { w.closes = append(w.closes, f) }

func (w *inside) stop() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

func (w *inside) open(ctx context.Context, b *bench) error {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return err
	}
	program, err := filepath.Abs(b.cachepot + "-dist") // static, as this one need not be
	if err != nil {
		return err
	}
	jobs := filepath.Join(w.dir, "jobs")
	// Jobs are another user's.
	if err := errors.Join(os.Chmod(w.dir, 0o755), os.Mkdir(jobs, 0o755)); err != nil {
		return err
	}
	box, err := sandbox.Open(ctx, sandbox.Config{Program: program, Self: []string{"sandbox-stage"}, Bwrap: bwrap, Dir: jobs, Root: os.Getuid() == 0, Slots: b.jobs})
	if err != nil {
		return err
	}
	w.later(func() { _ = box.Close() })
	if w.store, err = blobs.Open(blobs.Config{Dir: filepath.Join(w.dir, "blobs"), Limit: 4 << 30, Now: time.Now}); err != nil {
		return err
	}
	w.later(func() { _ = w.store.Close() })
	trees, err := layout.Open(layout.Config{Dir: filepath.Join(w.dir, "layout"), Limit: 4 << 30, Now: time.Now})
	if err != nil {
		return err
	}
	w.later(trees.Close)
	w.execute = execute.New(execute.Config{Layout: trees, Sandbox: box, Limits: sandbox.DefaultLimits(), Worker: "bench", ISA: action.ISA(runtime.GOARCH), Now: time.Now})
	server := worker.New(worker.Config{Blobs: w.store, Execute: w.execute, Gate: w, Slots: b.jobs, Queue: 100, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.address = l.Addr().String()
	go func() { _ = server.Serve(l) }()
	w.later(server.Stop)
	return nil
}

// Know implements worker.Gate.
func (w *inside) Know(metadata.MD) error { return nil }

// Allow implements worker.Gate.
func (w *inside) Allow(string, metadata.MD) error { return nil }

// Admit implements worker.Gate.
func (w *inside) Admit(_ context.Context, _ string, action digest.Digest, _ metadata.MD) (worker.Permit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = action
	return worker.Permit{}, nil
}

// again runs the action that came last once more, without coordinator and port: it is read,
// laid out and run in a sandbox, and what it left is stored. It returns how long that took.
func (w *inside) again(ctx context.Context) (time.Duration, error) {
	w.mu.Lock()
	last := w.last
	w.mu.Unlock()
	start := time.Now()
	realm, err := w.store.Realm("")
	if err != nil {
		return 0, err
	}
	job, err := w.execute.Prepare(ctx, realm, last)
	if err != nil {
		return 0, err
	}
	r, err := w.execute.Run(ctx, job, func() {})
	if err == nil && r.ExitCode != 0 {
		err = fmt.Errorf("the job ended with %d", r.ExitCode)
	}
	return time.Since(start), err
}
