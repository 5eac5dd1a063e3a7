package worker

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// engineDir is where scripts/install puts the programs of buildbox.
const engineDir = "../../../.work/engine"

// TestProxy: buildbox-casd, as a proxy, is a client of a worker like others: compiles of
// ours go through it.
func TestProxy(t *testing.T) {
	w := start(t, withoutToken())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	program, err := filepath.Abs(filepath.Join(engineDir, "buildbox-casd"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v; scripts/install check puts it there", err)
	}
	var said bytes.Buffer
	casd := exec.Command(program, "--bind", address, "--remote", "http://"+w.address, "--quota-high", "2G", "--reserved", "1M", "--log-level", "warning", scratch(t))
	casd.Stdout, casd.Stderr = &said, &said
	casd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := casd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = casd.Process.Kill()
		_ = casd.Wait()
		if t.Failed() {
			t.Logf("the proxy says:\n%s", said.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("the proxy does not listen")
		}
	}

	i, err := product.NewInstance()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	dir := scratch(t)
	write(t, dir, map[string]string{
		"conf": "[dist]\nscheduler_url = \"grpc://" + address + "\"\nfallback = \"fail\"\n",
		"a.c":  "#include <stdio.h>\nint main(void) { return puts(\"hello\") < 0; }\n",
	})
	for _, argv := range [][]string{{i.Wrapper, "gcc", "-Wall", "-c", "a.c", "-o", "a.o"}, {"gcc", "a.o", "-o", "a"}} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir, cmd.Env = dir, append(i.Env, "CACHEPOT_CONF="+filepath.Join(dir, "conf"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "a")).Output(); err != nil || string(out) != "hello\n" {
		t.Errorf("%q, %v", out, err)
	}
	i.Env = append(i.Env, "CACHEPOT_CONF="+filepath.Join(dir, "conf"))
	s, err := i.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.DistCompiles) != 1 || s.DistErrors != 0 {
		t.Errorf("compiled remotely %v, failures %v", s.DistCompiles, s.DistFailures)
	}
}
