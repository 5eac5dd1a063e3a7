package reapi

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
)

// TestProbeProgram: the program is one, and ends as it should.
func TestProbeProgram(t *testing.T) {
	p := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(p, probeProgram(action.ISA(runtime.GOARCH)), 0o700); err != nil {
		t.Fatal(err)
	}
	err := exec.Command(p).Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != probeStatus {
		t.Errorf("the program: %v, want exit status %d", err, probeStatus)
	}
	if probeProgram("vax") != nil {
		t.Error("a program for an instruction set that is not known")
	}
}
