package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Server is a process of cachepot-dist, in the foreground.
type Server struct {
	Conf    string // path of its file
	Host    *Host  // nil: this one
	Log     Log
	program string
	name    string // "scheduler" or "worker"
	cmd     *exec.Cmd
}

// NewServer prepares a server, "scheduler" or "worker", whose file, in dir, holds text. program is
// cachepot-dist.
func NewServer(program, name, dir, text string) (*Server, error) {
	s := &Server{Conf: filepath.Join(dir, name+".conf"), program: program, name: name}
	if err := os.WriteFile(s.Conf, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("write the server's file: %w", err)
	}
	return s, nil
}

// Start starts the server, as for the first time or after Kill. env are further variables.
func (s *Server) Start(env ...string) error {
	argv := s.Host.In(s.program, s.name, "--config", s.Conf)
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Env = append(append(os.Environ(), "CACHEPOT_NO_DAEMON=1", "CACHEPOT_LOG=debug"), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.Log, &s.Log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start the %s: %w", s.name, err)
	}
	return nil
}

// Kill ends the server at once, in the middle of whatever it does.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Signal sends a signal to the server and what it has started.
func (s *Server) Signal(sig syscall.Signal) error { return syscall.Kill(-s.cmd.Process.Pid, sig) }

// Log is a log that is read while it is written.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// WorkerToken is what an administrator gives to the worker at an address.
func WorkerToken(program, secretKey, address string) (string, error) {
	out, err := exec.Command(program, "auth", "generate-jwt-hs256-worker-token", "--secret-key", secretKey, "--worker", address).Output()
	if err != nil {
		return "", fmt.Errorf("make a worker's token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Pid returns the server's process, which leads a process group.
func (s *Server) Pid() int { return s.cmd.Process.Pid }
