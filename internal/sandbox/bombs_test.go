package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/sandbox"
)

// small are limits that bombs meet soon.
func small() sandbox.Limits {
	l := sandbox.DefaultLimits()
	l.Wall, l.CPU, l.FileSize, l.Files, l.Messages = time.Minute, 1, 8<<20, 64, 1<<20
	l.Temp, l.Inodes, l.Memory, l.Processes = 16<<20, 200, 64<<20, 40
	return l
}

// TestBombs: rows 15 to 21. Each bomb stops at its limit, and goes all the way where
// nothing is in its way.
func TestBombs(t *testing.T) {
	s := open(t)
	l := layer(t)
	type shows int
	const ( // as ErrLimit
		never   shows = iota
		grouped       // where there are control groups
		always
	)
	const unlimited = sandbox.Groups | sandbox.Watch | sandbox.KernelLimits | sandbox.Temp
	for _, c := range []struct {
		name    string
		args    []string
		most    int // it goes so far at most
		all     int // without the measure it goes so far
		limit   shows
		without sandbox.Measures
	}{
		{"15 forks", []string{"forks", "120"}, 40, 120, grouped, unlimited},
		{"16 memory", []string{"memory", "192"}, 81, 192, always, unlimited},
		{"16 memory of several", []string{"memories", "384"}, 0, 384, always, unlimited},
		{"17 disk", []string{"disk", "24", "/tmp/f"}, 8, 24, never, unlimited},
		{"17 disk of shared memory", []string{"disk", "24", "/dev/shm/f"}, 8, 24, never, unlimited},
		{"18 files", []string{"files", "400"}, 200, 400, always, unlimited},
		{"19 open files", []string{"opens", "128"}, 64, 128, never, unlimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := job(l, c.args...)
			j.Limits = small()
			r, err := s.RunWithout(t.Context(), j, 0)
			switch {
			case err != nil && (c.limit == never || !errors.Is(err, sandbox.ErrLimit)):
				t.Error(err)
			case err == nil && (c.limit == always || c.limit == grouped && s.Level() == sandbox.Isolated):
				t.Errorf("status %d, %s", r.Status, r.Stdout)
			case err == nil:
				if n, err := strconv.Atoi(string(r.Stdout)); err != nil || n > c.most || r.Status == 0 {
					t.Errorf("status %d, it came as far as %q of %d", r.Status, r.Stdout, c.most)
				}
			}
			if err == nil {
				r.Close()
			}
			free, err := s.RunWithout(t.Context(), j, c.without)
			if err != nil {
				t.Fatal(err)
			}
			defer free.Close()
			if n, _ := strconv.Atoi(string(free.Stdout)); n < c.all || free.Status != 0 {
				t.Errorf("with nothing in its way: status %d, it came as far as %q", free.Status, free.Stdout)
			}
		})
	}
}

// TestSpin: row 21, a loop ends by the processor time that it takes.
func TestSpin(t *testing.T) {
	s := open(t)
	j := job(layer(t), "spin")
	j.Limits = small()
	if _, err := s.Run(t.Context(), j); !errors.Is(err, sandbox.ErrLimit) || !strings.Contains(err.Error(), "processor time") {
		t.Error(err)
	}
	j.Limits.Wall = 2 * time.Second
	if _, err := s.RunWithout(t.Context(), j, sandbox.KernelLimits); !errors.Is(err, sandbox.ErrLimit) || !strings.Contains(err.Error(), "2s") {
		t.Error(err)
	}
}

