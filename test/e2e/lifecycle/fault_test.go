package lifecycle

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// injected starts a coordinator in the foreground under strace, which lets the
// named calls of the kernel fail.
func (i *instance) injected(inject ...string) {
	i.t.Helper()
	args := []string{"-f", "-qq", "-o", "/dev/null", "-e", "signal=none"}
	traced := []string{}
	for _, e := range inject {
		args = append(args, "-e", "inject="+e)
		call, _, _ := strings.Cut(e, ":")
		traced = append(traced, call)
	}
	args = append(args, "-e", "trace="+strings.Join(traced, ","), i.bin+"/cachepot-coordinator", "--serve")
	cmd := i.command(append([]string{"strace"}, args...)...)
	i.must(cmd.Start())
	i.t.Cleanup(func() {
		i.endAll()
		_ = cmd.Wait()
	})
	eventually(i.t, "coordinator", func() bool { return i.pid() != 0 })
}

// TestFaultsOfCoordinator: whatever the kernel refuses the coordinator, builds go
// on and nothing wrong is stored.
func TestFaultsOfCoordinator(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace here")
	}
	for _, fault := range []string{
		"write:error=ENOSPC:when=20+", "write:error=EIO:when=30+3", "pwrite64:error=ENOSPC", "renameat:error=ENOSPC", "renameat2:error=EIO", "linkat:error=ENOSPC", "linkat:error=EEXIST",
		"openat:error=EMFILE:when=60+2", "openat:error=EIO:when=70+5", "openat:error=EACCES:when=80+4", "fsync:error=EIO", "mkdirat:error=ENOSPC:when=3+", "read:error=EIO:when=40+7",
		"newfstatat:error=EIO:when=50+3", "statx:error=EIO:when=10+3", "copy_file_range:error=ENOSPC", "accept4:error=EMFILE:when=3+4", "ftruncate:error=EIO", "flock:error=ENOLCK:when=2+",
		"pipe2:error=EMFILE",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			i := start(t)
			i.injected(fault)
			objects := map[string]string{}
			for k := range 4 {
				i.write(fmt.Sprintf("x%d.c", k), fmt.Sprintf("#include <stdio.h>\nint x%d = %d;\n", k, k))
				args := []string{"gcc", "-c", fmt.Sprintf("x%d.c", k), "-o", fmt.Sprintf("x%d.o", k)}
				for range 3 {
					i.passes(args...)
					i.sameAsBare(args[4], args...)
				}
				objects[args[4]] = i.read(args[4])
			}
			i.endAll()
			// A compile waits a second for a coordinator to start, which may not do here.
			if r := i.cachepot("--start-coordinator"); r.code != 0 {
				t.Fatalf("start afterwards: status %d: %s", r.code, r.stderr)
			}
			// What has been stored meanwhile is right.
			for range 2 {
				for k := range 4 {
					o := fmt.Sprintf("x%d.o", k)
					i.must(os.Remove(i.work + "/" + o))
					i.ok("gcc", "-c", fmt.Sprintf("x%d.c", k), "-o", o)
					if i.read(o) != objects[o] {
						t.Errorf("%s is wrong afterwards", o)
					}
				}
			}
			if s := i.stats(); s.hits() < 4 {
				t.Errorf("afterwards only %d hits: %s", s.hits(), i.cachepot("--show-stats", "--stats-format", "json").stdout)
			}
		})
	}
}

// TestFaultsOfWrapper: the same for the wrapper's own calls.
func TestFaultsOfWrapper(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace here")
	}
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	want := i.read("x.o")
	for _, fault := range []string{
		"socket:error=EMFILE", "connect:error=ECONNREFUSED", "connect:error=EAGAIN", "connect:error=EACCES", "sendmsg:error=EPIPE", "sendmsg:error=ECONNRESET", "sendto:error=EPIPE",
		"read:error=ECONNRESET:when=2+", "read:error=EIO", "getsockopt:error=EIO", "ioctl:error=EIO", "copy_file_range:error=EIO", "copy_file_range:error=ENOSPC",
		"renameat:error=EIO", "rename:error=ENOSPC", "rename:error=EXDEV", "openat:error=EMFILE:when=6+", "pipe2:error=EMFILE", "pidfd_open:error=ENOSYS", "getcwd:error=ENOENT",
		"readlinkat:error=EACCES", "readlink:error=EACCES", "flock:error=ENOLCK", "poll:error=ENOMEM", "ppoll:error=ENOMEM", "prlimit64:error=EPERM",
	} {
		for _, recache := range []string{"0", "1"} {
			_ = os.Remove(i.work + "/x.o")
			// Without -f: the compiler itself is spared.
			j := i.with("CACHEPOT_RECACHE=" + recache)
			call, _, _ := strings.Cut(fault, ":")
			r := j.run("strace", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", "trace="+call, "-e", "inject="+fault, "-b", "execve",
				i.wrapper(), "gcc", "-c", "x.c", "-o", "x.o")
			i.wantPassed(r, fault, recache)
			if !i.exists("x.o") || i.read("x.o") != want {
				t.Errorf("%s, recache %s: no or a wrong object", fault, recache)
			}
			if l := i.leftovers("x.c", "x.o"); len(l) > 0 {
				t.Errorf("%s, recache %s: left behind %v", fault, recache, l)
			}
		}
	}
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
}

// TestFullDisk: the cache's own file system is full, or cannot be written.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	for _, test := range []struct{ name, mount string }{
		{"small", "mount -t tmpfs -o size=64k none $dir/cache"},
		{"tiny", "mount -t tmpfs -o size=4k none $dir/cache"},
		{"no inodes", "mount -t tmpfs -o nr_inodes=5 none $dir/cache"},
		{"read-only", "mount -t tmpfs none $dir/cache && mount -o remount,ro $dir/cache"},
		{"temporary files", "mount -t tmpfs -o size=4k none $dir/tmp && { head -c 10000 /dev/zero >$dir/tmp/fill || true; }"},
		{"state", "mkdir -p $dir/state && mount -t tmpfs -o size=4k none $dir/state && { head -c 10000 /dev/zero >$dir/state/fill || true; }"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := start(t)
			i.mkdir("cache")
			i.write("x.c", "#include <stdio.h>\nint x;\n")
			// gcc itself needs room for temporary files, so it is asked not to.
			compile := i.wrapper() + " gcc -pipe -c x.c -o x.o"
			r := i.run("unshare", "-m", "sh", "-c", strings.ReplaceAll(test.mount, "$dir", i.dir)+" 2>/dev/null; for n in 1 2 3; do rm -f x.o; "+compile+" || exit 9; cp x.o o$n.o; done")
			if r.code != 0 || strings.Count(r.stderr, "\n") > 1 {
				t.Errorf("status %d: %s", r.code, r.stderr)
			}
			for n := range 3 {
				i.must(os.WriteFile(i.work+"/x.o", []byte(i.read(fmt.Sprintf("o%d.o", n+1))), 0o644))
				i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
			}
		})
	}
}
