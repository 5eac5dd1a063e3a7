package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/rendezvous"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/wire"
)

// Instance is a coordinator with a port, cache, state and runtime directory of
// its own. One test at a time may use it: outcomes are told from its counters.
type Instance struct {
	Wrapper string
	Root    string   // directory of all below
	Cache   string   // directory of the disk tier
	Env     []string // leads to this instance; whole environment for a command
	socket  string
	last    stats.Counters
}

// NewInstance prepares an instance and starts nothing. extra are further
// variables, as "NAME=value".
func (p *Product) NewInstance(extra ...string) (*Instance, error) {
	wrapper, err := p.Wrapper()
	if err != nil {
		return nil, err
	}
	// Short: a socket's path has 103 bytes.
	root, err := os.MkdirTemp("", "ci-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	i := &Instance{Wrapper: wrapper, Root: root, Cache: filepath.Join(root, "cache")}
	run := filepath.Join(root, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		return nil, fmt.Errorf("make runtime directory: %w", err)
	}
	runtime := func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": run}[name] }
	i.socket = rendezvous.Socket(rendezvous.Dir(runtime, os.Getuid()), port)
	i.Env = append(BareEnv(), "CACHEPOT_DIR="+i.Cache, "XDG_STATE_HOME="+filepath.Join(root, "state"),
		"XDG_CONFIG_HOME="+filepath.Join(root, "config"), "XDG_RUNTIME_DIR="+run, "CACHEPOT_COORDINATOR_PORT="+port)
	if mode := os.Getenv(pathsMode); mode != "" {
		i.Env = append(i.Env, "CACHEPOT_PATHS_MODE="+mode)
	}
	i.Env = append(i.Env, extra...)
	return i, nil
}

// BareEnv is the environment of a command as far as the tests' own caller has no
// say in it.
func BareEnv() []string {
	env := []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"HOME", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "GOPATH", "GOCACHE"} {
		if v, set := os.LookupEnv(name); set {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// freePort returns a number that no other instance uses at the moment. It names
// the instance; nothing listens on TCP.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// Admin runs the wrapper with a command for itself and returns what it prints.
func (i *Instance) Admin(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.Wrapper, args...)
	cmd.Env, cmd.WaitDelay = i.Env, 30*time.Second
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("cachepot %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// Stop stops the coordinator, if one runs, and removes the directories.
func (i *Instance) Stop() {
	_, _ = i.Admin("--stop-coordinator") // fails where none runs
	_ = os.RemoveAll(i.Root)
}

// Stats returns the counters. It asks a running coordinator itself: tests ask
// after every step, and each start of a program counts.
func (i *Instance) Stats() (stats.Counters, error) {
	var reply struct{ Stats stats.Counters }
	if conn, err := net.Dial("unix", i.socket); err == nil {
		defer conn.Close()
		answer, err := exchange(conn, `{"op":"stats"}`)
		if err == nil {
			err = json.Unmarshal(answer, &reply)
		}
		// One that steps down resets who is not served yet; the program asks the next one.
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			if err != nil {
				err = fmt.Errorf("ask for statistics: %w", err)
			}
			return reply.Stats, err
		}
	}
	out, err := i.Admin("--show-stats", "--stats-format", "json")
	if err != nil {
		return reply.Stats, err
	}
	if err := json.Unmarshal([]byte(out), &reply); err != nil {
		return reply.Stats, fmt.Errorf("read statistics: %w", err)
	}
	return reply.Stats, nil
}

// exchange sends a control request and returns the reply to it.
func exchange(conn net.Conn, request string) ([]byte, error) {
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(wire.Frame(wire.KindControl, []byte(request))); err != nil {
		return nil, err
	}
	for {
		kind, payload, err := wire.ReadFrame(conn, wire.DefaultMaxFrame, nil)
		if err != nil || kind == wire.KindReply {
			return payload, err
		}
	}
}

// CoordinatorOf returns the process of the coordinator whose disk cache lies in a directory.
func CoordinatorOf(cache string) (pid int, err error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, dir := range dirs {
		env, err := os.ReadFile(dir + "/environ")
		if err != nil || !strings.Contains(string(env), "CACHEPOT_DIR="+cache+"\x00") {
			continue
		}
		if args, err := os.ReadFile(dir + "/cmdline"); err == nil && strings.Contains(string(args), "--serve") {
			return strconv.Atoi(filepath.Base(dir))
		}
	}
	return 0, fmt.Errorf("no coordinator found")
}
