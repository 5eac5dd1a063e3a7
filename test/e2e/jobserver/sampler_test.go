package jobserver

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sampler looks at /proc again and again while a build runs, and counts what
// works below one directory. Processes are found by their working directory, not
// by their parents, so that a compiler that somebody else started is seen too.
type sampler struct {
	dir    string
	root   int // the process that all compilers must descend from
	counts []int
	lost   map[string]bool // compilers that do not descend from root
	stop   chan struct{}
	done   chan struct{}
}

// sampleWhile samples what count says of each process below dir until the
// returned sampler is finished.
func sampleWhile(dir string, root int, count func(pid int, comm string) int) *sampler {
	s := &sampler{dir: dir, root: root, lost: map[string]bool{}, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(15 * time.Millisecond):
				s.sample(count)
			}
		}
	}()
	return s
}

// finish returns the count that a tenth of the samples with any work reached. The
// highest of all would be no measure: a thread that has given its token back may
// live on beside its successor for as long as a busy machine lets it wait.
func (s *sampler) finish() int {
	close(s.stop)
	<-s.done
	busy := slices.DeleteFunc(s.counts, func(n int) bool { return n == 0 })
	if len(busy) == 0 {
		return 0
	}
	slices.Sort(busy)
	return busy[len(busy)-1-len(busy)/10]
}

func (s *sampler) sample(count func(int, string) int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	total := 0
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if err != nil || cwd != s.dir && !strings.HasPrefix(cwd, s.dir+"/") {
			continue // gone, somebody else's, or elsewhere
		}
		comm, _ := stat(pid)
		n := count(pid, comm)
		if n > 0 && !s.descends(pid) {
			s.lost[comm] = true
		}
		total += n
	}
	s.counts = append(s.counts, total)
}

// descends follows the parents of pid up to root. A process that ends meanwhile
// gets the benefit of the doubt.
func (s *sampler) descends(pid int) bool {
	for pid > 1 && pid != s.root {
		_, parent := stat(pid)
		if parent < 0 {
			return true
		}
		pid = parent
	}
	return pid == s.root
}

// stat returns the name and the parent of a process; -1 where it is gone. Of one that
// is taken from the table of processes while it is looked at the kernel says that its
// parent is 0.
func stat(pid int) (comm string, parent int) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", -1
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	parent, err = strconv.Atoi(fields[1])
	if err != nil || parent == 0 && pid != 1 {
		return "", -1
	}
	return string(data[open+1 : end]), parent
}

// named counts processes of one of these names.
func named(names ...string) func(int, string) int {
	return func(_ int, comm string) int {
		for _, name := range names {
			if comm == name {
				return 1
			}
		}
		return 0
	}
}

// codegenThreads counts the threads of a rustc that optimise code: rustc names
// them after what they do and the unit they do it to.
func codegenThreads(pid int, comm string) int {
	if comm != "rustc" {
		return 0
	}
	tasks := filepath.Join("/proc", strconv.Itoa(pid), "task")
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range entries {
		name, err := os.ReadFile(filepath.Join(tasks, e.Name(), "comm"))
		if err == nil && (bytes.HasPrefix(name, []byte("opt ")) || bytes.HasPrefix(name, []byte("lto "))) {
			n++
		}
	}
	return n
}

func TestFinish(t *testing.T) {
	tests := []struct {
		counts []int
		want   int
	}{
		{nil, 0},
		{[]int{0, 0}, 0},
		{[]int{0, 2, 0}, 2},
		{[]int{2, 1, 2, 2, 3, 2, 2, 1, 2, 2, 0}, 2},
		{[]int{2, 1, 2, 2, 3, 2, 3, 1, 2, 2, 0}, 3},
	}
	for _, tt := range tests {
		s := &sampler{counts: slices.Clone(tt.counts), stop: make(chan struct{}), done: make(chan struct{})}
		close(s.done)
		if got := s.finish(); got != tt.want {
			t.Errorf("count of %v = %d, want %d", tt.counts, got, tt.want)
		}
	}
}
