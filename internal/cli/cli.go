package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/rendezvous"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/version"
	"github.com/cachepot/cachepot/internal/wire"
)

// Env is what the command line runs in.
type Env struct {
	Environ        []string
	Stdout, Stderr io.Writer
	// Program is the coordinator's own executable.
	Program string
	// Load returns the configuration.
	Load func() (*config.Config, error)
	// OpenCache opens the disk tier for clearing and counting.
	OpenCache func(c *config.Config) (Cache, error)
	// Unwatched says why processes cannot be watched here, "" where they can.
	Unwatched func() string
	// Package writes an archive of the compiler at the absolute path exe to w, packed as name
	// says, and returns the compiler's path in it.
	Package func(ctx context.Context, w io.Writer, name, exe string, progress func(done, total int64)) (string, error)
	// Serve runs a coordinator in the foreground.
	Serve func() error
}

// Cache is the part of the disk tier that the command line uses.
type Cache interface {
	Clear(ctx context.Context, progress func(done, total int64)) error
	Bytes(ctx context.Context) (int64, error)
	Close() error
}

// Exit codes: see the manual, chapter on the command line.
const (
	exitOK     = 0
	exitFailed = 2
)

// Run carries out the command line args, without the program's name, and returns
// its exit status.
func Run(ctx context.Context, e *Env, args []string) int {
	cmd := e.root()
	cmd.SetArgs(args)
	cmd.SetOut(e.Stdout)
	cmd.SetErr(e.Stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(e.Stderr, "cachepot: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\ncachepot: "))
		return exitFailed
	}
	return exitOK
}

// action is one of the flags that each stand for a command.
type action struct {
	flag, short, help string
	run               func(cmd *cobra.Command, e *Env) error
}

func actions() []action {
	return []action{
		{"start-coordinator", "", "start the coordinator in the background", start},
		{"stop-coordinator", "", "stop the coordinator and print its statistics", stop},
		{"show-stats", "s", "print statistics", show},
		{"zero-stats", "z", "set statistics to zero", zero},
		{"dist-status", "", "say how distributed compilation is doing, as JSON", distStatus},
		{"package-toolchain", "", "write an archive of a compiler: --package-toolchain EXECUTABLE OUT", packageToolchain},
		{"clear-cache", "", "remove everything from the local cache", clearCache},
	}
}

func (e *Env) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "cachepot [flag] | cachepot explain [compiler args...] | cachepot compiler [args...]",
		Short:         "A compiler cache. Put it before a compiler: cachepot gcc -c x.c -o x.o",
		Version:       version.Version,
		Args:          takesArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetHelpCommand(&cobra.Command{Hidden: true})
	cmd.Flags().BoolP("version", "V", false, "print the version")
	names := []string{}
	for _, a := range actions() {
		cmd.Flags().BoolP(a.flag, a.short, false, a.help)
		names = append(names, a.flag)
	}
	cmd.Flags().String("stats-format", "text", "form of the statistics: text or json")
	cmd.MarkFlagsMutuallyExclusive(names...)
	cmd.MarkFlagsOneRequired(names...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, a := range actions() {
			if set, _ := cmd.Flags().GetBool(a.flag); set {
				return a.run(cmd, e)
			}
		}
		return nil // one is required
	}
	cmd.AddCommand(e.explain())
	cmd.AddCommand(e.verify())
	return cmd
}

// takesArgs lets the one flag that stands for a command with arguments have them.
func takesArgs(cmd *cobra.Command, args []string) error {
	if set, _ := cmd.Flags().GetBool("package-toolchain"); set {
		return cobra.ExactArgs(2)(cmd, args)
	}
	return cobra.NoArgs(cmd, args)
}

