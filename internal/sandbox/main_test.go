package sandbox_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/internal/sandbox"
)

// made is the directory with the programs of the tests, set once before them: the
// static test binary (with the race detector the running one is not static) and the
// probe. It is what a second run, of another user, finds them by.
var made = os.Getenv("CACHEPOT_SANDBOX_TEST")

// TestMain makes the test binary what the sandbox starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "inner" {
		known, err := sandbox.Inner(os.Args[2])
		if !known {
			err = inShadow()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if made != "" {
		os.Exit(m.Run())
	}
	os.Exit(withPrograms(m))
}

func withPrograms(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cachepot-sandbox-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	made = dir
	source := filepath.Join(dir, "probe.c")
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "program"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	compile := exec.Command("gcc", "-static", "-w", "-o", filepath.Join(dir, "probe"), source)
	err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(source, []byte(probe), 0o644))
	for _, cmd := range []*exec.Cmd{build, compile} {
		out, failed := cmd.CombinedOutput()
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%w\n%s", failed, out))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestRootless runs the other tests again as a user who is not root, and so at the
// other level.
func TestRootless(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("all of this run is rootless")
		return
	}
	const nobody = 65534
	dir := directory(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(made, "program"), "-test.v", "-test.timeout=5m", "-test.skip=^(TestRootless|TestShadow)$")
	cmd.Dir = dir
	cmd.Env = []string{"CACHEPOT_SANDBOX_TEST=" + made, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setsid: true}
	out, err := cmd.CombinedOutput()
	for _, m := range regexp.MustCompile(`(?m)^--- (\w+): (\w+)`).FindAllSubmatch(out, -1) {
		t.Run(string(m[2]), func(t *testing.T) {
			if string(m[1]) != "PASS" {
				t.Fail()
			}
		})
	}
	if err != nil || testing.Verbose() {
		t.Logf("%v\n%s", err, out)
	}
	if err != nil {
		t.Fail()
	}
}

// directory makes a directory that others can pass through, unlike t.TempDir.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cachepot-sandbox-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sandbox.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(t testing.TB) sandbox.Config {
	t.Helper()
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		t.Fatal(err)
	}
	c := sandbox.Config{
		Program: filepath.Join(made, "program"), Self: []string{"inner"}, Bwrap: bwrap,
		Dir: directory(t), Root: os.Getuid() == 0, Slots: 8,
	}
	if os.Getenv("CACHEPOT_SANDBOX_TEST_LEVEL") == sandbox.Isolated.String() { // where there are control groups for sure
		c.Demand = sandbox.Isolated
	}
	return c
}

func open(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	return opened(t, config(t), 0)
}

func opened(t testing.TB, c sandbox.Config, without sandbox.Measures) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.OpenWithout(t.Context(), c, without)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
