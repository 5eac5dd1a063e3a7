package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attack is one thing that a job must not be able to do. It returns what it could
// do, "" if nothing.
type attack struct {
	name string
	try  func() string
}

// attacks are those that are cheap: a sandbox tries them on itself before it runs
// anything. They do no harm where they succeed.
func attacks() []attack {
	return []attack{
		{"descriptors", tryDescriptors},
		{"root", tryRoot},
		{"user", tryUser},
		{"settings", trySettings},
		{"first process", tryInit},
		{"processes", tryProcesses},
		{"environment", tryEnvironment},
		{"user namespace", tryUserns},
		{"devices", tryDevices},
		{"set-user bits", trySetUser},
		{"sockets", trySockets},
		{"interfaces", tryInterfaces},
		{"terminal", tryTerminal},
		{"calls", tryCalls},
		{"machine", tryMachine},
		{"limits", tryLimits},
		{"size", trySize},
		{"messages of others", tryIPC},
	}
}

// attackStage tries all of them in a job and writes what came of it to standard
// output, as a JSON object of names and successes.
func attackStage() error {
	found := map[string]string{}
	for _, a := range attacks() {
		if what := a.try(); what != "" {
			found[a.name] = what
		}
	}
	for name, flags := range map[string]int{"/" + checkFile: os.O_APPEND, checkMade: os.O_CREATE | os.O_EXCL} {
		f, err := os.OpenFile(name, os.O_WRONLY|flags, 0o644)
		if err == nil {
			_, err = f.WriteString(checkAfter)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			found["files"] = "what it should write to it cannot: " + err.Error()
		}
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// The limits of the job that attacks.
const (
	attackFiles = 64
	attackTemp  = 16 << 20
)

func tryDescriptors() string {
	for fd := 3; fd < 1024; fd++ {
		to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err == nil && !strings.HasPrefix(to, "anon_inode:[event") { // the runtime's own
			return fmt.Sprintf("descriptor %d is %s", fd, to)
		}
	}
	return ""
}

func tryRoot() string {
	for _, dir := range []string{"/", "/proc/1/root", "/proc/1/cwd/../.."} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !slices.Contains([]string{checkFile, "proc", "dev", "tmp"}, e.Name()) {
				return e.Name() + " is in " + dir
			}
		}
	}
	return ""
}

func tryUser() string {
	if os.Getuid() == 0 || os.Geteuid() == 0 || os.Getgid() == 0 {
		return "it is root"
	}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "its status cannot be read"
	}
	for _, field := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"} {
		if v := statusField(b, field); v != "0000000000000000" {
			return field + " is " + v
		}
	}
	if statusField(b, "NoNewPrivs") != "1" {
		return "it may get rights by executing a file"
	}
	return ""
}

func statusField(status []byte, name string) string {
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// opens reports whether the file can be opened so. Busy means that it may be.
func opens(path string, flags int) bool {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil || errors.Is(err, unix.ETXTBSY)
}

func trySettings() string {
	for _, path := range []string{"/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger", "/proc/kmsg", "/proc/kcore"} {
		if opens(path, os.O_WRONLY) {
			return path + " can be written"
		}
	}
	if err := unix.Access("/proc/sys/kernel", unix.W_OK); err == nil {
		return "settings of the kernel can be written"
	}
	var s unix.Statfs_t
	if err := unix.Statfs("/proc/sys", &s); err != nil || s.Flags&unix.ST_RDONLY == 0 {
		return "/proc/sys is not read-only"
	}
	return ""
}

// tryInit: process 1 has nothing that is worth stealing.
func tryInit() string {
	if opens("/proc/1/exe", os.O_WRONLY) {
		return "the program of process 1 can be written"
	}
	b, err := os.ReadFile("/proc/1/status")
	if err != nil {
		return ""
	}
	if v := statusField(b, "CapPrm"); v != "0000000000000000" {
		return "process 1 has the capabilities " + v
	}
	if v := statusField(b, "Seccomp"); v != "2" {
		return "process 1 has no filter"
	}
	return ""
}

func tryProcesses() string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return ""
	}
	n := 0
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			n++
		}
	}
	if n > 2 {
		return fmt.Sprintf("it sees %d processes", n)
	}
	return ""
}

func tryEnvironment() string {
	for _, path := range []string{"/proc/self/environ", "/proc/1/environ"} {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return fmt.Sprintf("%s holds %d bytes", path, len(b))
		}
	}
	return ""
}

func tryUserns() string {
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"nothing"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, Chroot: "/",
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
	}})
	if err != nil {
		return ""
	}
	_, _ = syscall.Wait4(pid, nil, 0, nil) // however it ended
	return "it can have a user namespace and be root there"
}

func tryDevices() string {
	for _, dev := range []uint64{unix.Mkdev(1, 1), unix.Mkdev(254, 0)} {
		for _, kind := range []uint32{unix.S_IFCHR, unix.S_IFBLK} {
			if err := unix.Mknod("/tmp/device", kind|0o666, int(dev)); err == nil {
				return "it can make devices"
			}
		}
	}
	for _, name := range []string{"mem", "kmem", "kvm", "vda", "sda", "fuse", "kmsg", "loop-control", "net/tun"} {
		if opens("/dev/"+name, os.O_RDONLY) {
			return "it can open /dev/" + name
		}
	}
	if err := os.Mkdir("/dev/new", 0o755); err == nil {
		_ = os.Remove("/dev/new") // where it succeeds, nothing stays
		return "it can write in /dev"
	}
	return ""
}