// TestBesideBombs: row 20, an honest job beside bombs comes to its end.
func TestBesideBombs(t *testing.T) {
	s := open(t)
	l := layer(t)
	done := make(chan error)
	bombs := [][]string{{"forks", "5000"}, {"memory", "5000"}, {"files", "100000"}, {"talk"}}
	for _, args := range bombs {
		go func() {
			j := job(l, args...)
			j.Limits = small()
			r, err := s.Run(t.Context(), j)
			if err == nil {
				err = r.Close()
			} else if errors.Is(err, sandbox.ErrLimit) {
				err = nil
			}
			done <- err
		}()
	}
	for range 10 {
		r := run(t, s, job(l, "exit", "7"))
		if r.Status != 7 {
			t.Errorf("status %d", r.Status)
		}
		r.Close()
	}
	for range bombs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestSignals: row 2. A job that kills its group, and all it can see, harms
// neither the worker nor another job. Without the measures it would kill the helper
// that started it.
func TestSignals(t *testing.T) {
	s := open(t)
	l := layer(t)
	other := make(chan error)
	go func() {
		j := job(l, "hang")
		j.Limits.Wall = 2 * time.Second
		_, err := s.Run(t.Context(), j)
		other <- err
	}()
	for _, args := range []string{"kill group", "kill all"} {
		r := run(t, s, job(l, args))
		if string(r.Stdout) != "alive\n" {
			t.Errorf("%s: %q, status %d", args, r.Stdout, r.Status)
		}
	}
	if err := <-other; !errors.Is(err, sandbox.ErrLimit) || !strings.Contains(err.Error(), "2s") {
		t.Errorf("the other job: %v", err)
	}
}

// TestNetwork: row 12. A socket without a name in the file system, of the host, is
// out of reach; where the network is the host's it is not.
func TestNetwork(t *testing.T) {
	name := "cachepot-test-" + strconv.Itoa(os.Getpid())
	listener, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l := layer(t)
	if r := run(t, open(t), job(l, "abstract", name)); string(r.Stdout) != "Connection refused" {
		t.Errorf("%q", r.Stdout)
	}
	if _, err := sandbox.OpenWithout(t.Context(), config(t), sandbox.Net); err == nil || !strings.Contains(err.Error(), "network interface") {
		t.Errorf("with the network of the host: %v", err)
	}
	s := opened(t, config(t), sandbox.Net|sandbox.Check)
	r, err := s.RunWithout(t.Context(), job(l, "abstract", name), sandbox.Net)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if string(r.Stdout) != "connected" {
		t.Errorf("with the network of the host: %q", r.Stdout)
	}
}

// TestAddresses: threat 17. Of 20 addresses none can be reached: there are no sockets for them,
// and where there are, no network; of the machine's the test listens at the first two, and
// they are reached where neither measure is there.
func TestAddresses(t *testing.T) {
	l := layer(t)
	var here []string
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		here = append(here, host+" "+port)
	}
	all := append(here, "127.0.0.53 443", "127.0.0.1 22", "0.0.0.0 80", "10.0.0.1 80", "172.17.0.1 2375", "192.168.0.1 80", "192.168.1.1 53", "169.254.169.254 80",
		"100.100.100.200 80", "192.0.2.1 443", "198.51.100.1 443", "203.0.113.1 53", "8.8.8.8 53", "224.0.0.251 53", "fd00:ec2::254 80", "fe80::1 80", "2001:db8::1 443", "ff02::fb 53")
	s := open(t)
	for what, without := range map[string]sandbox.Measures{"no socket": 0, "unreachable": sandbox.Filter} {
		r, err := s.RunWithout(t.Context(), job(l, append([]string{"tcp"}, all...)...), without)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(r.Stdout)), "\n")
		r.Close()
		if len(lines) != len(all) || len(all) != 20 {
			t.Errorf("%d of %d addresses: %q", len(lines), len(all), lines)
		}
		for _, line := range lines {
			if !strings.HasSuffix(line, ": "+what) {
				t.Errorf("%s, want %s", line, what)
			}
		}
	}
	open := opened(t, config(t), sandbox.Net|sandbox.Check)
	r, err := open.RunWithout(t.Context(), job(l, append([]string{"tcp"}, here...)...), sandbox.Net|sandbox.Filter)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := strings.Count(string(r.Stdout), ": connected"); n != 2 {
		t.Errorf("with the network of the host: %q", r.Stdout)
	}
}

