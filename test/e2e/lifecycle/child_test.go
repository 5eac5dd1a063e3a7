package lifecycle

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// reporting prepares an assembler that writes down what it inherited when it is
// called for seen.o. It is a child of gcc, which changes none of this.
func (i *instance) reporting() *instance {
	i.t.Helper()
	i.write("seen.c", "int seen;\n")
	i.script("bin/as", `#!/bin/bash
case "$*" in *seen.o*)
	(exec >`+i.dir+`/seen 2>&1 # a redirected group would have the shell keep its streams at 10 and above
	echo "nice $(nice)"
	echo "umask $(umask)"
	ulimit -aS
	echo hard
	ulimit -aH
	echo "cgroup $(cat /proc/self/cgroup)"
	echo "session $(cut -d' ' -f6 /proc/self/stat) group $(cut -d' ' -f5 /proc/self/stat) terminal $(cut -d' ' -f7 /proc/self/stat)"
	grep -E 'SigBlk|SigIgn|Cpus_allowed_list|Groups|CapEff' /proc/self/status
	cat /proc/self/oom_score_adj
	chrt -p $$ 2>/dev/null | sed 's/[0-9]*.s current//'
	for fd in 0 3 9 10 50 100 200; do [ -e /proc/$$/fd/$fd ] && echo "fd $fd $(readlink /proc/$$/fd/$fd)"; done
	readlink /proc/self/cwd
	readlink /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/net
	) ;;
esac
exec /usr/bin/as "$@"
`)
	return i.with("PATH="+i.work+"/bin:"+os.Getenv("PATH"), "CACHEPOT_RECACHE=1")
}

// TestInherited: what the caller has set up reaches the compiler, as it reaches
// the bare one.
func TestInherited(t *testing.T) {
	t.Parallel()
	i := start(t).reporting()
	i.ok("gcc", "-c", "seen.c", "-o", "seen.o")
	other := "unshare -n"
	if os.Getuid() != 0 {
		other = "env"
	}
	for _, setup := range []string{
		"", "renice -n 5 $$ >/dev/null;", "umask 027;", "umask 0;", "ulimit -Sn 100;", "ulimit -n 200;", "ulimit -Sn 300; ulimit -Hn 5000;",
		"ulimit -v 8000000;", "ulimit -Sv 8000000;", "ulimit -t 100;", "ulimit -St 50;", "ulimit -c 0;", "ulimit -Ss 4096;", "ulimit -f 100000;",
		"exec 3>../three 50<../dir;", "exec 10</dev/null 100>../hundred 200>../two-hundred;", "exec </dev/zero;", "trap '' INT HUP;",
		"echo 500 >/proc/$$/oom_score_adj;", "chrt -b -p 0 $$;", "taskset -p 1 $$ >/dev/null;", other, "setsid -w",
	} {
		i.mkdir("dir")
		report := func(command string) string {
			_ = os.Remove(i.dir + "/seen")
			r := i.run("bash", "-c", setup+" exec "+command+" -c seen.c -o seen.o")
			if r.code != 0 || r.stderr != "" {
				t.Errorf("%s %s: status %d: %s", setup, command, r.code, r.stderr)
			}
			b, _ := os.ReadFile(i.dir + "/seen")
			return string(b)
		}
		if setup == other || setup == "setsid -w" {
			// A program that starts another, in place of a shell's own commands.
			report = func(command string) string {
				_ = os.Remove(i.dir + "/seen")
				r := i.run(append(strings.Fields(setup), "bash", "-c", "exec "+command+" -c seen.c -o seen.o")...)
				if r.code != 0 {
					t.Errorf("%s %s: status %d: %s", setup, command, r.code, r.stderr)
				}
				b, _ := os.ReadFile(i.dir + "/seen")
				return string(b)
			}
		}
		bare, ours := report("gcc"), report(i.wrapper()+" gcc")
		if bare == "" {
			t.Fatalf("%s: no report", setup)
		}
		for n, line := range difference(bare, ours) {
			if n < 6 && !strings.Contains(line, "session") && !strings.Contains(line, "net:") {
				t.Errorf("%q: %s", setup, line)
			}
		}
	}
}

// difference returns the lines that two texts do not share.
func difference(a, b string) (out []string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for n := range max(len(x), len(y)) {
		p, q := "", ""
		if n < len(x) {
			p = x[n]
		}
		if n < len(y) {
			q = y[n]
		}
		if p != q {
			out = append(out, fmt.Sprintf("bare %q, ours %q", p, q))
		}
	}
	return out
}