func trySetUser() string {
	for _, dir := range []string{"/", "/tmp", "/dev/shm"} {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil || s.Flags&unix.ST_NOSUID == 0 || s.Flags&unix.ST_NODEV == 0 {
			return dir + " takes set-user bits or devices"
		}
	}
	return ""
}

func trySockets() string {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET, unix.AF_VSOCK, unix.AF_ALG} {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
			if fd, err := unix.Socket(family, kind, 0); err == nil {
				unix.Close(fd)
				return fmt.Sprintf("it can have sockets of the family %d", family)
			}
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "/tmp/socket"}); err == nil {
		return "it can have sockets that others connect to"
	}
	return ""
}

func tryInterfaces() string {
	b, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name != "lo" && !strings.Contains(name, "|") {
			return "it has the network interface " + name
		}
	}
	return ""
}

func tryTerminal() string {
	if sid, err := unix.Getsid(0); err == nil && sid == 0 {
		return "it is in the session of somebody else"
	}
	if opens("/dev/tty", os.O_RDWR) {
		return "it has a terminal"
	}
	b := byte('x')
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&b))); errno != unix.EPERM {
		return "it may type on terminals"
	}
	return ""
}

// tryCalls makes calls that the filter refuses. Without it each of them would
// succeed or fail otherwise: what they are given is wrong on purpose.
func tryCalls() string {
	for _, c := range []struct {
		name string
		nr   uintptr
	}{
		{"io_uring_setup", unix.SYS_IO_URING_SETUP}, {"bpf", unix.SYS_BPF}, {"perf_event_open", unix.SYS_PERF_EVENT_OPEN},
		{"keyctl", unix.SYS_KEYCTL}, {"add_key", unix.SYS_ADD_KEY}, {"request_key", unix.SYS_REQUEST_KEY},
		{"ptrace", unix.SYS_PTRACE}, {"process_vm_readv", unix.SYS_PROCESS_VM_READV}, {"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV},
		{"kcmp", unix.SYS_KCMP}, {"pidfd_getfd", unix.SYS_PIDFD_GETFD}, {"memfd_create", unix.SYS_MEMFD_CREATE},
		{"name_to_handle_at", unix.SYS_NAME_TO_HANDLE_AT}, {"shmget", unix.SYS_SHMGET}, {"msgget", unix.SYS_MSGGET},
		{"semget", unix.SYS_SEMGET}, {"mq_open", unix.SYS_MQ_OPEN}, {"listen", unix.SYS_LISTEN}, {"accept", unix.SYS_ACCEPT},
		{"fsopen", unix.SYS_FSOPEN}, {"open_tree", unix.SYS_OPEN_TREE}, {"move_mount", unix.SYS_MOVE_MOUNT},
		{"mount_setattr", unix.SYS_MOUNT_SETATTR}, {"setns", unix.SYS_SETNS}, {"unshare", unix.SYS_UNSHARE},
		{"clone3", unix.SYS_CLONE3}, {"userfaultfd", unix.SYS_USERFAULTFD}, {"quotactl_fd", unix.SYS_QUOTACTL_FD},
		{"fanotify_init", unix.SYS_FANOTIFY_INIT}, {"move_pages", unix.SYS_MOVE_PAGES},
	} {
		const wrong = ^uintptr(0)
		_, _, errno := unix.Syscall6(c.nr, wrong, wrong, wrong, wrong, wrong, wrong)
		if errno != unix.EPERM && errno != unix.ENOSYS {
			return fmt.Sprintf("%s is carried out (%d)", c.name, int(errno))
		}
	}
	return ""
}

// tryMachine changes what concerns more than the job.
func tryMachine() string {
	low := unix.Timeval{}
	for what, err := range map[string]error{
		"mount":       unix.Mount("x", "/tmp", "tmpfs", 0, ""),
		"remount":     unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, ""),
		"unmount":     unix.Unmount("/proc", unix.MNT_DETACH),
		"change root": unix.Chroot("/tmp"),
		"pivot":       unix.PivotRoot("/", "/tmp"),
		"name":        unix.Sethostname([]byte("x")),
		"clock":       unix.Settimeofday(&low),
		"priority":    unix.Setpriority(unix.PRIO_PROCESS, 0, -5),
		"limits":      unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}),
		"accounting":  unix.Acct("/tmp/x"),
		"swap":        firstError(unix.Syscall(unix.SYS_SWAPOFF, 0, 0, 0)),
		"kernel log":  firstError(unix.Syscall(unix.SYS_SYSLOG, unix.SYSLOG_ACTION_READ_ALL, 0, 0)),
	} {
		if err == nil {
			return "it can change, or read, the machine's: " + what
		}
	}
	return ""
}

func firstError(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

func tryLimits() string {
	var l unix.Rlimit
	for name, which := range map[string]int{"files": unix.RLIMIT_NOFILE, "core": unix.RLIMIT_CORE} {
		if err := unix.Getrlimit(which, &l); err != nil || l.Max > attackFiles {
			return "too much of: " + name
		}
	}
	return ""
}

func trySize() string {
	for _, dir := range []string{"/", "/tmp", "/dev/shm"} {
		var s unix.Statfs_t
		if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 || s.Blocks*uint64(s.Bsize) > attackTemp {
			return dir + " is larger than it should be"
		}
	}
	return ""
}

func tryIPC() string {
	b, err := os.ReadFile("/proc/sysvipc/shm")
	if err == nil && strings.Count(string(b), "\n") > 1 {
		return "it sees shared memory of others"
	}
	return ""
}
