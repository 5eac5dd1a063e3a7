package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// shadowSpec is what a stage in a shadow is told.
type shadowSpec struct {
	Writable []string
	Scratch  string // with a directory for each of Writable, and temp
	Own      json.RawMessage
}

// Shadow starts Config.Program for a stage of the caller's, in a mount namespace in which all is read-only but the directories writable: they
// are copies on write, and what is written there is gone when Shadow returns.
// The stage calls EnterShadow first. It runs as the caller, for it has to see
// what the caller sees.
func (s *Sandbox) Shadow(ctx context.Context, stage string, writable []string, spec, reply any) error {
	own, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("encode spec: %w", err)
	}
	dirs, err := outermost(writable)
	if err != nil {
		return err
	}
	dir, err := s.scratch("temp")
	if err != nil {
		return err
	}
	for i := range dirs {
		if err := makeLayers(filepath.Join(dir, strconv.Itoa(i))); err != nil {
			return errors.Join(err, Remove(dir))
		}
	}
	out := &capped{left: DefaultLimits().Messages}
	err = s.start(ctx, stage, shadowAttr(s.config.Root), shadowSpec{dirs, dir, own}, reply, nil, out)
	if err != nil {
		err = fmt.Errorf("shadow: %w%s", err, after(out.Bytes()))
	}
	return errors.Join(err, Remove(dir))
}

func makeLayers(dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, "upper"), filepath.Join(dir, "work")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return fmt.Errorf("make layers: %w", err)
		}
	}
	return nil
}

// outermost returns the directories of list, resolved, that lie in no other of
// them. One below which something is mounted is an error: an overlay would hide
// that.
func outermost(list []string) ([]string, error) {
	var real []string
	for _, d := range list {
		r, err := filepath.EvalSymlinks(d)
		if err != nil {
			return nil, fmt.Errorf("shadow: %w", err)
		}
		real = append(real, r)
	}
	slices.Sort(real)
	var out []string
	for _, d := range real {
		if !slices.ContainsFunc(out, func(o string) bool { return within(d, o) }) {
			out = append(out, d)
		}
	}
	mounts, err := mountPoints()
	if err != nil {
		return nil, err
	}
	for _, d := range out {
		for _, m := range mounts {
			if d == "/" || m != d && within(m, d) {
				return nil, fmt.Errorf("shadow: %s is mounted below the output directory %s", m, d)
			}
		}
	}
	return out, nil
}

// within reports whether p is dir or lies below it; both are clean.
func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// mountPoints reads where something is mounted. A line is
//
//	id SP parent SP device SP root SP point SP ...
//
// where three octal digits behind a backslash stand for a character.
func mountPoints() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	defer f.Close()
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), " "); len(fields) > 4 {
			points = append(points, unescape.Replace(fields[4]))
		}
	}
	return points, lines.Err()
}

// shadowAttr is how a shadow's stage is started. Root needs no user namespace,
// and must not have one: files of others would be closed to it. Anybody else
// keeps their user in it, with the capabilities that mounting an overlay and
// copying files up in it take.
func shadowAttr(asRoot bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if asRoot {
		return attr
	}
	uid, gid := os.Getuid(), os.Getgid()
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER}
	return attr
}

// EnterShadow makes the mounts of the shadow that this process was started in,
// and decodes the caller's spec. temp is an empty directory that can be written
// to; reply hands the caller its answer. The calling goroutine stays locked to its
// thread: what it starts has no capabilities but the caller's.
func EnterShadow(spec any) (temp string, reply func(any) error, err error) {
	var s shadowSpec
	if err := readFile(os.NewFile(specFD, "spec"), &s); err != nil {
		return "", nil, fmt.Errorf("read spec: %w", err)
	}
	if err := json.Unmarshal(s.Own, spec); err != nil {
		return "", nil, fmt.Errorf("decode spec: %w", err)
	}
	if err := s.mount(); err != nil {
		return "", nil, err
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return "", nil, fmt.Errorf("drop capabilities: %w", err)
	}
	out := os.NewFile(replyFD, "reply")
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return "", nil, fmt.Errorf("mark descriptors: %w", err)
	}
	return filepath.Join(s.Scratch, "temp"), func(v any) error { return json.NewEncoder(out).Encode(v) }, nil
}

func (s *shadowSpec) mount() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// A mount of its own, made before all becomes read-only, stays writable.
	scratch, err := unix.OpenTree(unix.AT_FDCWD, s.Scratch, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("clone mount: %w", err)
	}
	defer unix.Close(scratch)
	readOnly := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &readOnly); err != nil {
		return fmt.Errorf("make mounts read-only (Linux 5.12 or later can): %w", err)
	}
	if err := unix.MoveMount(scratch, "", unix.AT_FDCWD, s.Scratch, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attach mount: %w", err)
	}
	for i, dir := range s.Writable {
		layer, err := openLayer(dir)
		if err != nil {
			return err
		}
		err = mountLayers([]*os.File{layer}, filepath.Join(s.Scratch, strconv.Itoa(i)), dir, true)
		layer.Close()
		if err != nil {
			return fmt.Errorf("shadow %s (is it on an overlay itself?): %w", dir, err)
		}
	}
	return nil
}
