package cluster

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/dist/register"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

// engineDir is where scripts/install puts the service's programs.
const engineDir = "../../../.work/engine"

// engine is a buildbox-casd that is registered at a scheduler. It knows no leases.
type engine struct {
	t       *testing.T
	address string
	dir     string
	cmd     *exec.Cmd
	log     bytes.Buffer
}

// startEngine starts one with so many slots. It ends with the test.
func startEngine(t *testing.T, s *scheduler, slots int) *engine {
	t.Helper()
	e := &engine{t: t, address: harness.FreeAddress(t), dir: harness.Scratch(t)}
	e.start()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		register.New(register.Config{
			Scheduler: reach.Config{URL: s.url(), Token: workerToken(t, e.address), Agent: "test"},
			Address:   e.address, CPUs: slots, Log: slog.New(slog.NewTextHandler(&s.Log, nil)),
		}).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		e.kill()
		if t.Failed() {
			t.Logf("the engine says:\n%s", e.log.String())
		}
	})
	return e
}

func (e *engine) start() {
	e.t.Helper()
	var err error
	if e.cmd, err = harness.Casd(engineDir, e.address, e.dir, 2); err != nil {
		e.t.Fatal(err)
	}
	e.cmd.Stdout, e.cmd.Stderr = &e.log, &e.log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	if !harness.Listens(e.address) {
		e.t.Fatalf("%s does not listen", e.cmd.Path)
	}
}

func (e *engine) kill() {
	if e.cmd == nil {
		return
	}
	_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
	_ = e.cmd.Wait()
	e.cmd = nil
}