// TestSecrets: threat 16. What the worker has in its environment, in files and, of other
// programs, in command lines is not there for a job; the job finds it where it is given the file,
// and sees the machine's processes.
func TestSecrets(t *testing.T) {
	const canary, backwards = "c4n4ry-of-the-worker", "rekrow-eht-fo-yr4n4c"
	t.Setenv("SECRET_OF_WORKER", canary)
	l, dir := layer(t), directory(t)
	write(t, dir+"/secret", canary)
	other := exec.Command("sh", "-c", "read x", canary)
	stdin, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_ = other.Wait() // it found no line to read
	}()
	hunt := job(l, "hunt", backwards, dir+"/secret", "/proc/1/root"+dir+"/secret", "/proc/self/root"+dir+"/secret")
	s := open(t)
	if r := run(t, s, hunt); len(r.Stdout) > 0 || r.Status != 0 {
		t.Errorf("status %d, found in %s", r.Status, r.Stdout)
	}
	hunt.Shared = []sandbox.Bind{{From: dir}}
	r, err := s.RunWithout(t.Context(), hunt, sandbox.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, want := range []string{dir + "/secret\n", "/cmdline\n"} {
		if !strings.Contains(string(r.Stdout), want) {
			t.Errorf("where it is there, found in %q, want %q too", r.Stdout, want)
		}
	}
}

// TestForeignCalls: row 13, calls by the numbers of other architectures.
func TestForeignCalls(t *testing.T) {
	s := open(t)
	l := layer(t)
	if r := run(t, s, job(l, "foreign")); string(r.Stdout) != "refused" {
		t.Errorf("%q, status %d", r.Stdout, r.Status)
	}
	r, err := s.RunWithout(t.Context(), job(l, "foreign"), sandbox.Filter)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if string(r.Stdout) != "works" {
		t.Errorf("without a filter: %q, status %d", r.Stdout, r.Status)
	}
}

