package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// system is one way to build: bare, or through one cache in one setting.
type system struct {
	name    string
	wrapper string // absolute path, "" for the bare compiler
	langs   []string
	// settings returns the environment of a private instance that keeps
	// everything in dir and listens, if it does, on port.
	settings func(dir string, port int) []string
	start    []string // arguments that start the daemon, if there is one
	stop     []string // arguments that end it
	zero     []string // arguments that set the statistics to zero
	stats    []string // arguments that print them
	parse    func([]byte) (counts, error)
}

func (s system) handles(lang string) bool { return slices.Contains(s.langs, lang) }

// systems returns what there is to compare, the bare compiler first. A cache
// that the machine lacks is left out and named in absent.
func systems(ctx context.Context, b *bench) (all []system, absent []string, err error) {
	cachepot, err := cachepotSystem(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	all = []system{{name: "bare", langs: []string{"C", "C++", "Rust"}}}
	if path, err := exec.LookPath("ccache"); err == nil {
		all = append(all,
			ccacheSystem("ccache", path),
			ccacheSystem("ccache-best", path, "CCACHE_DIRECT=1", "CCACHE_INODECACHE=1", "CCACHE_HARDLINK=1"))
	} else {
		absent = append(absent, "ccache")
	}
	if path, err := exec.LookPath(b.sccache); err == nil {
		all = append(all, sccacheSystem(path))
	} else {
		absent = append(absent, "sccache")
	}
	if b.recorder {
		recorder, err := recorderSystem(ctx, b)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, recorder)
	}
	all = append(all, cachepot)
	if b.exact {
		exact := cachepot.with("CACHEPOT_PATHS_MODE=exact")
		exact.name = "cachepot-exact"
		all = append(all, exact)
	}
	return all, absent, nil
}

// with returns the system with further settings.
func (s system) with(more ...string) system {
	settings := s.settings
	s.settings = func(dir string, port int) []string { return append(settings(dir, port), more...) }
	return s
}

func ccacheSystem(name, path string, settings ...string) system {
	return system{
		name: name, wrapper: path, langs: []string{"C", "C++"},
		settings: func(dir string, _ int) []string {
			return append([]string{
				"CCACHE_DIR=" + dir, "CCACHE_TEMPDIR=" + filepath.Join(dir, "tmp"), "CCACHE_CONFIGPATH=" + os.DevNull,
			}, settings...)
		},
		zero: []string{"--zero-stats"}, stats: []string{"--print-stats"}, parse: parseCcache,
	}
}

func sccacheSystem(path string) system {
	return system{
		name: "sccache", wrapper: path, langs: []string{"C", "C++", "Rust"},
		settings: func(dir string, port int) []string {
			return []string{
				"SCCACHE_DIR=" + dir, "SCCACHE_SERVER_PORT=" + strconv.Itoa(port), "SCCACHE_CONF=" + filepath.Join(dir, "no-config"),
			}
		},
		start: []string{"--start-server"}, stop: []string{"--stop-server"},
		zero: []string{"--zero-stats"}, stats: []string{"--show-stats", "--stats-format", "json"}, parse: parseSccache,
	}
}

// cachepotSystem uses copies of both programs: a new build of the product while
// the benchmark runs would have its coordinator replaced under its feet.
func cachepotSystem(ctx context.Context, b *bench) (system, error) {
	dir := filepath.Join(b.work, "bin", "product")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return system{}, err
	}
	copies := []string{"cp", "--remove-destination", b.cachepot}
	if _, err := os.Stat(b.cachepot + "-coordinator"); err == nil {
		copies = append(copies, b.cachepot+"-coordinator")
	}
	if _, err := output(ctx, b.root, b.env, append(copies, dir)...); err != nil {
		return system{}, fmt.Errorf("%w (scripts/build makes it)", err)
	}
	path := filepath.Join(dir, filepath.Base(b.cachepot))
	return system{
		name: "cachepot", wrapper: path, langs: []string{"C", "C++", "Rust"},
		settings: func(dir string, port int) []string {
			return []string{
				"CACHEPOT_DIR=" + filepath.Join(dir, "cache"), "CACHEPOT_COORDINATOR_PORT=" + strconv.Itoa(port),
				"XDG_CACHE_HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_STATE_HOME=" + dir, "XDG_DATA_HOME=" + dir,
			}
		},
		start: []string{"--start-coordinator"}, stop: []string{"--stop-coordinator"},
		zero: []string{"--zero-stats"}, stats: []string{"--show-stats", "--stats-format", "json"}, parse: parseSccache,
	}, nil
}

