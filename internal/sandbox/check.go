package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The check's job attacks what is around it. Its layer holds one file, which is an
// output too, and has to stay as it is in the layer.
const (
	checkFile   = "checked"
	checkBefore = "lower"
	checkAfter  = " and upper"
	checkMade   = "/tmp/made"
)

// check has a job attack the sandbox, and looks whether jobs have the user they
// should have and leave their layers alone. What succeeds is the error.
func (s *Sandbox) check(ctx context.Context) error {
	if s.config.without.has(measureCheck) {
		return nil
	}
	found, err := s.attack(ctx, 0)
	if err != nil {
		return err
	}
	var list []string
	for name, what := range found {
		list = append(list, name+": "+what)
	}
	if len(list) > 0 {
		slices.Sort(list)
		return fmt.Errorf("a job broke out in its check: %s", strings.Join(list, "; "))
	}
	return nil
}

// attack runs the attacks without some measures and returns those that succeeded.
func (s *Sandbox) attack(ctx context.Context, without measures) (map[string]string, error) {
	layer, err := os.MkdirTemp(s.config.Dir, "check-")
	if err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	defer os.RemoveAll(layer)
	f, err := os.OpenFile(filepath.Join(layer, checkFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	_, err = f.WriteString(checkBefore)
	if err := errors.Join(err, f.Close(), os.Chmod(layer, 0o755)); err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	limits := DefaultLimits()
	limits.Wall, limits.Files, limits.Temp = time.Minute, attackFiles, attackTemp // it takes 0.1 s
	job := Job{Layers: []string{layer}, Dir: "/", Outputs: []string{checkFile, checkMade}, Limits: limits}
	job.Args = append(append([]string{"cachepot-sandbox"}, s.config.Self...), stageAttack)
	r, err := s.run(ctx, &jobSpec{Job: job, Own: true, Without: without | s.config.without})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	found := map[string]string{}
	if err := json.Unmarshal(r.Stdout, &found); err != nil || r.Status != 0 {
		return nil, fmt.Errorf("its check ended with status %d%s", r.Status, after(r.Stderr))
	}
	if b, err := os.ReadFile(filepath.Join(layer, checkFile)); err != nil || string(b) != checkBefore {
		found["layer"] = "a job changed its layer"
	}
	if what := s.checkOutput(r); what != "" {
		found["output"] = what
	}
	return found, nil
}

// checkOutput looks at what the job left, which shows to whom it belonged.
func (s *Sandbox) checkOutput(r *Result) string {
	f, err := r.Open(checkMade)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid == 0 {
		return "jobs are root to the kernel"
	}
	changed, err := r.Open(checkFile)
	if err != nil {
		return err.Error()
	}
	defer changed.Close()
	if b, err := io.ReadAll(changed); err != nil || string(b) != checkBefore+checkAfter {
		return fmt.Sprintf("it is %q", b)
	}
	return ""
}
