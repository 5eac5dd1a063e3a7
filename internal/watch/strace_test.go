//go:build linux && (amd64 || arm64)

package watch

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Real compilers under strace(1), which sees calls and their results by other
// means: the paths and what was done with them must be the same ones.
func TestAgainstStrace(t *testing.T) {
	tests := []struct {
		name string
		args []string
	}{
		{"gcc", []string{"gcc", "-c", "-g", "-MD", "-I", "sub", "-I", "none", "x.c", "-o", "x.o"}},
		{"gcc link", []string{"gcc", "-Isub", "x.c", "-o", "x"}},
		{"gcc -save-temps", []string{"gcc", "-c", "-save-temps", "-Isub", "x.c"}},
		{"clang", []string{"clang", "-c", "-g", "-I", "sub", "-I", "none", "x.c", "-o", "x.o"}},
		{"rustc rlib", []string{"rustc", "--crate-type", "lib", "-C", "debuginfo=2", "x.rs"}},
		{"rustc program", []string{"rustc", "y.rs"}},
		{"sh", []string{"sh", "-c", "ls -l . sub; cat sub/a.h link; cp -a dir/. copy; mv copy moved; rm -r moved"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			program, err := exec.LookPath(tt.args[0])
			if err != nil {
				t.Skip(err)
			}
			if tt.args[0] == "rustc" {
				program = rustc(t)
			}
			want := fromStrace(t, project(t), program, tt.args).sorted()
			got := fromWatch(t, project(t), program, tt.args).sorted()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-strace +watch:\n%s", diff)
			}
			if len(got) < 20 {
				t.Errorf("only %d facts", len(got))
			}
		})
	}
}

// project makes a directory with sources and returns its path.
func project(t *testing.T) string {
	t.Helper()
	dir := setUp(t)
	for name, text := range map[string]string{
		"x.c":     "#include <stdio.h>\n#include <sys/stat.h>\n#include \"a.h\"\nint main(void) { return puts(\"x\"); }\n",
		"sub/a.h": "extern int a;\n",
		"x.rs":    "mod part;\npub fn f() -> u32 { part::X + include_str!(\"in.h\").len() as u32 }\n",
		"part.rs": "pub const X: u32 = 1;\n",
		"y.rs":    "fn main() {}\n",
	} {
		must(t, os.WriteFile(dir+"/"+name, []byte(text), 0o666))
	}
	return dir
}

// rustc returns the compiler behind the proxy, whose own reads change from one
// run to the next.
func rustc(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("rustc", "--print", "sysroot").Output()
	must(t, err)
	return strings.TrimSpace(string(out)) + "/bin/rustc"
}

func plainEnv() []string { return []string{"LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin"} }

// facts are what both sides can tell: "path P" for every path looked at, "read P"
// for content, "link P", "list P", "exec P", and "missing P" where the first look
// at it found nothing.
type facts struct {
	dir  string // shown as $
	set  map[string]bool
	seen map[string]bool // paths
}

func newFacts(dir string) *facts { return &facts{dir, map[string]bool{}, map[string]bool{}} }

func (f *facts) add(kind, path string, missing bool) {
	if path == "/proc/sys/vm/overcommit_memory" {
		return // the C library reads it where threads happen to free memory at once
	}
	path = steady(strings.ReplaceAll(path, f.dir, "$"))
	f.set["path "+path] = true
	if kind == "write" || kind != "" && !missing {
		f.set[kind+" "+path] = true
	}
	if missing && kind != "write" && !f.seen[path] {
		f.set["missing "+path] = true
	}
	f.seen[path] = true
}

func (f *facts) sorted() []string { return slices.Sorted(maps.Keys(f.set)) }

// steady replaces what is random in names of temporary files.
func steady(path string) string {
	for _, r := range [...]struct{ from, to string }{
		{`^/proc/[0-9]+/`, "/proc/self/"},
		{`^/tmp/cc[A-Za-z0-9]{6}\.`, "/tmp/cc*."},
		{`(rmeta|rustc)[A-Za-z0-9]{6}`, "$1*"},
		{`\.tmp([0-9a-f]{7}$|[A-Za-z0-9]{6}\.)`, ".tmp*"},
		{`-[0-9a-f]{6,8}(\.[a-z.]+\.tmp|\.o)$`, "-*$1"},
	} {
		path = regexp.MustCompile(r.from).ReplaceAllString(path, r.to)
	}
	return path
}