// TestParent: the compiler descends from its caller, not from the coordinator.
func TestParent(t *testing.T) {
	t.Parallel()
	for _, cc := range []string{"gcc", "clang"} {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			i, call, _ := start(t).slowly(cc)
			i.write("x.c", "int x;\n")
			i.ok(cc, "-c", "x.c", "-o", "x.o")
			j := i.background(append([]string{i.wrapper()}, call...)...)
			child := i.childOf(j, cc)
			if f := stat(child); f[2] != fmt.Sprint(j.pid()) {
				t.Errorf("process group %s, want %d", f[2], j.pid())
			}
			j.wait()
		})
	}
}

// TestClosedStreams: where the caller has closed a stream, nothing of ours takes
// its number. Our runtime opens the null device in its place before anything
// else, so a compiler that would fail at the closed one does not.
func TestClosedStreams(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.write("w.c", "#warning loud\nint w;\n")
	i.write("bad.c", "int\n")
	run := func(command, closed string) result {
		_ = os.Remove(i.work + "/o")
		r := i.run("sh", "-c", command+" "+closed)
		o, _ := os.ReadFile(i.work + "/o")
		r.stdout += fmt.Sprintf("object %q", o)
		r.took = 0
		return r
	}
	for _, args := range []string{"gcc -c x.c -o o", "gcc -c w.c -o o", "gcc -c bad.c -o o", "gcc -E x.c", "gcc -x c -c - -o o", "clang -c w.c -o o", "gcc --version"} {
		open := run(args, "</dev/null")
		for _, closed := range []string{"<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"} {
			bare := run(args, closed)
			if bare.code != open.code {
				bare.code, bare.stderr = open.code, ""
				_, object, _ := strings.Cut(open.stdout, "object ")
				bare.stdout = "object " + object
			}
			for range 2 {
				if ours := run(i.wrapper()+" "+args, closed); ours != bare {
					t.Errorf("%s %s: status %d, %.300q %.300q; bare %d, %.300q %.300q", args, closed, ours.code, ours.stdout, ours.stderr, bare.code, bare.stdout, bare.stderr)
				}
			}
		}
	}
}

// TestStreamsInPlace: what comes through a pipe comes as it is written, and a
// reader that leaves ends it quietly.
func TestStreamsInPlace(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("w.c", "#define W(x) _Pragma(#x)\n"+strings.Repeat("W(message \"0123456789012345678901234567890123456789\")\n", 3000))
	bare := i.run("bash", "-c", "gcc -c w.c -o w.o 2>&1 | head -3; echo ${PIPESTATUS[0]}")
	for range 2 {
		r := i.run("bash", "-c", i.wrapper()+" gcc -c w.c -o w.o 2>&1 | head -3; echo ${PIPESTATUS[0]}")
		if r.stdout != bare.stdout || r.stderr != bare.stderr {
			t.Errorf("%q %q\nbare %q %q", r.stdout, r.stderr, bare.stdout, bare.stderr)
		}
	}
	whole := i.run("gcc", "-c", "w.c", "-o", "w.o")
	for range 2 {
		if r := i.cachepot("gcc", "-c", "w.c", "-o", "w.o"); r.stderr != whole.stderr {
			t.Errorf("%d bytes of messages, want %d", len(r.stderr), len(whole.stderr))
		}
	}
}

// TestFullStream: a message that cannot be written fails the compile as it fails
// bare gcc's.
func TestFullStream(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("w.c", "#warning loud\nint w;\n")
	for _, script := range []string{"gcc -E w.c >/dev/full", "gcc -c w.c -o w.o >/dev/full", "gcc -c w.c -o w.o 2>/dev/full"} {
		bare := i.run("sh", "-c", script)
		for range 2 {
			if r := i.run("sh", "-c", i.wrapper()+" "+script); r.code != bare.code || r.stderr != bare.stderr {
				t.Errorf("%s: status %d %q, bare %d %q", script, r.code, r.stderr, bare.code, bare.stderr)
			}
		}
	}
}

// TestNoDirectory: the working directory is gone, or cannot be entered again.
func TestNoDirectory(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	for _, setup := range []string{"mkdir gone; cd gone; rmdir ../gone;", "mkdir -p moved; cd moved; mv ../moved ../moved2;"} {
		run := func(prefix string) result {
			_ = os.RemoveAll(i.work + "/moved2")
			return i.run("sh", "-c", setup+" exec "+prefix+"gcc -c "+i.work+"/x.c -o "+i.work+"/x.o")
		}
		bare := run("")
		for range 2 {
			if r := run(i.wrapper() + " "); r.code != bare.code || r.stderr != bare.stderr {
				t.Errorf("%s: status %d %q, bare %d %q", setup, r.code, r.stderr, bare.code, bare.stderr)
			}
		}
	}
}
