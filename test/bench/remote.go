package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// remoteCost is what one call costs the client when it is compiled by a service, beside
// a compile here. All figures are in milliseconds, one of each round.
type remoteCost struct {
	Call   string    `json:"call"`
	Local  []float64 `json:"local_cpu_milliseconds"`
	First  cost      `json:"first_sight"` // the call was never made before
	Again  cost      `json:"again"`       // one like it was, and its source has changed
	Server string    `json:"service"`
}

// cost is a call's cost to the client.
type cost struct {
	Wrapper     []float64 `json:"wrapper_cpu_milliseconds"` // with what it ran
	Coordinator []float64 `json:"coordinator_cpu_milliseconds"`
	Wall        []float64 `json:"wall_milliseconds"`
}

// remote measures the processor time that a client spends on calls that a service
// compiles. The service is buildbox-casd, on this machine; its own time is not counted.
func remote(ctx context.Context, b *bench) (err error) {
	product, err := cachepotSystem(ctx, b)
	if err != nil {
		return err
	}
	loads, err := workloads(ctx, b)
	if err != nil {
		return err
	}
	more, err := buildWorkloads(ctx, b)
	if err != nil {
		return err
	}
	loads = append(loads, more...)
	e, err := startService(b)
	if err != nil {
		return err
	}
	defer e.stop()
	if product.settings, err = through(product.settings, e.dir, e.address); err != nil {
		return err
	}
	in, err := launch(ctx, b, product)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	pid, err := harness.CoordinatorOf(filepath.Join(in.dir, "cache"))
	if err != nil {
		return err
	}
	var results []*remoteCost
	for _, w := range loads {
		if !strings.HasPrefix(w.name, b.only) {
			continue
		}
		r, err := costOf(ctx, b, in, pid, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		results = append(results, r)
	}
	printRemote(b, results)
	return b.writeJSON("remote", nil, results)
}

// service is a running buildbox-casd.
type service struct {
	address, dir string
	cmd          *exec.Cmd
}

// startService starts the service, which scripts/install check has fetched, with an empty store.
func startService(b *bench) (*service, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &service{address: "127.0.0.1:" + strconv.Itoa(port)}
	if s.dir, err = os.MkdirTemp(b.work, "service-"); err != nil {
		return nil, err
	}
	programs := filepath.Join(b.root, ".work", "engine")
	cmd, err := harness.Casd(programs, s.address, filepath.Join(s.dir, "store"), b.jobs)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	cmd.Env = append(slices.Clone(b.env), "PATH="+programs+":"+os.Getenv("PATH"))
	return s, s.start(cmd)
}

// startDist starts a server of ours with a directory of its own, for which file is written.
func startDist(b *bench, name string, file func(*service) string) (*service, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &service{address: "127.0.0.1:" + strconv.Itoa(port)}
	if s.dir, err = os.MkdirTemp(b.work, "service-"); err != nil {
		return nil, err
	}
	conf := filepath.Join(s.dir, name+".conf")
	// Jobs of a worker are another user's.
	if err := errors.Join(os.Chmod(s.dir, 0o755), os.WriteFile(conf, []byte(file(s)), 0o600)); err != nil {
		return nil, err
	}
	cmd := exec.Command(b.cachepot+"-dist", name, "--config", conf)
	cmd.Env = append(slices.Clone(b.env), "CACHEPOT_NO_DAEMON=1")
	return s, s.start(cmd)
}

// start waits until the service listens.
func (s *service) start(cmd *exec.Cmd) error {
	s.cmd = cmd
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	for range 2000 {
		if c, err := net.Dial("tcp", s.address); err == nil {
			return c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.stop()
	return fmt.Errorf("the service does not listen")
}

func (s *service) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
	_ = filepath.WalkDir(s.dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return nil
	})
	_ = os.RemoveAll(s.dir)
}

// processorTime returns for how long the threads that a process has now have run.
func processorTime(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("process %d has gone", pid)
	}
	var sum int64
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		field, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return time.Duration(sum), nil
}