func fromWatch(t *testing.T, dir, program string, args []string) *facts {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	defer null.Close()
	r := watched(t, &Spec{Path: program, Argv: append([]string{program}, args[1:]...), Env: plainEnv(), Dir: dir, Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Class: All})
	if len(r.Incomplete) > 0 {
		t.Errorf("incomplete: %q", r.Incomplete)
	}
	f := newFacts(dir)
	for _, e := range r.Events {
		if e.Op == Exec && strings.HasPrefix(filepath.Base(e.Path), "ld-linux") {
			continue // read by the kernel
		}
		f.add(map[Op]string{Read: "read", Link: "link", List: "list", Exec: "exec", Write: "write"}[e.Op], e.Path, e.Errno != 0)
	}
	return f
}

func fromStrace(t *testing.T, dir, program string, args []string) *facts {
	t.Helper()
	out := filepath.Join(t.TempDir(), "strace")
	cmd := exec.Command("strace", append([]string{"-f", "-y", "-s", "5000", "-o", out, "-e", "trace=%file,getdents64,connect", program}, args[1:]...)...)
	cmd.Dir, cmd.Env = dir, plainEnv()
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	b, err := os.ReadFile(out)
	must(t, err)
	f := newFacts(dir)
	begun := map[string]string{}
	for line := range strings.Lines(string(b)) {
		pid, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if head, ok := strings.CutSuffix(rest, " <unfinished ...>"); ok {
			begun[pid] = head
			continue
		}
		if strings.HasPrefix(rest, "<... ") {
			_, tail, _ := strings.Cut(rest, " resumed>")
			rest = begun[pid] + tail
		}
		if name, rest, ok := strings.Cut(rest, "("); ok && !strings.HasPrefix(name, "-") && !strings.HasPrefix(name, "+") {
			f.addCall(t, name, rest)
		}
	}
	return f
}

// addCall takes a line of strace: name, and "arguments) = result".
func (f *facts) addCall(t *testing.T, name, rest string) {
	t.Helper()
	end := regexp.MustCompile(`\) += `).FindAllStringIndex(rest, -1)
	if end == nil {
		t.Fatalf("strace: %s(%s", name, rest)
	}
	args, result := rest[:end[len(end)-1][0]], rest[end[len(end)-1][1]:]
	failed := strings.HasPrefix(result, "-1 ")
	missing := strings.HasPrefix(result, "-1 ENOENT") || strings.HasPrefix(result, "-1 ENOTDIR")
	paths := pathsOf(f.dir, args)
	var kind string
	switch name {
	case "open", "openat", "openat2", "creat":
		switch {
		case strings.Contains(rest, "O_CREAT"):
			kind = "write"
		case strings.Contains(rest, "O_PATH") || strings.Contains(rest, "O_DIRECTORY") || failed:
		default:
			kind = "read"
		}
	case "execve", "execveat":
		kind = "exec"
	case "readlink", "readlinkat":
		kind = "link"
		if missing || failed && !strings.Contains(result, "EINVAL") {
			kind = ""
		}
	case "getdents64":
		kind = "list"
	case "rename", "renameat", "renameat2", "link", "linkat":
		f.add("write", paths[1], false)
		paths = paths[:1]
	case "symlink", "symlinkat":
		kind, paths = "write", paths[1:]
	case "mkdir", "mkdirat", "truncate":
		kind = "write"
	case "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "chdir", "unlink", "unlinkat", "rmdir",
		"connect", "statfs", "getxattr", "lgetxattr", "listxattr", "llistxattr", "setxattr", "removexattr",
		"chmod", "fchmodat", "utimensat", "chown", "lchown", "fchownat":
	case "getcwd":
		return
	default:
		t.Errorf("a call that watch does not know: %s(%s", name, rest)
	}
	if len(paths) > 0 {
		f.add(kind, paths[0], missing)
	}
}

// pathsOf returns the paths among a call's arguments, made absolute. strace -y
// shows what a descriptor is after its number: 3</dir>.
func pathsOf(dir, args string) []string {
	var out []string
	base := dir
	if m := regexp.MustCompile(`^[0-9]+<([^>]*)>(?:, 0x|$)`).FindStringSubmatch(args); m != nil {
		return []string{m[1]} // of getdents64
	}
	for _, m := range regexp.MustCompile(`(?:AT_FDCWD|\b[0-9]+)<([^>]*)>|"([^"]*)"`).FindAllStringSubmatch(args, -1) {
		switch {
		case m[1] != "":
			base = m[1]
		case strings.HasPrefix(m[2], "/"):
			out = append(out, m[2])
		case m[2] != "":
			out = append(out, base+"/"+m[2])
		}
	}
	return out
}
