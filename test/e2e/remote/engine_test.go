package remote

import (
	"bytes"
	"net"
	"os/exec"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// engineDir is where scripts/install puts the service's programs.
const engineDir = "../../../.work/engine"

// engine is a running service with an empty store: buildbox-casd, or a worker of ours
// where engineVariable says so.
type engine struct {
	t       *testing.T
	address string
	dir     string // of its store
	temp    string
	cmd     *exec.Cmd
	log     bytes.Buffer
}

// startEngine starts a service on a free port of the loopback interface. It ends with
// the test.
func startEngine(t *testing.T) *engine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{t: t, address: l.Addr().String(), dir: harness.Scratch(t), temp: harness.Scratch(t)}
	l.Close()
	e.start()
	t.Cleanup(func() {
		e.kill()
		if t.Failed() {
			t.Logf("the service says:\n%s", e.log.String())
		}
	})
	return e
}

// start starts the service, as for the first time or after kill.
func (e *engine) start() {
	e.t.Helper()
	if onWorker() {
		e.cmd = e.worker()
	} else {
		e.cmd = e.casd()
	}
	e.cmd.Stdout, e.cmd.Stderr = &e.log, &e.log
	// Its jobs are processes of its own.
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	if !harness.Listens(e.address) {
		e.t.Fatalf("%s does not listen", e.cmd.Path)
	}
}

// casd returns the command that starts buildbox-casd.
func (e *engine) casd() *exec.Cmd {
	e.t.Helper()
	cmd, err := harness.Casd(engineDir, e.address, e.dir, 2)
	if err != nil {
		e.t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+e.temp)
	return cmd
}

// kill ends the service at once, in the middle of whatever it does.
func (e *engine) kill() {
	if e.cmd == nil {
		return
	}
	_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
	_ = e.cmd.Wait()
	e.cmd = nil
}

func (e *engine) url() string { return "grpc://" + e.address }
