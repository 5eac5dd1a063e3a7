package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// keeperSpec is what a keeper is told when it starts.
type keeperSpec struct {
	Bwrap string
	Self  []string
	Dir   string // where it mounts
	// User is the user and group of its jobs, which nobody else has. 0: the keeper is
	// root in its user namespace only, and its jobs are the user who started it.
	User   int
	Groups groups
	// Processors is how many a job can keep busy; 0: all.
	Processors float64
}

// jobSpec is a job as a keeper is told of it.
type jobSpec struct {
	Job
	Own     bool     // the command is the running program, with Args
	Without measures // tests of the sandbox only
	// What the keeper adds.
	CountProcesses, BoundData bool
}

// keeper mounts what its jobs see, one job after the other, and starts bubblewrap
// for them. It holds no secret and has no network. Its own thread, the only one
// that starts processes, is in the control groups of the slot.
type keeper struct {
	spec    keeperSpec
	program *os.File
	null    *os.File
	filter  *os.File // the seccomp program
	groups  *joined
	mounted bool              // its scratch, for a job whose files are still asked for
	root    *os.Root          // its root; nil between jobs
	told    map[string]string // paths that the worker may ask for, and where they lie
	running running
	peak    uint64 // bytes of memory that the largest process of the job had
}

// running is the job that runs now, and who should be killed.
type running struct {
	sync.Mutex
	number  int
	process int     // descriptor of bubblewrap, -1 while there is none
	why     string  // it was killed
	next    request // to kill a job that is not known yet
	gone    bool    // nobody waits for any job
}

// kill kills a job, now or when it has a process.
func (r *running) kill(q request) {
	r.Lock()
	defer r.Unlock()
	if q.Job > r.number {
		r.next = q
	}
	if q.Job != r.number || r.why != "" {
		return
	}
	r.why = q.Kill
	if r.process >= 0 {
		_ = unix.PidfdSendSignal(r.process, unix.SIGKILL, nil, 0) // fails where it has ended
	}
}

// end reports whether the job was killed; it cannot be any more.
func (r *running) end() bool {
	r.Lock()
	defer r.Unlock()
	unix.Close(r.process)
	r.process = -1
	return r.why != ""
}

// begin makes a job the one that runs.
func (r *running) begin(number int) {
	r.Lock()
	defer r.Unlock()
	r.number, r.process, r.why = number, -1, ""
	if r.next.Job == number {
		r.why = r.next.Kill
	}
	if r.gone {
		r.why = "nobody waits for it"
	}
}

// listen kills jobs as it is told to, and the last when there is nobody any more.
func (r *running) listen(c *net.UnixConn) {
	for {
		var q request
		if _, err := receive(c, &q); err != nil {
			r.Lock()
			r.gone = true
			q = request{Job: r.number, Kill: "nobody waits for it"}
			r.Unlock()
			r.kill(q)
			return
		}
		r.kill(q)
	}
}

func keeperStage() error {
	// What the caller inherited is none of bubblewrap's business.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark descriptors: %w", err)
	}
	runtime.LockOSThread()
	// With more, the runtime looks every few microseconds whether a thread that waits
	// in the kernel could lend its processor to others, of which there are none.
	runtime.GOMAXPROCS(1)
	in := os.NewFile(specFD, "spec")
	k := &keeper{program: os.NewFile(selfFD, "program")}
	if err := readFile(in, &k.spec); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	in.Close()
	kills, err := connection(os.NewFile(killFD, "socket"))
	if err != nil {
		return err
	}
	go k.running.listen(kills)
	if err := k.settle(); err != nil {
		return err
	}
	return k.serve()
}

// settle makes the process what jobs are started from.
func (k *keeper) settle() error {
	// What is mounted elsewhere later is seen here, not the other way round.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// Processes of a job that lose their parent become children: none is overlooked.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt processes: %w", err)
	}
	var err error
	if k.null, err = os.Open(os.DevNull); err != nil {
		return err
	}
	f, err := memory("filter")
	if err != nil {
		return err
	}
	if _, err := f.Write(filter()); err != nil {
		return fmt.Errorf("write filter: %w", err)
	}
	k.filter = f
	if k.groups, err = k.spec.Groups.join(); err != nil {
		return err
	}
	// Bubblewrap reads the list of all mounts for each of its own. These no job needs, nor does a layer lie there; where
	// they cannot be unmounted, in a user namespace, it takes longer.
	for _, at := range []string{"/sys", "/dev/mqueue", "/dev/hugepages", "/dev/pts", "/proc/sys/fs/binfmt_misc"} {
		_ = unix.Unmount(at, unix.MNT_DETACH)
	}
	unix.Umask(0o022)
	return k.groups.share(k.spec.Processors)
}

// serve answers requests until the worker goes.
func (k *keeper) serve() error {
	c := blocking(replyFD)
	for {
		var q request
		if _, err := receive(c, &q); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if q.End {
			if err := k.forget(); err != nil {
				return err
			}
			continue
		}
		r, file := k.answer(&q)
		var err error
		if file != nil {
			err = send(c, r, file)
			file.Close()
		} else {
			err = send(c, r)
		}
		if err != nil {
			return err
		}
	}
}

