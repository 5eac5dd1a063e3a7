//go:build linux && (amd64 || arm64)

package watch

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestNested(t *testing.T) {
	dir := setUp(t)
	self, err := os.Executable()
	must(t, err)
	watched(t, &Spec{
		Path: self, Argv: []string{self}, Env: []string{"WATCH_TEST_ROLE=nested", "WATCH_TEST_DIR=" + dir},
		Files: []uintptr{0, 1, 2}, Class: All,
	})
}

// A policy of the system that forbids what watching needs is found out before
// anything is started.
func TestUnavailable(t *testing.T) {
	tests := []struct {
		name      string
		call, arg int // arg: the first argument that is forbidden, -1: each
		errno     syscall.Errno
	}{
		{"filters", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, syscall.EPERM},
		{"filters, no access", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, syscall.EACCES},
		{"no such call", unix.SYS_SECCOMP, -1, syscall.ENOSYS},
		{"no such operation", unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, syscall.EINVAL},
		{"memory of others", unix.SYS_PROCESS_VM_READV, -1, syscall.EPERM},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := setUp(t)
			cmd := role(t, "unavailable", dir)
			cmd.Args = []string{"tool", "forbid", strconv.Itoa(tt.call), strconv.Itoa(tt.arg), strconv.Itoa(int(tt.errno)), cmd.Path}
			cmd.Path = dir + "/tool"
			must(t, cmd.Run())
		})
	}
}

func TestPermitted(t *testing.T) { must(t, Permitted()) }

// Without privileges the child takes on no-new-privs; root goes without.
func TestUnprivileged(t *testing.T) {
	dir := setUp(t)
	cmd := role(t, "plain", dir)
	cmd.Env = append(cmd.Env, "WATCH_TEST_PLAY=opens")
	if os.Getuid() == 0 {
		b, err := os.ReadFile(cmd.Path)
		must(t, err)
		cmd.Path = dir + "/self"
		must(t, os.WriteFile(cmd.Path, b, 0o755))
		for d := dir; len(d) > len(os.TempDir()); d = d[:strings.LastIndexByte(d, '/')] {
			must(t, os.Chmod(d, 0o755))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := cmd.Output()
	must(t, err)
	r := watched(t, scene(t, All, dir, "opens"))
	if diff := cmp.Diff(strings.Join(told(r, dir), "\n")+"\n", string(out)); diff != "" {
		t.Errorf("-privileged +plain:\n%s", diff)
	}
}
