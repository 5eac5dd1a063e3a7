package lifecycle

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const nobody = 65534

// asNobody runs a shell script as another user.
func (i *instance) asNobody(script string) result {
	i.t.Helper()
	cmd := i.command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", script)
	cmd.Dir = "/"
	return i.finish(cmd)
}

// TestOtherUserConnects: the kernel keeps another user from the socket, and where
// it does not, the coordinator refuses.
func TestOtherUserConnects(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	i.must(os.Chmod(i.dir, 0o755))
	call := i.wrapper() + " gcc -c /dev/null -o /dev/stdout -x c >/dev/null"
	connect := fmt.Sprintf("python3 -c 'import socket; s=socket.socket(socket.AF_UNIX); s.connect(%q); s.send(b\"k\\0\\0\\0\\x0d\" + b\"{\\\"op\\\":\\\"stop\\\"}\"); print(s.recv(100))'", i.socket())
	if r := i.asNobody(connect); r.code == 0 {
		t.Errorf("another user gets through to the socket: %s", r.stdout)
	}
	// The directories are opened by a mistake.
	i.must(os.Chmod(i.runtime, 0o777))
	i.must(os.Chmod(i.runtime+"/cachepot", 0o777))
	i.must(os.Chmod(i.socket(), 0o777))
	pid := i.pid()
	if r := i.asNobody(connect); strings.Contains(r.stdout, "stats") || r.code == 0 && strings.TrimSpace(r.stdout) != "b''" {
		t.Errorf("another user is answered: %s", r.stdout)
	}
	_ = i.asNobody(call)
	time.Sleep(100 * time.Millisecond)
	if !alive(pid) {
		t.Error("another user has ended the coordinator")
	}
	i.must(os.Chmod(i.runtime, 0o700))
	i.must(os.Chmod(i.runtime+"/cachepot", 0o700))
	if s := i.stats(); s.Requests != 1 || s.Declined["another user"] == 0 {
		t.Errorf("counted %+v", *s)
	}
}

// TestTwoUsers: users never share a coordinator, not even by the same variables.
func TestTwoUsers(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	i := start(t)
	i.must(os.Chmod(i.dir, 0o777))
	i.must(os.Chmod(i.work, 0o777))
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	mine := i.pid()
	theirs := i.mkdir("theirs")
	i.must(os.Chown(theirs, nobody, nobody))
	// Our runtime directory is not theirs: they meet in one of their own.
	j := i.with("XDG_CACHE_HOME="+theirs+"/cache", "XDG_STATE_HOME="+theirs+"/state", "XDG_CONFIG_HOME="+theirs, "HOME="+theirs,
		"TMPDIR=/tmp", "CACHEPOT_COORDINATOR_PORT=4999")
	j = j.with("PATH=/usr/local/bin:/usr/bin:/bin")
	t.Cleanup(func() { removeMeetingPlace(nobody, "4999") })
	r := j.asNobody("cd " + i.work + " && " + i.wrapper() + " gcc -c x.c -o y.o && " + i.wrapper() + " gcc -c x.c -o y.o && " + i.wrapper() + " --stop-coordinator")
	if r.code != 0 || !strings.Contains(r.stdout, "Cache hits                       1") {
		t.Errorf("status %d: %s%s", r.code, r.stdout, r.stderr)
	}
	if i.pid() != mine {
		t.Error("our coordinator is another")
	}
	if s := i.stats(); s.Requests != 1 || len(s.Declined) != 0 {
		t.Errorf("counted %+v", *s)
	}
}

// removeMeetingPlace removes what a port has left in /tmp.
func removeMeetingPlace(uid int, port string) {
	dir := fmt.Sprintf("/tmp/cachepot-%d", uid)
	for _, end := range []string{".sock", ".start", ".run"} {
		_ = os.Remove(dir + "/" + port + end)
	}
	_ = os.Remove(dir) // others may be in it
}

