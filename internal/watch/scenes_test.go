//go:build linux && (amd64 || arm64)

package watch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestMain compiles the scenes, once. The test program itself serves as other
// programs too: see roles.
func TestMain(m *testing.M) {
	if role := os.Getenv("WATCH_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	dir, err := os.MkdirTemp("", "watch")
	if err != nil {
		panic(err)
	}
	os.Setenv("WATCH_TEST_SCENES", dir+"/scenes")
	if out, err := exec.Command("gcc", "-Wall", "-O1", "-pthread", "-o", dir+"/scenes", "testdata/scenes.c").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// setUp makes the directory that a scene expects and returns its path.
func setUp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	must(t, os.Mkdir(dir+"/sub", 0o777))
	must(t, os.WriteFile(dir+"/sub/a.h", []byte("a\n"), 0o666))
	must(t, os.WriteFile(dir+"/in.h", []byte("in\n"), 0o777))
	must(t, os.WriteFile(dir+"/script", []byte("#! "+dir+"/tool nothing\n"), 0o777))
	must(t, os.Symlink("in.h", dir+"/link"))
	must(t, os.Symlink("nowhere", dir+"/dangling"))
	must(t, os.Symlink("sub", dir+"/dir"))
	program, err := os.ReadFile(os.Getenv("WATCH_TEST_SCENES"))
	must(t, err)
	must(t, os.WriteFile(dir+"/tool", program, 0o777))
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene returns the Spec of a scene in dir. What it prints goes to the log.
func scene(t *testing.T, class Class, dir string, args ...string) *Spec {
	t.Helper()
	return &Spec{
		Path: dir + "/tool", Argv: append([]string{"tool"}, args...), Env: []string{"LC_ALL=C"}, Dir: dir,
		Files: []uintptr{0, 1, 2}, Class: class, Deathsig: syscall.SIGKILL,
		Alone: len(args)%2 == 0, // some of each
	}
}

// watched runs spec and returns its report; the exit status must be 0.
func watched(t *testing.T, spec *Spec) *Report {
	t.Helper()
	r, err := finish(spec)
	must(t, err)
	return r
}

func finish(spec *Spec) (*Report, error) {
	tree, err := Start(spec)
	if err != nil {
		return nil, err
	}
	status, _, err := tree.Wait()
	if err == nil && status != 0 {
		err = fmt.Errorf("%v: status %#x", spec.Argv, status)
	}
	return tree.Report(), err
}

// traced is watched, by Trace.
func traced(t *testing.T, spec *Spec) *Report {
	t.Helper()
	status, r, err := Trace(spec, time.Minute)
	must(t, err)
	if status != 0 {
		t.Fatalf("%v: status %#x", spec.Argv, status)
	}
	return r
}

// ways are those to watch, by name; Trace has one class.
func ways(class Class) map[string]func(*testing.T, *Spec) *Report {
	if class != All {
		return map[string]func(*testing.T, *Spec) *Report{"seccomp": watched}
	}
	return map[string]func(*testing.T, *Spec) *Report{"seccomp": watched, "ptrace": traced}
}

// told renders the events below dir, with paths relative to it: "Op path",
// "Op path: error", and a star where it is the tree's own.
func told(r *Report, dir string) []string {
	var out []string
	for _, e := range r.Events {
		if strings.HasPrefix(e.Path, dir) {
			out = append(out, show(e, dir))
		}
	}
	return out
}

func show(e Event, dir string) string {
	s := e.Op.String()
	if e.Own {
		s += "*"
	}
	s += " " + strings.TrimPrefix(strings.TrimPrefix(e.Path, dir), "/")
	if e.Errno != 0 {
		s += ": " + unix.ErrnoName(e.Errno)
	}
	return s
}

func TestEvents(t *testing.T) {
	tests := []struct {
		name  string
		class Class
		want  []string
	}{
		{"opens", Opens, []string{
			"Read in.h", "Read ./in.h", "Read link", "Read dir/../in.h",
			"Read nope: ENOENT", "Read sub/../nope: ENOENT", "Read in.h/x: ENOTDIR", "Read dangling: ENOENT",
			"Probe in.h", // as a directory, as a mere path
		}},
		{"chdirs", Opens, []string{"Read sub/a.h", "Read in.h"}},
		{"chdirs", All, []string{"Probe sub", "Read sub/a.h", "Probe sub/..", "Read in.h", "Probe nope: ENOENT"}},
		{"dirfds", All, []string{"Probe dir", "Read sub/a.h", "Read sub/nope: ENOENT", "Read sub/./a.h", "Probe sub/../in.h"}},
		{"stats", Opens, nil},
		{"stats", All, []string{
			"Probe in.h", "Probe sub", "Probe dangling", "Probe nope1: ENOENT", "Probe link", "Probe nope2: ENOENT",
			"Probe sub/a.h", "Probe nope3: ENOENT", "Probe nope4: ENOENT",
		}},
		{"links", Direct, []string{"Link link", "Link dangling", "Link in.h", "Link nope: ENOENT"}},
		{"resolves", Direct, []string{"Probe sub/a.h"}},
		{"resolves", All, []string{"Link dir", "Link sub", "Link sub/a.h", "Probe sub/a.h"}},
		{"links", All, []string{"Link link", "Link dangling", "Link in.h", "Link nope: ENOENT"}},
		{"lists", Opens, []string{"List sub"}},
		{"lists", Direct, []string{"Probe dir", "List sub", "Probe sub"}},
		{"owns", All, []string{
			"Write a.s: ENOENT", "Read* a.s", "Read* ./sub/../a.s",
			"Remove* a.s", "Write b.s: ENOENT", "Read* b.s", "Probe* a.s: ENOENT",
			"Write c.s: ENOENT", "Read* c.s", "Remove* c.s", "Read* ./b.s",
			"Write tmp: ENOENT", "Probe* tmp/none: ENOENT", "Write* tmp/d.s: ENOENT",
			"Remove* tmp", "Write tmp2: ENOENT", "Read* tmp2/d.s",
			"Write ownlink: ENOENT", "Link* ownlink",
			"Remove in.h", "Read* in.h: ENOENT",
		}},
		{"rewrites", Opens, []string{"Write in.h", "Read* in.h"}},
		{"fails", Opens, []string{
			"Write tool", "Read tool", "Probe in.h", "Read in.h", "Probe dangling", "Probe sub",
			"Probe none/x: ENOENT", "Read none/x: ENOENT", "Read sub/a.h", "Probe nope: ENOENT", "Probe nope2: ENOENT",
		}},
		{"keeps", Opens, []string{
			"Read in.h", "Write in.h", "Read sub/a.h", "Write sub/a.h",
			"Read link", "Remove link", "Write in2: ENOENT",
			"Read tool", "Write tool2: ENOENT", "Read* tool2",
			"Read script", "Remove script", "Write script2: ENOENT", "Read* script2",
		}},
		{"tmpfiles", Opens, []string{"Probe sub", "Write sub/named: ENOENT", "Read* sub/named", "Write sub/named2: ENOENT", "Read* sub/named2", "Read in.h", "Read sub/a.h", "Read tool", "Read link"}},
		{"selves", Direct, []string{
			"Probe in.h", "Probe nope: ENOENT", "Link link", "Read sub/a.h", "Write made: ENOENT", "Read* made",
			"Probe sub", "Probe sub/nope2: ENOENT", "Write new: ENOENT", "Probe* new/x: ENOENT",
		}},
		{"unshared", Direct, []string{"Probe in.h", "Probe sub", "Probe sub/a.h"}},
		{"alarms", Opens, []string{"Read in.h"}},
		{"boundary", Opens, []string{"Read in.h", "Read sub/a.h"}},
		{"execs", Opens, []string{"Exec ./tool", "Exec ./nope: ENOENT", "Exec script", "Probe tool"}},
	}
	for _, tt := range tests {
		for how, watched := range ways(tt.class) {
			t.Run(tt.name+" "+strconv.Itoa(int(tt.class))+" "+how, func(t *testing.T) {
				dir := setUp(t)
				r := watched(t, scene(t, tt.class, dir, tt.name))
				want := append([]string{"Exec tool"}, tt.want...)
				if diff := cmp.Diff(want, told(r, dir)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if len(r.Incomplete) > 0 {
					t.Errorf("incomplete: %q", r.Incomplete)
				}
				for _, e := range r.Events {
					if strings.Contains(e.Path, "memfd") || strings.HasPrefix(e.Path, "/proc/") || strings.HasPrefix(e.Path, "/dev/fd") {
						t.Errorf("a file without a name: %s", show(e, ""))
					}
				}
			})
		}
	}
}

func TestLongestPaths(t *testing.T) {
	dir := setUp(t)
	r := watched(t, scene(t, Opens, dir, "longest", dir))
	relative := dir + "/" + strings.Repeat("./", 2045)
	var got []string
	for _, e := range r.Events {
		if len(e.Path) >= 4095 {
			got = append(got, strconv.Itoa(len(e.Path)-len(dir))+strings.TrimRight(show(e, dir)[:6], "./"))
		}
		if e.Errno != 0 && len(e.Path) >= 4095 {
			t.Errorf("%v for %.200s", e.Errno, e.Path)
		}
		if len(e.Path) > 4095 && !strings.HasPrefix(e.Path, relative) {
			t.Errorf("relative path became %.200s", e.Path)
		}
	}
	want := []string{"4096Read ", strconv.Itoa(4095-len(dir)) + "Read "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestThreads(t *testing.T) {
	dir := setUp(t)
	r := watched(t, scene(t, Opens, dir, "threads"))
	got := told(r, dir)
	want := []string{"Exec tool"}
	for i := range 8 {
		for j := range 8 {
			n := strconv.Itoa(i) + "." + strconv.Itoa(j)
			want = append(want, "Write t"+n+": ENOENT", "Read* t"+n, "Read n"+n+": ENOENT")
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Processes that end as soon as they have looked, more than can be answered at
// once: none is lost.
func TestSwarm(t *testing.T) {
	dir := setUp(t)
	r := watched(t, scene(t, Opens, dir, "swarm"))
	got := told(r, dir)
	want := []string{"Exec tool"}
	for i := range 400 {
		want = append(want, "Read n"+strconv.Itoa(i)+": ENOENT")
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(r.Incomplete) > 0 {
		t.Errorf("incomplete: %q", r.Incomplete)
	}
}

// Each call by which content could come unseen makes the report incomplete, in
// each class.
func TestHidingCalls(t *testing.T) {
	dir := setUp(t)
	for _, c := range hidingCalls() {
		for _, class := range []Class{Opens, Direct, All} {
			r := watched(t, scene(t, class, dir, "calls", strconv.Itoa(int(c.nr))))
			if want := "a process " + c.hides; !slices.Equal(r.Incomplete, []string{want}) {
				t.Errorf("class %d, call %d: incomplete: %q, want %q", class, c.nr, r.Incomplete, want)
			}
		}
	}
}

func TestInterpreters(t *testing.T) {
	dir := setUp(t)
	must(t, os.WriteFile(dir+"/outer", []byte("#!"+dir+"/script\n"), 0o777))
	r := watched(t, &Spec{Path: "./outer", Argv: []string{"outer"}, Env: nil, Dir: dir, Files: []uintptr{0, 1, 2}, Class: Opens})
	var got []string
	for _, e := range r.Events {
		if e.Op == Exec {
			got = append(got, filepath.Base(e.Path))
		}
	}
	if len(got) != 4 || !strings.HasPrefix(got[3], "ld-linux") || !slices.Equal(got[:3], []string{"outer", "script", "tool"}) {
		t.Errorf("executed: %q", got)
	}
}

func TestIncomplete(t *testing.T) {
	tests := map[string]string{
		"uring":    "a process uses io_uring",
		"handle":   "a process opens files by handle",
		"inet":     "a process opens a network socket",
		"root":     "a process opens files below a root of its own",
		"absent":   "",
		"present":  "a process connects to $/in.h",
		"abstract": "a process connects to a socket without a path",
		"moveddir": "a process moves a directory that was there before",
		"lostdir":  "a path is relative to a directory without a name",
		"lostself": "a path is relative to a directory without a name",
		"memfd":    "a process starts a program without a name",
		"format":   "a program of unknown format: $/in.h",
		"int80":    "a program uses another system call interface",
		"x32":      "a program uses another system call interface",
	}
	for what, want := range tests {
		for how, watched := range ways(All) {
			t.Run(what+" "+how, func(t *testing.T) {
				dir := setUp(t)
				r := watched(t, scene(t, All, dir, "hides", what))
				got := strings.ReplaceAll(strings.Join(r.Incomplete, "; "), dir, "$")
				if got != want {
					t.Errorf("incomplete: %q, want %q", got, want)
				}
			})
		}
	}
}

func TestStartFailures(t *testing.T) {
	dir := setUp(t)
	spec := func(change func(*Spec)) *Spec {
		s := scene(t, Opens, dir, "nothing")
		change(s)
		return s
	}
	tests := map[string]struct {
		spec *Spec
		want error
	}{
		"no program":                 {spec(func(s *Spec) { s.Path = dir + "/nope" }), syscall.ENOENT},
		"no permission":              {spec(func(s *Spec) { s.Path = dir + "/sub" }), syscall.EACCES},
		"no program of this machine": {spec(func(s *Spec) { s.Path = dir + "/in.h" }), syscall.ENOEXEC},
		"no directory":               {spec(func(s *Spec) { s.Dir = dir + "/nope" }), syscall.ENOENT},
		"no descriptor":              {spec(func(s *Spec) { s.Files = []uintptr{0, 1, 9999} }), syscall.EBADF},
		"empty path":                 {spec(func(s *Spec) { s.Path, s.Dir = "", "" }), syscall.ENOENT},
		"NUL in program":             {spec(func(s *Spec) { s.Path = "a\x00b" }), syscall.EINVAL},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Start(tt.spec); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("left a child behind: %d, %v", pid, err)
	}
}