// TestNextJob: rows 8, 18, 23, 33. Whatever a job leaves, the next one sees what it
// would have seen as the first.
func TestNextJob(t *testing.T) {
	c := config(t)
	c.Slots = 1
	s := opened(t, c, 0)
	l := layer(t)
	see := func() string {
		r := run(t, s, job(l, "digest"))
		defer r.Close()
		if r.Status != 0 || len(r.Stdout) == 0 {
			t.Fatalf("status %d", r.Status)
		}
		return string(r.Stdout)
	}
	before := see()
	for range 2 {
		run(t, s, job(l, "plant")).Close()
		if after := see(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	}
	// The comparison finds a difference where there is one.
	write(t, l+"/w/input", "Input")
	if see() == before {
		t.Error("a change in the layer was not seen")
	}
}

// TestOutputsOfHostileJobs: rows 40 to 48. What is no regular file of the job's is
// told of, and not opened.
func TestOutputsOfHostileJobs(t *testing.T) {
	s := open(t)
	want := map[string]sandbox.Kind{
		"absolute": sandbox.Symlink, "relative": sandbox.Symlink, "proc": sandbox.Symlink, "loop": sandbox.Symlink, "inside": sandbox.Symlink,
		"fifo": sandbox.Special, "device": sandbox.Missing, "socket": sandbox.Missing, "tree": sandbox.Directory,
		"sparse": sandbox.File, "hard": sandbox.File, "closed": sandbox.File,
	}
	j := job(layer(t), "hostile")
	j.Limits = small()
	for name := range want {
		j.Outputs = append(j.Outputs, name)
	}
	r := run(t, s, j)
	if string(r.Stdout) != "File too large" || r.Status != 0 {
		t.Errorf("a file of 1 TiB: %q, status %d", r.Stdout, r.Status)
	}
	for _, o := range r.Outputs {
		if o.Kind != want[o.Path] {
			t.Errorf("%s is of kind %d, want %d", o.Path, o.Kind, want[o.Path])
		}
		f, err := r.Open(o.Path)
		if (err == nil) != (o.Kind == sandbox.File) {
			t.Errorf("open %s: %v", o.Path, err)
		}
		if err == nil {
			f.Close()
		}
	}
	if _, err := r.Open("../../etc/passwd"); err == nil {
		t.Error("a path that nobody was told of was opened")
	}
	if got := content(t, r, "closed"); got != "closed" {
		t.Errorf("%q", got)
	}
}

// TestOutputsBehindLinks: a job that exchanges the directory of an output for a link gets
// nothing of the machine's into its outputs: paths are resolved within its own root.
func TestOutputsBehindLinks(t *testing.T) {
	s := open(t)
	j := job(layer(t), "swap")
	for i := range 4 {
		j.Outputs = append(j.Outputs, fmt.Sprintf("out%d/passwd", i))
	}
	r := run(t, s, j)
	if r.Status != 0 {
		t.Fatalf("status %d", r.Status)
	}
	for _, o := range r.Outputs {
		if f, err := r.Open(o.Path); o.Kind != sandbox.Missing || err == nil {
			t.Errorf("%s: %+v, %v", o.Path, o, err)
			if err == nil {
				f.Close()
			}
		}
	}
}

// TestWalk: a directory of outputs, and bounds for it.
func TestWalk(t *testing.T) {
	s := open(t)
	j := job(layer(t), "hostile")
	j.Limits = small()
	j.Outputs = []string{"tree"}
	r := run(t, s, j)
	all, err := r.Walk("tree", 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range all {
		line := o.Path + " " + strconv.Itoa(int(o.Kind)) + o.Target
		if o.Kind == sandbox.File {
			f, err := r.Open(o.Path)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			line += " " + string(b)
			f.Close()
		}
		got = append(got, line)
	}
	want := "/w/tree/l 3/etc/passwd,/w/tree/p 4,/w/tree/sub 2,/w/tree/sub/f 1 F,/w/tree/x 1 X"
	if strings.Join(got, ",") != want {
		t.Errorf("%q", got)
	}
	if _, err := r.Walk("tree", 4); !errors.Is(err, sandbox.ErrLimit) {
		t.Errorf("more entries than wanted: %v", err)
	}
	j = job(j.Layers[0], "deep", "70")
	j.Outputs = []string{"deep"}
	if _, err := run(t, s, j).Walk("deep", 1000); !errors.Is(err, sandbox.ErrLimit) {
		t.Errorf("70 levels: %v", err)
	}
}

// TestRacer: row 14. Processes that exchange an output with a link or a FIFO, and its
// directory with a link, outlive the command; when they are looked at all have ended.
func TestRacer(t *testing.T) {
	s := open(t)
	l := layer(t)
	j := job(l, "racer")
	j.Outputs = []string{"good", "bad", "fifo", "dir"}
	for range 20 {
		r := run(t, s, j)
		if moves(t, r) {
			t.Fatal("an output changes while it is looked at")
		}
		for _, o := range r.Outputs {
			if o.Kind == sandbox.File {
				if got := content(t, r, o.Path); got != "good" {
					t.Fatalf("%s is %q", o.Path, got)
				}
			}
		}
		r.Close()
	}
	// Where nobody waits for all processes, the exchange is seen to go on.
	for range 200 {
		r, err := s.RunWithout(t.Context(), j, sandbox.End)
		if err != nil {
			return // it changed even while the keeper looked
		}
		seen := moves(t, r)
		r.Close()
		if seen {
			return
		}
	}
	t.Error("the test cannot see processes that are left")
}

// moves reports whether an output is not now what it was a moment ago.
func moves(t *testing.T, r *sandbox.Result) bool {
	t.Helper()
	before := map[string]string{}
	for range 10 {
		for _, o := range []string{"good", "bad"} {
			f, err := r.Open(o)
			what := "opened"
			if err != nil {
				what = err.Error()
			} else {
				f.Close()
			}
			if was, ok := before[o]; ok && was != what {
				return true
			}
			before[o] = what
		}
	}
	return false
}