// costOf makes the calls of a workload: here, as new ones, and as known ones with another source.
func costOf(ctx context.Context, b *bench, in *instance, pid int, w workload) (*remoteCost, error) {
	r := &remoteCost{Call: w.name, Server: "buildbox-casd"}
	number, calls := 0, 2
	unlike := func(n int) []string { // another call each time, to the same effect
		option := "-DCALL=" + strconv.Itoa(n)
		if w.lang == "Rust" {
			option = "--cfg=call" + strconv.Itoa(n)
		}
		return append(append([]string{in.wrapper}, w.argv...), option)
	}
	known := func(int) []string { return append([]string{in.wrapper}, w.argv...) }
	bare := func(int) []string { return w.argv }
	if w.before != nil {
		if _, err := output(ctx, w.dir, in.env, append([]string{in.wrapper}, w.before...)...); err != nil {
			return nil, err
		}
	}
	for round := -1; round < b.rounds; round++ { // the first one is not counted
		for _, kind := range []struct {
			argv  func(int) []string
			count func(wrapper, coordinator, wall float64)
		}{
			{bare, func(wrapper, _, _ float64) { r.Local = append(r.Local, wrapper) }},
			{unlike, r.First.add},
			{known, r.Again.add},
		} {
			if err := ctx.Err(); err != nil {
				return r, err
			}
			wrapper, coordinator, wall, err := turnOf(in, pid, w, &number, calls, kind.argv)
			if err != nil {
				return r, err
			}
			if round >= 0 {
				kind.count(wrapper, coordinator, wall)
			} else if calls == 2 { // after the first, which is bare
				calls = min(max(int(milliseconds(roundLength)/wall), 2), 20)
			}
		}
	}
	return r, nil
}

func (c *cost) add(wrapper, coordinator, wall float64) {
	c.Wrapper, c.Coordinator, c.Wall = append(c.Wrapper, wrapper), append(c.Coordinator, coordinator), append(c.Wall, wall)
}

// turnOf makes some calls, no two with the same source, and returns means in milliseconds.
func turnOf(in *instance, pid int, w workload, number *int, calls int, argv func(int) []string) (wrapper, coordinator, wall float64, err error) {
	before, err := processorTime(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	var cpu, took time.Duration
	for range calls {
		*number++
		if err := edit(w, *number); err != nil {
			return 0, 0, 0, err
		}
		// What was just written is waited for, here as well as there.
		time.Sleep(5 * time.Millisecond)
		args := argv(*number)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = w.dir, append(slices.Clone(in.env), w.env...)
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, 0, 0, fmt.Errorf("%w: %s", err, out)
		}
		took += time.Since(start)
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	after, err := processorTime(pid)
	n := time.Duration(calls)
	return milliseconds(cpu / n), milliseconds((after - before) / n), milliseconds(took / n), err
}

func printRemote(b *bench, results []*remoteCost) {
	fmt.Printf("\nprocessor time of the client, median (min-max) of %d rounds, load average %.2f\n", b.rounds, loadAverage())
	rows := [][]string{{"", "", "wrapper ms", "coordinator ms", "/ local", "wall ms"}}
	for _, r := range results {
		rows = append(rows, []string{r.Call, "here", spreadOf(r.Local).String(), "", "", ""})
		for _, c := range []struct {
			name string
			cost
		}{{"first sight", r.First}, {"again", r.Again}} {
			sum := make([]float64, len(c.Wrapper))
			for i := range sum {
				sum[i] = c.Wrapper[i] + c.Coordinator[i]
			}
			rows = append(rows, []string{"", c.name, spreadOf(c.Wrapper).String(), spreadOf(c.Coordinator).String(),
				spreadOf(ratios(sum, r.Local)).String(), spreadOf(c.Wall).String()})
		}
	}
	printTable(rows)
}
