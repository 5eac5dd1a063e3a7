// Cachepot-coordinator is the process that wrappers ask, and cachepot's command
// line: the wrapper runs it for everything that is not a compile.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/cachepot/cachepot/internal/cli"
	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/toolchain"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--daemon" {
		os.Exit(report(daemonize()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == "--serve" {
		os.Exit(report(serve(ctx, syscall.Environ(), false)))
	}
	os.Exit(commandLine(ctx))
}

func commandLine(ctx context.Context) int {
	program, err := os.Executable()
	if err != nil {
		return report(err)
	}
	env := syscall.Environ()
	return cli.Run(ctx, &cli.Env{
		Environ: env,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Program: program,
		Load:    func() (*config.Config, error) { return load(env) },
		OpenCache: func(c *config.Config) (cli.Cache, error) {
			t, err := openTier(c)
			if err != nil {
				return nil, err
			}
			return cacheDir{t}, nil
		},
		Package: func(ctx context.Context, w io.Writer, name, exe string, progress func(done, total int64)) (string, error) {
			r := toolchain.NewRegistry(newView(slog.New(slog.DiscardHandler)), toolchain.Watch, nil)
			return r.Package(ctx, w, name, exe, env, progress)
		},
		Unwatched: func() string { return unwatched(program) },
		Serve:     func() error { return serve(ctx, env, true) },
	}, os.Args[1:])
}

// load reads the configuration and refuses what this build cannot do.
func load(env []string) (*config.Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c, err := config.Load(env, host(dir))
	if err != nil {
		return nil, err
	}
	return c, c.Require("dist")
}

func host(dir string) config.Host {
	return config.Host{GOOS: runtime.GOOS, UID: os.Getuid(), Dir: dir, Home: os.UserHomeDir}
}

func report(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "cachepot: error:", err)
	return 2
}
