package rustc

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/compilertest"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/watch"
)

// The test binary is its own RUSTC_WRAPPER: cargo starts it with recordDir set,
// and it does what the coordinator will do, with strace around the compiler.
const (
	recordDir  = "RUSTC_TEST_RECORD" // where records go; set in wrapper mode only
	recordTool = "RUSTC_TEST_SYSROOT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(recordDir); dir != "" {
		os.Exit(recordCall(dir, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// record is one compiler call of a build.
type record struct {
	Args    []string
	Dir     string
	Crate   string
	Parse   string // why Parse refused, or ""
	Inputs  string // why Inputs refused, or ""
	Set     []byte // the encoded path set
	State   string // what the set evaluated to when the call had ended
	Outputs []string
	Trace   string // of strace, "" where the run was watched
	Watched bool
}

// recordCall runs a compiler call under strace and returns its exit status.
func recordCall(dir string, argv []string) int {
	call := callOf(argv)
	origins := fileOrigins{dir}
	lang := New(origins)
	files, origin, produces := lang.Produces(call)
	if produces {
		origins.announce(files, origin)
	}
	r := record{Args: argv, Dir: call.Dir, Trace: filepath.Join(dir, fmt.Sprintf("%d.trace", os.Getpid()))}
	inv, err := lang.Parse(call)
	args, env := call.Args, []string(call.Env)
	if err != nil {
		r.Parse = err.Error()
	} else {
		plan, err := lang.Plan(call, inv, "")
		if err != nil {
			panic(err)
		}
		r.Crate = inv.Detail.(*detail).cmd.crate
		args = plan.Args
		env = append(append(append([]string{}, inv.Env...), inv.Messages...), plan.Env...)
		for _, n := range compiler.Plumbing() {
			if v, ok := call.Env.Lookup(n); ok && !slices.Contains(env, n+"="+v) {
				env = append(env, n+"="+v)
			}
		}
		r.Watched = plan.Looks
	}
	for fd := uintptr(3); fd < 32; fd++ { // the jobserver of cargo
		if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFD, 0); e == 0 {
			syscall.CloseOnExec(int(fd))
		}
	}
	var looks []compiler.Look
	var status int
	if r.Watched {
		status, looks = watched(call.Path, args, env)
	} else {
		status = traced(r.Trace, call.Path, args, env)
	}
	if status == 0 {
		if produces {
			origins.keep(files, origin)
		}
		r.inputs(lang, call, inv, looks)
	}
	b, _ := json.Marshal(r)
	if err := os.WriteFile(strings.TrimSuffix(r.Trace, ".trace")+".json", b, 0o644); err != nil {
		panic(err)
	}
	return status
}

func traced(trace, program string, args, env []string) int {
	cmd := exec.Command("strace", append([]string{"-f", "-y", "-s", "4096", "-o", trace, "-e", "trace=%file,getdents64", program}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdin, os.Stdout, os.Stderr, env
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode()
}

// watched runs a compiler as the wrapper does.
func watched(program string, args, env []string) (int, []compiler.Look) {
	tree, err := watch.Start(&watch.Spec{Path: program, Argv: append([]string{program}, args...), Env: env,
		Files: []uintptr{0, 1, 2}, Class: watch.All})
	if err != nil {
		panic(err)
	}
	ws, _, err := tree.Wait()
	if err != nil {
		panic(err)
	}
	return ws.ExitStatus(), looksOf(tree.Report())
}

// looksOf is what the wrapper and the coordinator make of a report.
func looksOf(r *watch.Report) []compiler.Look {
	deeds := map[watch.Op]compiler.Deed{watch.Read: compiler.Read, watch.Exec: compiler.Read, watch.Probe: compiler.Probed,
		watch.Link: compiler.Probed, watch.List: compiler.Listed, watch.Write: compiler.Wrote, watch.Remove: compiler.Removed}
	var looks []compiler.Look
	for _, e := range r.Events {
		k := compiler.Look{Path: e.Path, Deed: deeds[e.Op], Found: e.Errno == 0}
		if e.Op == watch.Write {
			_, err := os.Lstat(e.Path)
			k.Found = err == nil
		}
		if !e.Own || e.Op == watch.Write {
			looks = append(looks, k)
		}
	}
	return looks
}

func (r *record) inputs(lang *Language, call *compiler.Call, inv *compiler.Invocation, looks []compiler.Look) {
	if inv == nil {
		return
	}
	for _, o := range inv.Outputs {
		r.Outputs = append(r.Outputs, under(call.Dir, o.Path))
	}
	set, err := lang.Inputs(call, inv, &compiler.Observed{Looks: looks, Output: compilertest.OutputsIn(call.Dir)})
	if err != nil {
		r.Inputs = err.Error()
		return
	}
	r.Set = set.Encode()
	r.State = evaluate(set)
}

// callOf is what the coordinator makes of a wrapper's command line.
func callOf(argv []string) *compiler.Call {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	family := "rustc"
	if filepath.Base(argv[0]) == "clippy-driver" {
		family = "clippy"
	}
	var env compiler.Environ
	sysroot := ""
	for _, kv := range os.Environ() {
		switch name := compiler.Name(kv); name {
		case recordDir:
		case recordTool:
			sysroot = strings.TrimPrefix(kv, recordTool+"=")
		default:
			env = append(env, kv)
		}
	}
	path := argv[0]
	if found, err := exec.LookPath(path); err == nil { // cargo without rustup says "rustc"
		path = found
	}
	return &compiler.Call{
		Arg0: argv[0], Path: path, Args: argv[1:], Dir: dir, Env: env,
		Tool: compiler.Tool{Family: family, Target: hostTriple(), Sysroot: sysroot},
	}
}

func hostTriple() string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	return arch + "-unknown-linux-gnu"
}

// evaluate describes what lies at the paths of a set.
func evaluate(set *action.PathSet) string {
	var b strings.Builder
	look := func(p string) {
		st, err := os.Stat(p)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "%s absent\n", p)
		case st.IsDir():
			fmt.Fprintf(&b, "%s dir\n", p)
		default:
			fmt.Fprintf(&b, "%s %s\n", p, digestOf(p))
		}
	}
	for _, p := range set.Paths {
		look(p)
	}
	for _, s := range set.Searches {
		for _, d := range s.Dirs {
			for _, n := range s.Names {
				look(d + "/" + n)
			}
		}
	}
	for _, l := range set.Listings {
		d := listDir(l.Dir)
		for _, f := range d.match(l) {
			look(f)
		}
	}
	return b.String()
}

func digestOf(file string) digest.Digest {
	f, err := os.Open(file)
	if err != nil {
		return digest.Digest{}
	}
	defer f.Close()
	d, err := digest.Read(f)
	if err != nil {
		return digest.Digest{}
	}
	return d
}

// fileOrigins keeps origins in a directory: one file per content, and one per
// file that a running call writes.
type fileOrigins struct{ dir string }

// Origin looks for a running call first: one that ends meanwhile has kept its
// origin by content before it stops being one.
func (o fileOrigins) Origin(file string) (Origin, digest.Digest, bool) {
	d := digestOf(file)
	b := o.running(file)
	if kept, err := os.ReadFile(o.byContent(d)); err == nil {
		b = kept
	}
	if b == nil {
		return Origin{}, d, false
	}
	origin, err := DecodeOrigin(b)
	return origin, d, err == nil
}

// running returns the origin of a call that is writing file, or nil.
func (o fileOrigins) running(file string) []byte {
	announced, err := os.Open(o.byPath(file))
	if err != nil {
		return nil
	}
	defer announced.Close()
	since, err := announced.Stat()
	if err != nil {
		return nil
	}
	st, err := os.Stat(file)
	if err != nil || changeTime(st).Before(since.ModTime()) {
		return nil
	}
	b, err := io.ReadAll(announced)
	if err != nil {
		return nil
	}
	return b
}

func changeTime(st os.FileInfo) time.Time {
	c := st.Sys().(*syscall.Stat_t).Ctim
	return time.Unix(c.Sec, c.Nsec)
}

func (o fileOrigins) byContent(d digest.Digest) string {
	return filepath.Join(o.dir, d.Hex()+".origin")
}

func (o fileOrigins) byPath(file string) string {
	return filepath.Join(o.dir, digest.Of([]byte(file)).Hex()+".running")
}

func (o fileOrigins) announce(files []string, origin Origin) {
	for _, f := range files {
		o.write(o.byPath(f), origin)
	}
}

// write makes a file at once: other calls read it meanwhile.
func (o fileOrigins) write(file string, origin Origin) {
	part := fmt.Sprintf("%s.%d", file, os.Getpid())
	if err := os.WriteFile(part, origin.Encode(), 0o644); err != nil {
		panic(err)
	}
	if err := os.Rename(part, file); err != nil {
		panic(err)
	}
}

func (o fileOrigins) keep(files []string, origin Origin) {
	for _, f := range files {
		if d := digestOf(f); !d.IsZero() {
			o.write(o.byContent(d), origin)
		}
		os.Remove(o.byPath(f))
	}
}
