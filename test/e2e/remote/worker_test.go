package remote

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// engineVariable says, where it is "worker", that the tests run on a worker of ours.
const engineVariable = "CACHEPOT_TEST_ENGINE"

func onWorker() bool { return os.Getenv(engineVariable) == "worker" }

// worker returns the command that starts a worker.
func (e *engine) worker() *exec.Cmd {
	e.t.Helper()
	program, err := product.Servers()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := os.Chmod(e.dir, 0o755); err != nil { // jobs are another user's
		e.t.Fatal(err)
	}
	harness.Write(e.t, e.dir, map[string]string{"worker.conf": "cache_dir = \"" + e.dir + "/cache\"\npublic_addr = \"" + e.address + "\"\n" +
		"[client_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n" +
		"[builder]\ntype = \"overlay\"\nbuild_dir = \"" + e.dir + "/build\"\n"})
	cmd := exec.Command(program, "worker", "--config", filepath.Join(e.dir, "worker.conf"))
	cmd.Env = append(os.Environ(), "CACHEPOT_NO_DAEMON=1", "CACHEPOT_LOG=info")
	return cmd
}

// TestOnWorker runs the tests that hold for every service on a worker of ours. Those
// that are left out are of what buildbox-casd alone does.
func TestOnWorker(t *testing.T) {
	if onWorker() {
		return // it is this test that runs them
	}
	names := []string{
		"TestC", "TestClang", "TestMessages", "TestCargo", "TestPlaces", "TestNames", "TestCratesInPlaces",
		"TestKilledEngine", "TestCallerGoesAway", "TestKilledInTheMiddle", "TestStoppedEngine", "TestTrust", "TestOneTrip", "TestLinks",
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.v", "-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Env, cmd.WaitDelay = append(os.Environ(), engineVariable+"=worker"), 10*time.Second
	out, err := cmd.CombinedOutput()
	for _, name := range names {
		if !strings.Contains(string(out), "\n--- PASS: "+name+" ") {
			t.Errorf("%s did not pass", name)
		}
	}
	if err != nil || t.Failed() {
		t.Errorf("%v\n%s", err, out)
	}
}
