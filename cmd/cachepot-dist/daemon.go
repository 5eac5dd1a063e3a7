package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/logging"
	"github.com/cachepot/cachepot/internal/safefile"
)

// takeProcessors has this process keep one of so many processors busy, one at least, unless it
// was told how many (GOMAXPROCS, a control group). With more than it has work for, threads that look for some and
// wake each other take a good part of what a small call costs.
func takeProcessors(one int) {
	if all := runtime.NumCPU(); runtime.GOMAXPROCS(0) == all {
		runtime.GOMAXPROCS(max(1, all/one))
	}
}

// server is a command that serves until it is told to end.
type server struct {
	name string // "scheduler"
	// starts: it starts sandboxes.
	starts bool
	// load reads the file and says how the process behaves and which address names it
	// among others of its kind. It is called before serve.
	load func(file string, env []string, host config.Host) (config.Process, config.Address, error)
	// serve serves until ctx is done, and calls ready once it can be reached. Whatever
	// keeps it from that is its error.
	serve func(ctx context.Context, log *slog.Logger, ready func()) error
}

// command returns the command that runs s: in the background, unless the environment or the
// surroundings say otherwise.
func (p *program) command(s *server, short string) *cobra.Command {
	var file string
	var report int
	cmd := &cobra.Command{
		Use:   s.name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := p.host()
			if err != nil {
				return err
			}
			behave, at, err := s.load(file, p.env, host)
			if err != nil {
				return err
			}
			if !behave.AllowCoreDumps { // they would hold secrets
				var core unix.Rlimit
				_ = unix.Getrlimit(unix.RLIMIT_CORE, &core)
				core.Cur = 0 // and the sandbox sets what its jobs have
				_ = unix.Setrlimit(unix.RLIMIT_CORE, &core)
				if !s.starts || os.Getuid() == 0 { // else it could give its children no namespaces
					_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
				}
			}
			switch {
			case report > 0:
				return p.background(s, behave, os.NewFile(uintptr(report), "report"))
			case behave.Foreground || toJournal(p.env):
				return p.serve(s, behave, func() {})
			}
			return p.daemonize(s, file, at, host)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "its file")
	_ = cmd.MarkFlagRequired("config")
	cmd.Flags().IntVar(&report, "report-fd", 0, "")
	_ = cmd.Flags().MarkHidden("report-fd")
	return cmd
}

// serve runs s in this process.
func (p *program) serve(s *server, behave config.Process, ready func()) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return s.serve(ctx, logging.New(p.stderr, behave.Log), ready)
}

// background is the life of a server that daemonize has started. Whoever did waits for
// one line from report.
//
//	line = "ok" LF | text LF
func (p *program) background(s *server, behave config.Process, report *os.File) error {
	unix.CloseOnExec(int(report.Fd()))
	told := false
	tell := func(line string) {
		if !told {
			told = true
			_, _ = io.WriteString(report, strings.ReplaceAll(line, "\n", " ")+"\n") // nobody may wait any more
			_ = report.Close()
		}
	}
	err := p.serve(s, behave, func() { tell("ok") })
	if err != nil {
		tell(err.Error())
	}
	return err
}

// daemonize starts this program again with a session of its own, no terminal and no
// descriptors of its starter, and waits until it serves.
func (p *program) daemonize(s *server, file string, at config.Address, host config.Host) error {
	log, path, err := openLog(s.name, at, p.env, host)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer read.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	// Everything else that was inherited is closed.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		for fd := 3; fd < 1024; fd++ { // a kernel before 5.11
			syscall.CloseOnExec(fd)
		}
	}
	child, err := os.StartProcess(program, []string{"cachepot-dist", s.name, "--config", file, "--report-fd", "3"}, &os.ProcAttr{
		Dir: "/", Env: p.env, Files: []*os.File{null, log, log, write}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	_ = write.Close()
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	switch line = strings.TrimSuffix(line, "\n"); {
	case line == "ok":
		_ = child.Release()
		return nil
	case err == nil:
		_, _ = child.Wait()
		return errors.New(line)
	}
	state, err := child.Wait()
	if err != nil {
		return fmt.Errorf("wait for %s: %w", s.name, err)
	}
	return fmt.Errorf("the %s did not start (%s); see %s", s.name, state, path)
}

// maxLog is how large the log may be when a server starts, in bytes; a larger one is begun
// anew.
const maxLog = 100 << 20

// openLog opens the log of a server in the background.
func openLog(name string, at config.Address, env []string, host config.Host) (*os.File, string, error) {
	dir, err := config.ServerLogs(env, host)
	if err != nil {
		return nil, "", err
	}
	if err := safefile.PrivateDir(dir); err != nil {
		return nil, "", fmt.Errorf("directory of logs: %w", err)
	}
	path := filepath.Join(dir, name+"-"+at.Port+".log")
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND | unix.O_NOFOLLOW
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("open log: %w", err)
	}
	return f, path, nil
}

// toJournal reports whether systemd has started this process and keeps what it prints: such
// a service is not to go into the background, and needs no log of its own.
func toJournal(env []string) bool {
	i := slices.IndexFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "JOURNAL_STREAM=") })
	if i < 0 {
		return false
	}
	var st unix.Stat_t
	if unix.Fstat(2, &st) != nil {
		return false
	}
	own := strconv.FormatUint(uint64(st.Dev), 10) + ":" + strconv.FormatUint(uint64(st.Ino), 10)
	return env[i] == "JOURNAL_STREAM="+own
}