// recorderSystem has the recorder under a name that cc-rs puts before the C
// compilers of build scripts, as it does cachepot and sccache.
func recorderSystem(ctx context.Context, b *bench) (system, error) {
	path := filepath.Join(b.work, "bin", "recorder", "cachepot")
	if err := goBuild(ctx, b, path, "./test/bench/recorder"); err != nil {
		return system{}, err
	}
	return system{
		name: "recorder", wrapper: path, langs: []string{"C", "C++", "Rust"},
		settings: func(dir string, _ int) []string { return []string{"RECORDER_DIR=" + dir} },
	}, nil
}

// goBuild builds pkg the way the product is built.
func goBuild(ctx context.Context, b *bench, path, pkg string) error {
	return runLogged(ctx, b.root, b.env, filepath.Join(b.work, "log", "build-"+filepath.Base(pkg)),
		"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, pkg)
}

// instance is a running system with a cache of its own.
type instance struct {
	system
	dir  string
	env  []string
	host *harness.Host // where it runs; nil: here
}

// launch gives s an empty cache and starts its daemon, so that no build pays for it.
func launch(ctx context.Context, b *bench, s system) (*instance, error) {
	return launchOn(ctx, b, s, nil)
}

// launchOn launches s on a host, where what is built with it is built.
func launchOn(ctx context.Context, b *bench, s system, h *harness.Host) (*instance, error) {
	in := &instance{system: s, env: b.env, host: h}
	if s.wrapper == "" {
		return in, nil
	}
	var err error
	if in.dir, err = os.MkdirTemp(b.work, "cache-"+s.name+"-"); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	in.env = append(slices.Clone(b.env), s.settings(in.dir, port)...)
	in.env = append(in.env, "RUSTC_WRAPPER="+s.wrapper)
	if s.start != nil {
		if err := in.admin(ctx, s.start); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// launchAll launches those of the systems that handle a language. Where one fails, those
// that were launched are returned with the error.
func launchAll(ctx context.Context, b *bench, systems []system, lang string) ([]*instance, error) {
	var all []*instance
	for _, s := range systems {
		if !s.handles(lang) {
			continue
		}
		in, err := launch(ctx, b, s)
		if err != nil {
			return all, err
		}
		all = append(all, in)
	}
	return all, nil
}

func closeAll(all []*instance) error {
	var err error
	for _, in := range all {
		err = errors.Join(err, in.close())
	}
	return err
}

func (in *instance) admin(ctx context.Context, args []string) error {
	return runLogged(ctx, in.dir, in.env, filepath.Join(in.dir, "admin.log"), in.host.In(append([]string{in.wrapper}, args...)...)...)
}

// close ends the daemon by its own command and removes the cache. It works after
// an interrupt too, so it takes no context.
func (in *instance) close() error {
	if in.wrapper == "" {
		return nil
	}
	if in.stop != nil {
		if err := in.admin(context.Background(), in.stop); err != nil {
			return err
		}
	}
	return os.RemoveAll(in.dir)
}

// resetStats sets the statistics to zero.
func (in *instance) resetStats(ctx context.Context) error {
	if in.zero == nil {
		return nil
	}
	return in.admin(ctx, in.zero)
}

func (in *instance) counts(ctx context.Context) (counts, error) {
	if in.stats == nil {
		return counts{}, nil
	}
	out, err := in.statistics(ctx)
	if err != nil {
		return counts{}, err
	}
	return in.parse(out)
}

// statistics returns what the daemon prints of itself.
func (in *instance) statistics(ctx context.Context) ([]byte, error) {
	return output(ctx, in.dir, in.env, in.host.In(append([]string{in.wrapper}, in.stats...)...)...)
}

// freePort returns a TCP port that nobody listens on. Another process may take it
// before it is used; the daemon's start then fails, and with it the benchmark.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
