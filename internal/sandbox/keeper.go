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
	conn    *net.UnixConn
	program *os.File
	filter  *os.File // the seccomp program
	groups  *joined
	mounts  []string          // of the job, the last first
	root    *os.Root          // its root; nil between jobs
	told    map[string]string // paths that the worker may ask for, and where they lie
	running running
}

// running is the job that runs now.
type running struct {
	sync.Mutex
	number int
	pid    int    // of bubblewrap, 0 while there is none
	why    string // it was killed
}

// kill kills the job with this number, now or when it has a process.
func (r *running) kill(number int, why string) {
	r.Lock()
	defer r.Unlock()
	if number != r.number || r.why != "" {
		return
	}
	r.why = why
	if r.pid != 0 {
		_ = unix.Kill(r.pid, unix.SIGKILL) // fails where it has ended
	}
}

func keeperStage() error {
	// What the caller inherited is none of bubblewrap's business.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark descriptors: %w", err)
	}
	runtime.LockOSThread()
	in := os.NewFile(specFD, "spec")
	k := &keeper{program: os.NewFile(selfFD, "program")}
	if err := readFile(in, &k.spec); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	in.Close()
	var err error
	if k.conn, err = connection(os.NewFile(replyFD, "socket")); err != nil {
		return err
	}
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
	unix.Umask(0o022)
	return nil
}

// serve answers requests until the worker goes. A job runs on this thread; what
// comes meanwhile is looked at by another.
func (k *keeper) serve() error {
	type asked struct {
		request
		files []*os.File
	}
	requests := make(chan asked)
	failed := make(chan error, 1)
	go func() {
		for {
			var a asked
			files, err := receive(k.conn, &a.request)
			if err != nil {
				failed <- err
				k.running.Lock()
				number := k.running.number
				k.running.Unlock()
				k.running.kill(number, "nobody waits for it")
				return
			}
			if a.Kill != "" {
				k.running.kill(a.Job, a.Kill)
				continue
			}
			if a.Run != nil {
				k.running.Lock()
				k.running.number, k.running.why = a.Job, ""
				k.running.Unlock()
			}
			a.files = files
			requests <- a
		}
	}()
	for {
		select {
		case a := <-requests:
			r, file := k.answer(&a.request, a.files)
			var files []*os.File
			if file != nil {
				files = []*os.File{file}
			}
			err := send(k.conn, r, files...)
			if file != nil {
				file.Close()
			}
			if err != nil {
				return err
			}
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func (k *keeper) answer(q *request, files []*os.File) (*reply, *os.File) {
	r, file := &reply{}, (*os.File)(nil)
	var err error
	switch {
	case q.Run != nil && len(files) == 2:
		r, err = k.run(q.Run, files[0], files[1])
	case q.Open != "":
		file, err = k.open(q.Open)
	case q.Walk != "":
		r.Outputs, err = k.walk(q.Walk, q.Most)
	case q.End:
		err = k.forget()
	default:
		err = errors.New("a request that means nothing")
	}
	if err != nil {
		return &reply{Error: err.Error()}, nil
	}
	return r, file
}

// run runs a job to its end: none of its processes is left.
func (k *keeper) run(j *jobSpec, stdout, stderr *os.File) (*reply, error) {
	defer stdout.Close()
	defer stderr.Close()
	if len(k.mounts) > 0 {
		return nil, errors.New("the files of the last job are still in use")
	}
	if err := k.mount(j); err != nil {
		return nil, err
	}
	if err := k.prepare(j); err != nil {
		return nil, err
	}
	if err := k.groups.limit(&j.Limits); err != nil {
		return nil, err
	}
	before := k.groups.exceeded()
	r := &reply{}
	var err error
	if r.Status, err = k.start(j, stdout, stderr); err != nil {
		return nil, err
	}
	k.running.Lock()
	r.Limit = k.running.why
	k.running.Unlock()
	if r.Limit == "" {
		r.Limit = k.overrun(r.Status, before)
	}
	for _, o := range j.Outputs {
		out, err := k.describe(inRoot(j.Dir, o))
		if err != nil {
			return nil, fmt.Errorf("look at output %s: %w", o, err)
		}
		out.Path = o
		k.told[o] = inRoot(j.Dir, o)
		r.Outputs = append(r.Outputs, out)
	}
	return r, nil
}

// overrun tells which limit a job has met, of those that do not kill it or kill it
// without a word.
func (k *keeper) overrun(status int, before exceeded) string {
	now := k.groups.exceeded()
	switch {
	case now.memory > before.memory:
		return "memory"
	case status == 0:
		return ""
	case now.processes > before.processes:
		return "processes"
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
	for len(k.mounts) > 0 {
		// Lazily: a file that the worker has not closed keeps nothing here busy.
		if err := unix.Unmount(k.mounts[0], unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount: %w", err)
		}
		k.mounts = k.mounts[1:]
	}
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
	k.mounts = []string{k.spec.Dir}
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
	k.mounts = []string{k.at("root"), k.spec.Dir}
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
