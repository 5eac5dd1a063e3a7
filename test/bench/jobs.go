package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/client"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/tree"
)

// throughput is how many jobs that do nothing one way of running them gets done, one
// figure of each round.
type throughput struct {
	Way       string    `json:"way"`
	PerSecond []float64 `json:"jobs_per_second"`
	Processor []float64 `json:"cpu_milliseconds_per_job"` // of all processes, ours among them
	Median    []float64 `json:"median_milliseconds"`      // from asking to the answer
	run       func(ctx context.Context, client, number int) error
	clients   int
}

// jobsRound is how long each way has in each round.
const jobsRound = 3 * time.Second

// jobs counts how many jobs that do nothing, no two the same, a scheduler and a worker of
// ours get done for some clients; beside it buildbox-casd, and bubblewrap alone, as many at
// once as a worker has slots.
func jobs(ctx context.Context, b *bench) (err error) {
	t, err := newTrivial(b)
	if err != nil {
		return err
	}
	defer os.RemoveAll(t.dir)
	group, err := countProcessors()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.leave()) }()
	ways := []*throughput{{Way: "bubblewrap alone", clients: b.jobs, run: t.bare}}
	ours, stop, err := t.cluster(ctx, b)
	if err != nil {
		return err
	}
	defer stop()
	ways = append(ways, ours)
	var absent []string
	if casd, stop, err := t.casd(b); err == nil {
		defer stop()
		ways = append(ways, casd)
	} else if errors.Is(err, os.ErrNotExist) {
		absent = append(absent, "buildbox-casd")
	} else {
		return err
	}
	ways = slices.DeleteFunc(ways, func(w *throughput) bool { return w != ways[0] && !strings.HasPrefix(w.Way, b.only) })
	number := 0
	for round := -1; round < b.rounds; round++ { // the first one is not counted
		for _, w := range ways {
			if err := w.turn(ctx, group, &number, round >= 0); err != nil {
				return fmt.Errorf("%s: %w", w.Way, err)
			}
		}
	}
	printJobs(b, ways, absent)
	return b.writeJSON("jobs", absent, ways)
}

// turn runs jobs for the length of a round.
func (w *throughput) turn(ctx context.Context, group *processors, number *int, counts bool) error {
	var all sync.WaitGroup
	var done atomic.Int64
	failed := make([]error, w.clients)
	took := make([][]float64, w.clients)
	before := group.seconds()
	start := time.Now()
	for i := range w.clients {
		first := *number + 1 + i
		all.Go(func() {
			for n := first; time.Since(start) < jobsRound && ctx.Err() == nil; n += w.clients {
				begun := time.Now()
				if failed[i] = w.run(ctx, i, n); failed[i] != nil {
					return
				}
				took[i] = append(took[i], milliseconds(time.Since(begun)))
				done.Add(1)
			}
		})
	}
	all.Wait()
	length := time.Since(start)
	time.Sleep(300 * time.Millisecond) // what is done afterwards counts too
	used := group.seconds() - before
	*number += 1 << 20 // no number comes again
	if err := errors.Join(append(failed, ctx.Err())...); err != nil {
		return err
	}
	if n := float64(done.Load()); counts && n > 0 {
		w.PerSecond = append(w.PerSecond, n/seconds(length))
		w.Processor = append(w.Processor, 1000*used/n)
		w.Median = append(w.Median, spreadOf(slices.Concat(took...)).Median)
	}
	return nil
}

// trivial is the job that does nothing, laid out in a directory and as an input tree.
type trivial struct {
	dir, root string // root is what the job sees as /
	program   string // in root
	tree      digest.Digest
	blobs     []reapi.Blob
	bwrap     string
	attr      *syscall.SysProcAttr
}

// newTrivial lays out the true of this machine and its libraries.
func newTrivial(b *bench) (*trivial, error) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return nil, err
	}
	t := &trivial{bwrap: bwrap, program: "/usr/bin/true"}
	if t.dir, err = os.MkdirTemp(b.work, "jobs-"); err != nil {
		return nil, err
	}
	t.root = filepath.Join(t.dir, "root")
	if os.Getuid() == 0 { // as jobs are nobody's
		t.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	files, err := closure(t.program)
	if err != nil {
		return nil, err
	}
	var in tree.Builder
	for _, dir := range []string{"/proc", "/dev", "/tmp"} {
		in.Dir(dir)
		if err := os.MkdirAll(t.root+dir, 0o755); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(t.root+f), 0o755), os.WriteFile(t.root+f, content, 0o755)); err != nil {
			return nil, err
		}
		d := digest.Of(content)
		in.File(f, d, true)
		t.blobs = append(t.blobs, reapi.Blob{Digest: d, Bytes: content})
	}
	built, err := in.Build()
	if err != nil {
		return nil, err
	}
	t.tree = built.Root
	for d, enc := range built.Dirs {
		t.blobs = append(t.blobs, reapi.Blob{Digest: d, Bytes: enc})
	}
	return t, os.Chmod(t.dir, 0o755)
}

// closure returns a program, its interpreter and its libraries, by the paths by which the
// interpreter looks for them.
func closure(program string) ([]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := []string{program}
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return nil, err
		}
		files = append(files, strings.TrimRight(string(name), "\x00"))
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	for _, name := range libraries {
		found, err := filepath.Glob("/lib/*-linux-gnu/" + name)
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%s of %s: found %q", name, program, found)
		}
		files = append(files, found[0])
	}
	return files, nil
}