// TestPathOutOfReach: a directory in PATH that the user cannot enter does not
// matter to the compiler, so it must not keep calls from being cached.
func TestPathOutOfReach(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	i := start(t)
	i.must(os.Chmod(i.dir, 0o777))
	i.must(os.Chmod(i.work, 0o777))
	i.must(os.Mkdir(i.dir+"/secret", 0o700))
	i.must(os.Chown(i.runtime, nobody, nobody))
	i.must(os.Chmod(i.dir+"/tmp", 0o777))
	i.write("x.c", "int x;\n")
	for _, d := range []string{"cache", "state"} {
		i.must(os.Chown(i.mkdir(d), nobody, nobody))
	}
	j := i.with("PATH=" + i.dir + "/secret/bin:/usr/local/bin:/usr/bin:/bin")
	r := j.asNobody("cd " + i.work + " && " + i.wrapper() + " gcc -c x.c -o y.o && " + i.wrapper() + " gcc -c x.c -o y.o && " + i.wrapper() + " --stop-coordinator")
	if r.code != 0 || !strings.Contains(r.stdout, "Cache hits                       1") {
		t.Errorf("status %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// squatter listens where the coordinator should, records what it is sent, and
// answers in the coordinator's language that all is well.
type squatter struct {
	l     net.Listener
	mu    sync.Mutex // guards heard
	heard bytes.Buffer
}

func squat(t *testing.T, path string) *squatter {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &squatter{l: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				b, _ := io.ReadAll(c)
				s.mu.Lock()
				defer s.mu.Unlock()
				s.heard.Write(b)
			}()
		}
	}()
	return s
}

// TestSquatter: somebody else listens first. Nothing is sent, and the compile
// goes on. The listener is this process under another user's name, which is
// what the kernel tells of it.
func TestSquatter(t *testing.T) {
	needsRoot(t)
	i := start(t)
	i.write("x.c", "int x;\n")
	i.must(os.Mkdir(i.runtime+"/cachepot", 0o700))
	record := i.dir + "/heard"
	i.must(os.WriteFile(record, nil, 0o666))
	i.must(os.Chmod(record, 0o666))
	i.must(os.Chmod(i.dir, 0o777))
	// Bound by root, then listening as nobody: the peer's user is the listener's.
	cmd := i.command("python3", "-c", `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])
os.setgid(65534); os.setuid(65534)
s.listen(50)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.settimeout(3)
    try:
        b = c.recv(100000)
    except OSError:
        b = b""
    with open(sys.argv[2], "ab") as f: f.write(b)
    c.close()
`, i.socket(), record)
	out, err := cmd.StdoutPipe()
	i.must(err)
	i.must(cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var ready [6]byte
	_, err = io.ReadFull(out, ready[:])
	i.must(err)
	for _, arg := range []string{"--show-stats", "--stop-coordinator", "--zero-stats"} {
		if r := i.cachepot(arg); r.code != 2 || !strings.Contains(r.stderr, "another user") {
			t.Errorf("%s: status %d: %s", arg, r.code, r.stderr)
		}
	}
	r := i.with("SECRET_TOKEN=c4n4ry").passes("gcc", "-c", "x.c", "-o", "x.o")
	if r.took > 4*time.Second {
		t.Errorf("took %v", r.took)
	}
	if b, err := os.ReadFile(record); err != nil || len(b) > 0 {
		t.Errorf("the squatter was sent %d bytes (%v): %.200q", len(b), err, b)
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
}

// TestSquattedDirectory: in /tmp the meeting place may be taken by somebody else.
func TestSquattedDirectory(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(i *instance, dir string)
		root bool
	}{
		{"owned by another", func(i *instance, dir string) { i.must(os.Mkdir(dir, 0o700)); i.must(os.Chown(dir, nobody, nobody)) }, true},
		{"open to the group", func(i *instance, dir string) { i.must(os.Mkdir(dir, 0o700)); i.must(os.Chmod(dir, 0o770)) }, false},
		{"open to all", func(i *instance, dir string) { i.must(os.Mkdir(dir, 0o700)); i.must(os.Chmod(dir, 0o777)) }, false},
		{"readable by all", func(i *instance, dir string) { i.must(os.Mkdir(dir, 0o700)); i.must(os.Chmod(dir, 0o755)) }, false},
		{"a link", func(i *instance, dir string) { i.must(os.Symlink(i.mkdir("elsewhere"), dir)) }, false},
		{"a file", func(i *instance, dir string) { i.must(os.WriteFile(dir, nil, 0o600)) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.root {
				needsRoot(t)
			}
			i := start(t)
			i.write("x.c", "int x;\n")
			dir := i.runtime + "/cachepot"
			test.make(i, dir)
			var s *squatter
			if st, err := os.Stat(dir); err == nil && st.IsDir() {
				s = squat(t, i.socket())
			}
			r := i.passes("gcc", "-c", "x.c", "-o", "x.o")
			if !strings.Contains(r.stderr, dir) {
				t.Errorf("no line about %s: %q", dir, r.stderr)
			}
			// The commands check the place as the wrapper does.
			for _, arg := range []string{"--start-coordinator", "--stop-coordinator"} {
				if r := i.cachepot(arg); r.code != 2 || r.took > 5*time.Second {
					t.Errorf("%s: status %d after %v: %s", arg, r.code, r.took, r.stderr)
				}
			}
			if s != nil {
				time.Sleep(100 * time.Millisecond)
				s.l.Close()
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.heard.Len() > 0 {
					t.Errorf("the squatter was sent %d bytes: %.100q", s.heard.Len(), s.heard.Bytes())
				}
			}
			i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
		})
	}
}

// TestLooseDirectories: what others can write to is not used for the cache or
// for the state.
func TestLooseDirectories(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"cache/cachepot", "state/cachepot"} {
		for _, test := range []struct {
			name string
			make func(i *instance, dir string)
		}{
			{"open to the group", func(i *instance, dir string) { i.must(os.Chmod(dir, 0o770)) }},
			{"open to all", func(i *instance, dir string) { i.must(os.Chmod(dir, 0o777)) }},
			{"owned by another", func(i *instance, dir string) { i.must(os.Chown(dir, nobody, nobody)) }},
		} {
			t.Run(where+" "+test.name, func(t *testing.T) {
				t.Parallel()
				needsRoot(t)
				i := start(t)
				i.write("x.c", "int x;\n")
				i.ok("gcc", "-c", "x.c", "-o", "x.o")
				i.cachepot("--stop-coordinator")
				dir := filepath.Join(i.dir, where)
				test.make(i, dir)
				r := i.passes("gcc", "-c", "x.c", "-o", "x.o")
				if !strings.Contains(r.stderr, dir) {
					t.Errorf("no line about %s: %q", dir, r.stderr)
				}
				if r := i.passes("gcc", "-c", "x.c", "-o", "x.o"); strings.Count(r.stderr, "\n") > 1 {
					t.Errorf("second call: %q", r.stderr)
				}
				if r := i.cachepot("--start-coordinator"); r.code != 2 {
					t.Errorf("start: status %d", r.code)
				}
			})
		}
	}
}

// TestUnusableCache: the compile is what counts.
func TestUnusableCache(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.must(os.WriteFile(i.dir+"/file", nil, 0o644))
	i.must(os.Symlink(i.dir+"/nowhere/at/all", i.dir+"/dangling"))
	for n, dir := range []string{i.dir + "/file", i.dir + "/file/below", i.dir + "/dangling", "/proc/cachepot", "/sys/cachepot"} {
		j := i.with("CACHEPOT_DIR="+dir, fmt.Sprint("CACHEPOT_COORDINATOR_PORT=", 5000+n))
		for range 2 {
			j.passes("gcc", "-c", "x.c", "-o", "x.o")
		}
		if r := j.cachepot("--start-coordinator"); r.code != 2 {
			t.Errorf("%s: start: status %d %s", dir, r.code, r.stderr)
		}
	}
	j := i.with("XDG_STATE_HOME="+i.dir+"/file", "CACHEPOT_COORDINATOR_PORT=5100")
	j.passes("gcc", "-c", "x.c", "-o", "x.o")
	j.passes("gcc", "-c", "x.c", "-o", "x.o")
	j = i.with("XDG_RUNTIME_DIR="+i.dir+"/"+strings.Repeat("long", 30), "CACHEPOT_COORDINATOR_PORT=5101")
	j.passes("gcc", "-c", "x.c", "-o", "x.o")
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
}

// TestLooseConfig: what others may write does not configure us.
func TestLooseConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(i *instance, file string)
	}{
		{"open to all", func(i *instance, file string) { i.must(os.Chmod(file, 0o666)) }},
		{"owned by another", func(i *instance, file string) { i.must(os.Chown(file, nobody, nobody)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			needsRoot(t)
			i := start(t)
			i.write("x.c", "int x;\n")
			file := i.configure(i.diskDir("planted"))
			test.make(i, file)
			if r := i.passes("gcc", "-c", "x.c", "-o", "x.o"); !strings.Contains(r.stderr, file) {
				t.Errorf("no line about %s: %q", file, r.stderr)
			}
			if isDir(i.dir + "/planted") {
				t.Error("it was followed")
			}
		})
	}
}

// TestTemporaryFiles: what a killed coordinator has left is cleared away later.
func TestTemporaryFiles(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("2")
	i.write("x.c", "int x;\n")
	for range 3 {
		j := i.background(append([]string{i.wrapper()}, slowCall()...)...)
		i.await("sleep")
		for _, pid := range i.coordinators() {
			i.must(syscall.Kill(pid, syscall.SIGKILL))
		}
		j.wait()
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, pattern := range []string{i.dir + "/tmp/*", i.dir + "/cache/cachepot/*/*"} {
		l, _ := filepath.Glob(pattern)
		for _, p := range l {
			_ = os.Chtimes(p, old, old)
		}
	}
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	time.Sleep(500 * time.Millisecond)
	l, _ := filepath.Glob(i.dir + "/tmp/cachepot-*")
	if len(l) > 1 { // one is in use
		t.Errorf("left for more than an hour: %v", l)
	}
}