func (e *Env) getenv(name string) string {
	for _, kv := range e.Environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// socket returns where the coordinator of this environment listens.
func (e *Env) socket() (string, error) {
	port, ok := rendezvous.Port(e.getenv("CACHEPOT_COORDINATOR_PORT"))
	if !ok {
		return "", errors.New("CACHEPOT_COORDINATOR_PORT: want a port number, 1 to 65535")
	}
	dir := rendezvous.Dir(e.getenv, os.Getuid())
	if _, err := os.Lstat(dir); err == nil && !rendezvous.Private(dir, os.Getuid()) {
		return "", fmt.Errorf("%s belongs to somebody else or is open to others", dir)
	}
	return rendezvous.Socket(dir, port), nil
}

func (e *Env) ask(req *coordinator.ControlRequest) (*coordinator.ControlReply, error) {
	socket, err := e.socket()
	if err != nil {
		return nil, err
	}
	return ask(socket, req)
}

func start(_ *cobra.Command, e *Env) error {
	c, err := e.Load()
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Stderr, "Starting the coordinator...")
	_, err = e.ask(&coordinator.ControlRequest{Op: coordinator.OpStats})
	if err == nil {
		return errors.New("coordinator startup failed: one is running on this port already")
	}
	if !errors.Is(err, errNoCoordinator) {
		return fmt.Errorf("coordinator startup failed: %w", err)
	}
	cache, err := e.OpenCache(c)
	if err != nil {
		return fmt.Errorf("coordinator startup failed: %w", err)
	}
	if err := cache.Close(); err != nil {
		return err
	}
	if c.Coordinator.Foreground {
		return e.Serve()
	}
	return e.startBackground()
}

// startWait is how long a coordinator may take until it answers.
const startWait = 10 * time.Second

func (e *Env) startBackground() error {
	cmd := exec.Command(e.Program, "--daemon")
	cmd.Env = e.Environ
	if wd, err := os.Getwd(); err == nil {
		cmd.Env = rendezvous.Absolute(e.Environ, wd)
	}
	cmd.Dir = "/"
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("start coordinator: %w", err)
	}
	for end := time.Now().Add(startWait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := e.ask(&coordinator.ControlRequest{Op: coordinator.OpStats}); err == nil {
			return nil
		}
	}
	return errors.New("coordinator startup failed: it does not answer")
}

func stop(cmd *cobra.Command, e *Env) error {
	fmt.Fprintln(e.Stderr, "Stopping the coordinator...")
	reply, err := e.ask(&coordinator.ControlRequest{Op: coordinator.OpStop})
	if err != nil {
		return err
	}
	if err := e.waitGone(); err != nil {
		return err
	}
	return e.print(cmd, reply.Stats, reply.Unwatched)
}

// waitGone waits until nobody listens any more, so that a coordinator can be
// started at once.
func (e *Env) waitGone() error {
	for end := time.Now().Add(startWait); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if _, err := e.ask(&coordinator.ControlRequest{Op: coordinator.OpStats}); errors.Is(err, errNoCoordinator) {
			return nil
		}
	}
	return errors.New("the coordinator does not stop")
}

func show(cmd *cobra.Command, e *Env) error {
	reply, err := e.ask(&coordinator.ControlRequest{Op: coordinator.OpStats})
	if errors.Is(err, errNoCoordinator) {
		c, err := e.statsFile()
		if err != nil {
			return err
		}
		total, err := c.Total()
		if err != nil {
			return err
		}
		return e.print(cmd, &total, "")
	}
	if err != nil {
		return err
	}
	return e.print(cmd, reply.Stats, reply.Unwatched)
}

func (e *Env) statsFile() (*stats.File, error) {
	c, err := e.Load()
	if err != nil {
		return nil, err
	}
	return StatsFile(c)
}

// StatsFile returns the statistics of c's port.
func StatsFile(c *config.Config) (*stats.File, error) {
	if err := safefile.PrivateDir(c.StateDir); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return stats.OpenFile(filepath.Join(c.StateDir, "stats-"+c.Coordinator.Port+".json")), nil
}

