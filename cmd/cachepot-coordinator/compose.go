package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/cli"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/clang"
	"github.com/cachepot/cachepot/internal/compiler/gcc"
	"github.com/cachepot/cachepot/internal/compiler/rustc"
	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/place"
	"github.com/cachepot/cachepot/internal/roots"
	"github.com/cachepot/cachepot/internal/storage/disk"
	"github.com/cachepot/cachepot/internal/toolchain"
)

// compose makes the server that c describes: the one place that knows all
// languages and tiers. finish ends what it has started.
func compose(c *config.Config, env []string, log *slog.Logger) (*coordinator.Server, func(), error) {
	for _, w := range c.Warnings {
		log.Warn(w, "target", "cachepot::config")
	}
	tier, err := openTier(c)
	if err != nil {
		return nil, nil, err
	}
	counters, err := cli.StatsFile(c)
	if err != nil {
		return nil, nil, err
	}
	engine, err := remote(c, log)
	if err != nil {
		return nil, nil, err
	}
	scratch, err := makeScratch(c.RuntimeDir)
	if err != nil {
		return nil, nil, err
	}
	view := newView(log)
	isa := action.ISA(runtime.GOARCH)
	instead, closeStands, err := stands(c, view, engine, isa)
	if err != nil {
		return nil, nil, err
	}
	kept := records{tier}
	rust := rustc.New(rustc.NewLedger(files{view}, kept))
	server := coordinator.New(coordinator.Options{
		Tier: tier, Blobs: tier.Blobs(), View: view, Stats: counters, Log: log,
		Tools: toolchain.NewRegistry(view, toolchain.Watch, kept),
		Languages: map[string]compiler.Language{
			"gcc": gcc.New(), "clang": clang.New(), "rustc": rust, "clippy": rust,
		},
		Place: place.Here(), MaxFrame: int(c.Coordinator.MaxFrame), Fits: fits(env), PerCall: perCall, Variables: variables(c), Unwatched: sync.OnceValue(ownUnwatched), Idle: c.Coordinator.IdleTimeout,
		Roots: findRoots(c), Remote: engine, Stands: instead, MapMacros: c.Paths.FileMacros == config.FileMacrosMap, Try: tryMacros(env),
		HardLinks: c.Disk.Restore == config.RestoreHardLink, Scratch: scratch, ISA: isa,
	})
	stop := saveStats(counters, log)
	return server, func() {
		stop()
		closeStands()
		_ = tier.Close()
		_ = os.RemoveAll(scratch)
	}, nil
}

// findRoots returns what finds the roots of calls, nil where none is wanted.
func findRoots(c *config.Config) func(roots.Call) *roots.Map {
	if c.Paths.Mode != config.PathsRelocatable {
		return nil
	}
	home, _ := os.UserHomeDir() // "" is nobody's
	var further []roots.Named
	for _, r := range c.Paths.Roots {
		further = append(further, roots.Named{Name: r.Name, Dir: r.Dir})
	}
	return roots.NewFinder(home, further...).Find
}

// newView makes a View that is as quick as this system allows.
func newView(log *slog.Logger) *filestate.View {
	v := filestate.New(filestate.Clock)
	if err := v.Separate(); err != nil {
		log.Info("compiles may wait for the clock", "target", "cachepot::coordinator", "error", err)
	}
	if err := v.Pin(filestate.MostPins()); err != nil {
		log.Info("files are looked up by path", "target", "cachepot::coordinator", "error", err)
	}
	return v
}

// perCall reads what one call's environment asks for.
func perCall(env []string) (recache, noCache bool, err error) {
	c, err := config.ForCall(env)
	return c.Recache, c.NoCache, err
}

// variables returns what tells the classes of variables that c and a project set.
func variables(c *config.Config) func(dirs []string) (compiler.Variables, error) {
	return func(dirs []string) (compiler.Variables, error) {
		v, err := config.Project(host("/"), dirs)
		if err != nil {
			return compiler.Variables{}, compiler.NotCacheable("%s is not understood: %s", config.ProjectFile, projectProblem(err))
		}
		return compiler.Variables{
			Keyed:    append(v.Keyed, c.Rust.Keyed...),
			Removed:  append(v.Removed, c.Rust.Removed...),
			Plumbing: c.Rust.Plumbing,
		}, nil
	}
}

// projectProblem returns the first thing that is wrong with a project's file, without
// the name of the file: it becomes a label of the statistics.
func projectProblem(err error) string {
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		return err.Error()
	}
	own := *e
	own.File = ""
	return own.Error()
}

// scratchLife is the age from which on the directory of a coordinator that was
// killed is removed. The compilers that it had planned go on without it, and
// write there: one that finds the directory gone fails, and the build with it.
const scratchLife = 24 * time.Hour

// makeScratch makes a directory for side files beside the sockets, and removes
// old ones of coordinators that were killed.
func makeScratch(dir string) (string, error) {
	const prefix = "scratch-"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), prefix)
		number, _, _ := strings.Cut(name, "-")
		pid, err := strconv.Atoi(number)
		if !ok || err != nil || unix.Kill(pid, 0) != unix.ESRCH {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > scratchLife {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // else the next one does
		}
	}
	return os.MkdirTemp(dir, prefix+strconv.Itoa(os.Getpid())+"-")
}

func openTier(c *config.Config) (*disk.Tier, error) {
	return disk.Open(disk.Config{Dir: c.Disk.Dir, Limit: max(int64(c.Disk.Size), 1), Memory: recordMemory, Now: time.Now})
}

// recordMemory bounds the records that the disk tier keeps in memory, in bytes.
const recordMemory = 32 << 20

// cacheDir is the disk tier as the command line uses it.
type cacheDir struct{ *disk.Tier }

func (d cacheDir) Bytes(ctx context.Context) (int64, error) {
	u, err := d.Usage(ctx)
	return u.Bytes, err
}

// saveEvery is how much of the statistics a kill may cost, in time.
const saveEvery = 2 * time.Second

// saveStats saves counters now and then, and once more when stop is called.
func saveStats(counters interface{ Save() error }, log *slog.Logger) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	save := func() {
		if err := counters.Save(); err != nil {
			log.Warn("statistics not saved", "target", "cachepot::stats", "error", err)
		}
	}
	go func() {
		defer close(stopped)
		t := time.NewTicker(saveEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				save()
			case <-done:
				save()
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}
