package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// daemonize starts the server as a process that nothing of its starter holds on
// to: a session of its own, an adopted parent, no descriptors but /dev/null (an
// open pipe would keep cargo waiting for its end), and an environment without
// the marks by which continuous integration finds a job's processes to end them.
func daemonize() error {
	// Everything inherited is closed by the next exec.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		for fd := 3; fd < 1024; fd++ { // a kernel before 5.11
			syscall.CloseOnExec(fd)
		}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	fd := null.Fd()
	_, err = syscall.ForkExec(program, []string{"cachepot-coordinator", "--serve"}, &syscall.ProcAttr{
		Dir: "/", Env: ownEnvironment(syscall.Environ()), Files: []uintptr{fd, fd, fd},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	return nil
}

// ownEnvironment returns what of env the server is run with.
func ownEnvironment(env []string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "CACHEPOT_NO_DAEMON":
		case name == "PATH", name == "HOME", name == "USER", name == "LOGNAME", name == "TMPDIR", name == "RUST_LOG",
			isProxy(name),
			strings.HasPrefix(name, "XDG_"), strings.HasPrefix(name, "CACHEPOT_"):
			out = append(out, kv)
		}
	}
	return out
}

// isProxy reports whether a variable says by which proxy others are reached: a scheduler may
// be.
func isProxy(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY":
		return true
	}
	return false
}