func zero(cmd *cobra.Command, e *Env) error {
	reply, err := e.ask(&coordinator.ControlRequest{Op: coordinator.OpZero})
	if err == nil {
		return e.print(cmd, reply.Stats, reply.Unwatched)
	}
	if !errors.Is(err, errNoCoordinator) {
		return err
	}
	f, err := e.statsFile()
	if err != nil {
		return err
	}
	if err := f.Zero(); err != nil {
		return err
	}
	return e.print(cmd, &stats.Counters{}, "")
}

func (e *Env) print(cmd *cobra.Command, counters *stats.Counters, unwatched string) error {
	c, err := e.Load()
	if err != nil {
		return err
	}
	r := &report{Stats: counters, CacheLocation: "Local disk: " + c.Disk.Dir, MaxCacheSize: int64(c.Disk.Size),
		Version: version.Version, Watching: e.watching(unwatched)}
	if cache, err := e.OpenCache(c); err == nil {
		r.CacheSize, _ = cache.Bytes(cmd.Context())
		_ = cache.Close()
	}
	switch format, _ := cmd.Flags().GetString("stats-format"); format {
	case "json":
		return r.writeJSON(e.Stdout)
	case "text":
		return r.writeText(e.Stdout)
	default:
		return fmt.Errorf("--stats-format %s: want text or json", format)
	}
}

// watching says how compilers are watched by callers like this process, of which
// the coordinator has its own view.
func (e *Env) watching(coordinators string) string {
	switch own := e.Unwatched(); {
	case own != "":
		return "rules only: " + own
	case coordinators != "":
		return "rules only: the coordinator says: " + coordinators
	}
	return "seccomp"
}

func clearCache(cmd *cobra.Command, e *Env) error {
	c, err := e.Load()
	if err != nil {
		return err
	}
	cache, err := e.OpenCache(c)
	if err != nil {
		return err
	}
	defer cache.Close()
	e.settle()
	bar := newBar(e.Stderr, "clearing")
	defer bar.clear()
	return cache.Clear(cmd.Context(), bar.show)
}

// settle waits until a running coordinator has stored what was compiled before: the
// caller of a compile goes on while its result is still on the way to the cache.
func (e *Env) settle() {
	_, _ = e.ask(&coordinator.ControlRequest{Op: coordinator.OpStats}) // waits first; none may run
}

func (e *Env) explain() *cobra.Command {
	return &cobra.Command{
		Use:                "explain [compiler args...]",
		Short:              "say why the last compile, or the one given, missed",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			req := &coordinator.ControlRequest{Op: coordinator.OpExplain}
			if len(args) > 0 {
				call, err := e.call(args)
				if err != nil {
					return err
				}
				req.Call = call
				if _, err := e.ask(&coordinator.ControlRequest{Op: coordinator.OpStats}); errors.Is(err, errNoCoordinator) {
					if err := e.startBackground(); err != nil {
						return err
					}
				}
			}
			reply, err := e.ask(req)
			if err != nil {
				return err
			}
			return reply.Explanation.Write(e.Stdout)
		},
	}
}

// call makes the request that the wrapper would make of args.
func (e *Env) call(args []string) (*wire.Request, error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return &wire.Request{Dir: dir, Path: path, Argv: args, Env: e.Environ}, nil
}

// bar is a progress bar in the last line of a terminal; elsewhere it is silent.
type bar struct {
	w     io.Writer
	what  string
	width int
}

func newBar(w io.Writer, what string) *bar {
	b := &bar{what: what}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.w, b.width = w, 30
	}
	return b
}

func (b *bar) show(done, total int64) {
	if b.w == nil || total <= 0 {
		return
	}
	filled := int(min(done, total) * int64(b.width) / total)
	fmt.Fprintf(b.w, "\rcachepot: %s [%s%s] %d %%", b.what, strings.Repeat("#", filled), strings.Repeat(".", b.width-filled), done*100/total)
}

func (b *bar) clear() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
