package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Casd returns the command that has buildbox-casd execute actions at an address, as many at a time
// as jobs, with its store in dir. Its programs lie in engine, where scripts/install check puts
// them. The command's environment is the caller's to set; PATH in it leads to them.
func Casd(engine, address, dir string, jobs int) (*exec.Cmd, error) {
	engine, err := filepath.Abs(engine)
	if err != nil {
		return nil, fmt.Errorf("find the engine: %w", err)
	}
	program := filepath.Join(engine, "buildbox-casd")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w; scripts/install check puts it there", err)
	}
	// No mounts: what a job sees is its input tree.
	cmd := exec.Command(program, "--bind", address, "--buildbox-run", filepath.Join(engine, "buildbox-run"),
		"--runner-arg=--staging-mode=copy-or-link", "--jobs", strconv.Itoa(jobs), "--quota-high", "4G", "--reserved", "1M", "--log-level", "warning", dir)
	cmd.Env = append(os.Environ(), "PATH="+engine+":"+os.Getenv("PATH"))
	return cmd, nil
}
