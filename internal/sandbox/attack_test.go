package sandbox_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/sandbox"
)

// TestSelfTest runs the self-test with measures left out: each time the attack that
// they are there for succeeds. The numbers are those of the list of attacks that
// workers have to withstand.
func TestSelfTest(t *testing.T) {
	s := open(t)
	if found, err := s.Attack(t.Context(), 0); err != nil || len(found) > 0 {
		t.Fatalf("%v, %v", found, err)
	}
	root := os.Getuid() == 0
	for _, c := range []struct {
		attack  string
		without sandbox.Measures
		says    string
		asRoot  bool // where the caller is root alone can it succeed
	}{
		{"settings", sandbox.Settings, "not read-only", false},
		{"settings", sandbox.Settings | sandbox.User, "core_pattern can be written", true}, // 1
		{"output", sandbox.User, "root to the kernel", true},
		{"first process", sandbox.Filter, "no filter", false},                                   // 4
		{"root", sandbox.RootDir, "is in /", false},                                             // 5
		{"user namespace", sandbox.Filter | sandbox.Userns, "root there", false},                // 6
		{"machine", sandbox.Filter | sandbox.Capabilities | sandbox.Userns, "machine's", false}, // 7, 27
		{"devices", sandbox.Devices | sandbox.User, "/dev", true},                               // 9
		{"set-user bits", sandbox.Devices, "set-user bits or devices", false},                   // 10
		{"sockets", sandbox.Filter, "sockets of the family", false},                             // 11
		{"calls", sandbox.Filter, "is carried out", false},                                      // 14
		{"environment", sandbox.Environment, "/proc/1/environ", false},                          // 25
		{"descriptors", sandbox.Descriptors, "descriptor", false},                               // 26
		{"messages of others", sandbox.IPC, "shared memory", false},                             // 28
		{"terminal", sandbox.Session, "session of somebody else", false},                        // 29
		{"terminal", sandbox.Filter, "type on terminals", false},                                // 29
		{"processes", sandbox.PID, "sees", false},                                               // 19
		{"limits", sandbox.KernelLimits, "too much", false},                                     // 19 to 21
		{"size", sandbox.Temp, "larger", false},                                                 // 17, 18
		{"user", sandbox.Capabilities | sandbox.Userns, "it is root", false},
	} {
		if c.asRoot && !root {
			continue
		}
		t.Run(c.attack+": "+c.says, func(t *testing.T) {
			if c.without&sandbox.IPC != 0 {
				id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) }()
			}
			found, err := s.Attack(t.Context(), c.without)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(found[c.attack], c.says) {
				t.Errorf("without the measure %q found %q, all: %v", c.attack, found[c.attack], slices.Sorted(maps.Keys(found)))
			}
		})
	}
}