// bare runs it under bubblewrap, in the namespaces that a worker's jobs have.
func (t *trivial) bare(ctx context.Context, _, n int) error {
	cmd := exec.CommandContext(ctx, t.bwrap, "--die-with-parent", "--new-session", "--unshare-user", "--unshare-ipc", "--unshare-pid",
		"--unshare-net", "--unshare-uts", "--unshare-cgroup", "--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox",
		"--cap-drop", "ALL", "--clearenv", "--setenv", "NUMBER", strconv.Itoa(n), "--ro-bind", t.root, "/", "--tmpfs", "/tmp", "--proc", "/proc",
		"--dev", "/dev", "--ro-bind", "/proc/sys", "/proc/sys", "--chdir", "/", "--", t.program)
	cmd.Dir, cmd.SysProcAttr = "/", t.attr
	return cmd.Run()
}

// job makes an action of it that is like no other.
func (t *trivial) job(n int) (*reapi.Job, error) {
	act, err := action.New(&action.Command{Args: []string{t.program}, Env: []string{"NUMBER=" + strconv.Itoa(n)}, Dir: "/"}, t.tree, action.ISA(runtime.GOARCH))
	if err != nil {
		return nil, err
	}
	blobs := append(slices.Clone(t.blobs), reapi.Blob{Digest: digest.Of(act.Command), Bytes: act.Command}, reapi.Blob{Digest: act.Digest, Bytes: act.Action})
	return &reapi.Job{Action: act.Digest, Blobs: blobs, Affinity: t.tree.String()}, nil
}

// executed executes it and wants it to end well.
func (t *trivial) executed(ctx context.Context, n int, by interface {
	Execute(context.Context, *reapi.Job) (*reapi.Result, error)
}) error {
	job, err := t.job(n)
	if err != nil {
		return err
	}
	r, err := by.Execute(ctx, job)
	if err == nil && r.ExitCode != 0 {
		err = fmt.Errorf("the job ended with %d", r.ExitCode)
	}
	return err
}

// cluster starts a scheduler and a worker. Each client has a connection of its own to both.
func (t *trivial) cluster(ctx context.Context, b *bench) (*throughput, func(), error) {
	scheduler, worker, err := startCluster(b)
	if err != nil {
		return nil, nil, err
	}
	var clients []*client.Client
	stop := func() {
		for _, c := range clients {
			c.Close()
		}
		worker.stop()
		scheduler.stop()
	}
	for range b.clients {
		clients = append(clients, client.New(client.Config{
			Scheduler: reach.Config{URL: "http://" + scheduler.address, Token: clusterToken, Agent: "bench"}, Patient: true, Log: slog.New(slog.DiscardHandler),
		}))
	}
	w := &throughput{Way: "scheduler and worker", clients: b.clients, run: func(ctx context.Context, i, n int) error { return t.executed(ctx, n, clients[i]) }}
	return w, stop, nil
}

// casd starts buildbox-casd. Each client has a connection of its own.
func (t *trivial) casd(b *bench) (*throughput, func(), error) {
	e, err := startService(b)
	if err != nil {
		return nil, nil, err
	}
	var clients []*reapi.Client
	stop := func() {
		for _, c := range clients {
			_ = c.Close()
		}
		e.stop()
	}
	for range b.clients {
		c, err := reapi.New(reapi.Config{Address: e.address, Agent: "bench"})
		if err != nil {
			stop()
			return nil, nil, err
		}
		clients = append(clients, c)
	}
	w := &throughput{Way: "buildbox-casd", clients: b.clients, run: func(ctx context.Context, i, n int) error { return t.executed(ctx, n, clients[i]) }}
	return w, stop, nil
}

// clusterToken is what clients and workers of a cluster of this program show.
const clusterToken = "0123456789abcdef0123456789abcdef"

// startCluster starts a scheduler, and a worker with an empty store that is registered there.
func startCluster(b *bench) (scheduler, worker *service, err error) {
	if scheduler, err = startDist(b, "scheduler", func(s *service) string {
		return "public_addr = \"" + s.address + "\"\n[client_auth]\ntype = \"token\"\ntoken = \"" + clusterToken + "\"\n" +
			"[worker_auth]\ntype = \"token\"\ntoken = \"" + clusterToken + "\"\n"
	}); err != nil {
		return nil, nil, err
	}
	worker, err = startDist(b, "worker", func(s *service) string {
		return "cache_dir = \"" + s.dir + "/cache\"\npublic_addr = \"" + s.address + "\"\nscheduler_url = \"http://" + scheduler.address + "\"\n" +
			"[scheduler_auth]\ntype = \"token\"\ntoken = \"" + clusterToken + "\"\n[builder]\ntype = \"overlay\"\nbuild_dir = \"" + s.dir + "/build\"\n" +
			"slots = " + strconv.Itoa(b.jobs) + "\n"
	})
	if err != nil {
		scheduler.stop()
		return nil, nil, err
	}
	return scheduler, worker, nil
}

func printJobs(b *bench, ways []*throughput, absent []string) {
	fmt.Printf("\njobs that do nothing, %d at once, %d clients: median (min-max) of %d rounds of %v, load average %.2f\n", b.jobs, b.clients, b.rounds, jobsRound, loadAverage())
	if len(absent) > 0 {
		fmt.Println("absent:", strings.Join(absent, ", "))
	}
	rows := [][]string{{"", "jobs/s", "/ alone", "CPU ms a job", "alone / CPU", "ms a job"}}
	for _, w := range ways {
		rows = append(rows, []string{w.Way, spreadOf(w.PerSecond).String(), spreadOf(ratios(w.PerSecond, ways[0].PerSecond)).String(),
			spreadOf(w.Processor).String(), spreadOf(ratios(ways[0].Processor, w.Processor)).String(), spreadOf(w.Median).String()})
	}
	printTable(rows)
}
