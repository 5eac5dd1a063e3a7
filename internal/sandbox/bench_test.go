package sandbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/internal/sandbox"
)

// inTurns runs f b.N times, two at once. end waits for all processes that worked for
// it. Processor time tells more than jobs/s on a machine that does other things too.
func inTurns(b *testing.B, f, end func() error) {
	var all sync.WaitGroup
	turns := make(chan struct{})
	for range 2 {
		all.Go(func() {
			for range turns {
				if err := f(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	before := processorTime(b)
	b.ResetTimer()
	for range b.N {
		turns <- struct{}{}
	}
	close(turns)
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	b.StopTimer()
	if err := end(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric((processorTime(b)-before)/float64(b.N), "cpu-ms/job")
}

// processorTime is that of this process and all it has waited for, in ms.
func processorTime(b *testing.B) float64 {
	var ms float64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			b.Fatal(err)
		}
		ms += float64(r.Utime.Nano()+r.Stime.Nano()) / 1e6
	}
	return ms
}

// BenchmarkJob is a job that does nothing, two at once, on an overlay of one layer.
func BenchmarkJob(b *testing.B) {
	c := config(b)
	c.Slots = 2
	s, err := sandbox.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	j := job(layer(b), "exit", "0")
	inTurns(b, func() error {
		r, err := s.Run(b.Context(), j)
		if err != nil {
			return err
		}
		return r.Close()
	}, s.Close)
}

// BenchmarkBubblewrap is the same program under bubblewrap alone, with the same
// namespaces, as the same sort of user.
func BenchmarkBubblewrap(b *testing.B) {
	c := config(b)
	l := layer(b)
	for _, dir := range []string{"proc", "dev", "tmp"} {
		if err := os.Mkdir(filepath.Join(l, dir), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	inTurns(b, func() error {
		cmd := exec.Command(c.Bwrap, "--die-with-parent", "--new-session", "--unshare-user", "--unshare-ipc", "--unshare-pid",
			"--unshare-net", "--unshare-uts", "--unshare-cgroup", "--disable-userns", "--uid", "1000", "--gid", "1000",
			"--hostname", "sandbox", "--cap-drop", "ALL", "--clearenv", "--bind", l, "/", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev",
			"--ro-bind", "/proc/sys", "/proc/sys", "--chdir", "/", "--", "/bin/probe", "exit", "0")
		cmd.Dir = "/"
		if c.Root {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: sandbox.JobUser, Gid: sandbox.JobUser}}
		}
		return cmd.Run()
	}, func() error { return nil })
}
