package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A check is a job without a command: then the exec stage looks around. The
// layer holds one file, which has to be there and to be changeable, and a result
// has to come back.
const (
	checkFile   = "checked"
	checkBefore = "lower"
	checkAfter  = "lower and upper"
)

// check runs one job that looks whether the sandbox is what it says.
func (s *Sandbox) check(ctx context.Context) error {
	dir, err := s.scratch("layer")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	layer := filepath.Join(dir, "layer")
	f, err := os.OpenFile(filepath.Join(layer, checkFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(checkBefore)
	if err := errors.Join(err, f.Close(), s.give(dir, "layer", "layer/"+checkFile)); err != nil {
		return err
	}
	limits := DefaultLimits()
	limits.Wall = time.Minute // it takes 0.1 s
	r, err := s.Run(ctx, &Job{Layers: []string{layer}, Dir: "/", Outputs: []string{"/" + checkFile}, Limits: limits})
	if err != nil {
		return err
	}
	defer r.Close()
	if r.Status != 0 || r.Outputs[0] == "" {
		return fmt.Errorf("its check ended with status %d%s", r.Status, after(r.Stderr))
	}
	if b, err := os.ReadFile(r.Outputs[0]); err != nil || string(b) != checkAfter {
		return fmt.Errorf("its check left %q: %w", b, err)
	}
	if b, err := os.ReadFile(filepath.Join(layer, checkFile)); err != nil || string(b) != checkBefore {
		return errors.New("a job changed its layer")
	}
	return nil
}

// selfCheck is what the check's job does. What it returns ends up in the error of
// Open; on success the process ends here with status 0, as main returns.
func selfCheck() error {
	if err := checkView(); err != nil {
		return err
	}
	f, err := os.OpenFile("/"+checkFile, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("its files cannot be written: %w", err)
	}
	if _, err := f.WriteString(" and upper"); err != nil {
		return err
	}
	return f.Close()
}

func checkView() error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains([]string{checkFile, "proc", "dev", "tmp"}, e.Name()) {
			return fmt.Errorf("/%s is in its root", e.Name())
		}
	}
	if os.Getuid() == 0 {
		return errors.New("its user is root")
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback == 0 {
			return fmt.Errorf("it has the network interface %s", i.Name)
		}
	}
	f, err := os.OpenFile("/proc/sys/kernel/core_pattern", os.O_WRONLY, 0)
	if err == nil {
		f.Close()
		return errors.New("the kernel's settings can be written")
	}
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