func (k *keeper) answer(q *request) (*reply, *os.File) {
	r, file := &reply{}, (*os.File)(nil)
	var err error
	switch {
	case q.Run != nil:
		err = k.run(q.Run, q.Job, r)
	case q.Open != "":
		file, err = k.open(q.Open)
	case q.Walk != "":
		r.Outputs, err = k.walk(q.Walk, q.Most)
	default:
		err = errors.New("a request that means nothing")
	}
	if err != nil {
		return &reply{Stderr: r.Stderr, Error: strings.TrimPrefix(err.Error(), ErrLimit.Error()+": "), Bounded: errors.Is(err, ErrLimit)}, nil
	}
	return r, file
}

// run runs a job to its end: none of its processes is left.
func (k *keeper) run(j *jobSpec, number int, r *reply) error {
	k.running.begin(number)
	k.peak = 0
	if k.mounted {
		return errors.New("the files of the last job are still in use")
	}
	if err := k.mount(j); err != nil {
		return err
	}
	if err := k.prepare(j); err != nil {
		return err
	}
	bounds := j.Limits
	if j.Without.has(measureGroups) {
		bounds.Memory, bounds.Processes = 1<<40, 1<<20
	}
	if err := k.groups.limit(&bounds); err != nil {
		return err
	}
	if len(k.groups.Dirs) == 0 {
		j.CountProcesses, j.BoundData = k.spec.User != 0 || countsForItself(), true
		if !j.Without.has(measureWatch) {
			stop := make(chan struct{})
			defer close(stop)
			go k.watch(j, number, stop)
		}
	}
	if err := k.start(j, r); err != nil {
		return err
	}
	k.running.Lock()
	r.Limit = k.running.why
	k.running.Unlock()
	if r.Limit == "" {
		r.Limit = k.overrun(r.Status, &bounds)
	}
	for _, o := range j.Outputs {
		out, err := k.describe(inRoot(j.Dir, o))
		if err != nil {
			return fmt.Errorf("look at output %s: %w", o, err)
		}
		out.Path = o
		k.told[o] = inRoot(j.Dir, o)
		r.Outputs = append(r.Outputs, out)
	}
	return nil
}

// overrun tells which limit a job has met, of those that do not kill it or kill it
// without a word. Where nothing counts what was refused, a command that fails and had most of
// the memory that one process may have is taken for one that got no more.
func (k *keeper) overrun(status int, l *Limits) string {
	met := k.groups.exceeded()
	switch {
	case met.memory > 0:
		return "memory"
	case status == 0:
		return ""
	case met.processes > 0:
		return "processes"
	case len(k.groups.Dirs) == 0 && k.peak > l.Memory/4*3:
		return "memory"
	case status == 128+int(unix.SIGXFSZ):
		return "size of a file"
	case status == 128+int(unix.SIGXCPU):
		return "processor time"
	case k.full():
		return "size or number of files"
	}
	return ""
}

// full reports whether the job has filled what it may write to.
func (k *keeper) full() bool {
	var s unix.Statfs_t
	err := unix.Statfs(k.at("upper"), &s)
	return err == nil && (s.Bavail == 0 || s.Ffree == 0)
}

func (k *keeper) at(name string) string { return filepath.Join(k.spec.Dir, name) }

// forget unmounts what the last job has seen; its files are gone then.
func (k *keeper) forget() error {
	if k.root != nil {
		k.root.Close()
		k.root = nil
	}
	clear(k.told)
	if !k.mounted {
		return nil
	}
	// With all that is mounted below. Lazily: a file that the worker has not closed
	// keeps nothing here busy.
	if err := unix.Unmount(k.spec.Dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	k.mounted = false
	return nil
}

// mount makes the file systems of a job: a fresh one in memory, with a size, and
// an overlay of the layers that is written to there.
func (k *keeper) mount(j *jobSpec) error {
	var layers []*os.File
	defer func() {
		for _, f := range layers {
			f.Close()
		}
	}()
	for _, dir := range j.Layers { // first: what is below Dir will be hidden
		f, err := openLayer(dir)
		if err != nil {
			return err
		}
		layers = append(layers, f)
	}
	options := fmt.Sprintf("mode=0755,size=%d,nr_inodes=%d", j.Limits.Temp, j.Limits.Inodes)
	if j.Without.has(measureTemp) {
		options = "mode=0755"
	}
	if err := unix.Mount("scratch", k.spec.Dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount scratch: %w", err)
	}
	k.mounted = true
	for _, name := range []string{"upper", "work", "root", "shm"} {
		if err := os.Mkdir(k.at(name), 0o755); err != nil {
			return fmt.Errorf("make scratch: %w", err)
		}
	}
	if err := os.Chmod(k.at("shm"), 0o1777); err != nil {
		return fmt.Errorf("make scratch: %w", err)
	}
	if err := mountLayers(layers, k.spec.Dir, k.at("root"), k.spec.User == 0); err != nil {
		return err
	}
	var err error
	if k.root, err = os.OpenRoot(k.at("root")); err != nil {
		return fmt.Errorf("open root: %w", err)
	}
	k.told = make(map[string]string)
	return nil
}

// inRoot returns where the path p, of a job with this directory, lies: relative to
// its root.
func inRoot(dir, p string) string {
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	if p = strings.TrimPrefix(filepath.Clean(p), "/"); p == "" {
		return "."
	}
	return p
}
