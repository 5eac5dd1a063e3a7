// Package cfamilytest is the conformance suite of the C family: it runs real
// compilers on small projects and holds what a language says of a call against
// what the compiler did. Only tests may import it.
package cfamilytest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/compilertest"
)

// Case is one call in a directory of its own.
type Case struct {
	Name  string
	Files map[string]string // by path; directories are made as needed
	Links map[string]string // symbolic links: name to target
	Setup []string          // command lines run first in the directory, by "sh -c"
	Args  string            // the call's arguments, parted by spaces
	Env   []string
	// Bare is the reason for which the call must be refused, "" where it must be
	// understood. A reason that only Inputs can find counts too.
	Bare string
	// Random products differ from run to run.
	Random bool
}

// Suite is a language with the compiler that speaks it.
type Suite struct {
	Language compiler.Language
	Command  string // name of the compiler, found along PATH
	CPlus    bool
}

// Run runs a case.
func (s *Suite) Run(t *testing.T, c Case) {
	t.Helper()
	t.Run(testName(c), func(t *testing.T) {
		t.Parallel()
		dir := materialise(t, c)
		call := s.call(t, dir, strings.Fields(c.Args), c.Env)
		inv, err := s.Language.Parse(call)
		if refused(t, c, err) {
			return
		}
		s.compare(t, c, call, inv)
	})
}

// testName makes a case's name fit for directories that options name.
func testName(c Case) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("/,$=", r) {
			return '_'
		}
		return r
	}, c.Name)
}

// refused checks an error against the reason that the case wants.
func refused(t *testing.T, c Case, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var bare *compiler.Bare
	if !errors.As(err, &bare) {
		t.Fatalf("%s: error %v is no *Bare", c.Args, err)
	}
	if bare.Reason != c.Bare {
		t.Fatalf("%s: refused for %q, want %q", c.Args, bare.Reason, c.Bare)
	}
	return true
}

func materialise(t testing.TB, c Case) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for name, text := range c.Files {
		p := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o777))
		must(t, os.WriteFile(p, []byte(text), 0o666))
	}
	for name, target := range c.Links {
		p := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o777))
		must(t, os.Symlink(target, p))
	}
	for _, line := range c.Setup {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	return dir
}

// call makes a call as a shell in dir would.
func (s *Suite) call(t testing.TB, dir string, args, env []string) *compiler.Call {
	t.Helper()
	path, err := exec.LookPath(s.Command)
	must(t, err)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "$DIR", dir)
	}
	var all compiler.Environ
	for _, kv := range env {
		all = append(all, strings.ReplaceAll(kv, "$DIR", dir))
	}
	for _, kv := range []string{"PATH=" + compiler.Environ(exec.Command("true").Environ()).Get("PATH"), "HOME=/nonexistent", "LC_ALL=C", "PWD=" + dir} {
		if _, set := all.Lookup(compiler.Name(kv)); !set {
			all = append(all, kv)
		}
	}
	return &compiler.Call{
		Arg0: s.Command, Path: path, Args: args, Dir: dir, Env: all,
		Tool: compiler.Tool{CPlus: s.CPlus, Target: s.target(t)},
		Probe: func(args, env []string) ([]byte, []byte, error) {
			cmd := exec.Command(path, args...)
			cmd.Dir, cmd.Env = dir, env
			var out, msg bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &msg
			err := cmd.Run()
			return out.Bytes(), msg.Bytes(), err
		},
	}
}

// product is what a run left behind.
type product struct {
	status int
	stderr string
	files  map[string]string
}

// compare holds the language's statements about a call against two runs of the
// compiler: bare, then planned and watched over the outputs of the first.
func (s *Suite) compare(t *testing.T, c Case, call *compiler.Call, inv *compiler.Invocation) {
	t.Helper()
	bare := s.run(t, call, t.TempDir(), nil, call.Args, call.Env)
	if bare.status != 0 {
		t.Fatalf("%s fails by itself:\n%s", c.Args, bare.stderr)
	}
	checkNames(t, call, inv, bare)
	links := spoil(t, call.Dir, bare)

	scratch := t.TempDir()
	plan, err := s.Language.Plan(call, inv, scratch)
	if refused(t, c, err) {
		return
	}
	env := slices.Concat(inv.Env, inv.Messages, plan.Env)
	trace := filepath.Join(scratch, "trace")
	planned := s.run(t, call, scratch, tracer(trace), plan.Args, env)
	if diff := cmp.Diff(bare.stderr, planned.stderr); diff != "" || planned.status != 0 {
		t.Errorf("%s: messages differ by the plan (status %d):\n%s", c.Args, planned.status, diff)
	}
	if !c.Random {
		sameFiles(t, c.Args, bare.files, planned.files)
	}
	checkInPlace(t, call, inv, links)
	looks := readTrace(t, trace, call.Dir)
	seen := &compiler.Observed{Scratch: scratch, Output: compilertest.OutputsIn(call.Dir)}
	if plan.Watch {
		s.checkBlind(t, call, inv, looks, scratch)
		seen.Opened = opened(looks)
	}
	if plan.Looks {
		seen.Looks = deeds(t, trace, call.Dir)
	}
	set, err := s.Language.Inputs(call, inv, seen)
	if refused(t, c, err) {
		return
	}
	if c.Bare != "" {
		t.Errorf("%s: not refused, want %q", c.Args, c.Bare)
	}
	checkCover(t, call, inv, set, looks, scratch)
}

// checkBlind: where the watch did not come about, the call is refused or the
// rules alone suffice.
func (s *Suite) checkBlind(t *testing.T, call *compiler.Call, inv *compiler.Invocation, looks []look, scratch string) {
	t.Helper()
	set, err := s.Language.Inputs(call, inv, &compiler.Observed{Scratch: scratch, Output: compilertest.OutputsIn(call.Dir)})
	if err == nil {
		checkCover(t, call, inv, set, looks, scratch)
	}
}

// run runs the compiler and collects the files that were not there before.
func (s *Suite) run(t *testing.T, call *compiler.Call, tmp string, prefix, args, env []string) product {
	t.Helper()
	before := listing(t, call.Dir)
	argv := slices.Concat(prefix, []string{call.Path}, args)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = call.Dir, append(slices.Clone(env), "TMPDIR="+tmp)
	var msg bytes.Buffer
	cmd.Stderr = &msg
	_ = cmd.Run() // the status says it
	p := product{status: cmd.ProcessState.ExitCode(), stderr: msg.String(), files: map[string]string{}}
	for name, text := range listing(t, call.Dir) {
		if old, ok := before[name]; !ok || old != text {
			p.files[name] = text
		}
	}
	return p
}

func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(p)
		name, _ := filepath.Rel(dir, p)
		files[name] = string(text)
		return err
	}))
	return files
}

// checkNames compares the files that appeared with those foretold.
func checkNames(t *testing.T, call *compiler.Call, inv *compiler.Invocation, p product) {
	t.Helper()
	var want, got []string
	for _, o := range inv.Outputs {
		name := o.Path
		if filepath.IsAbs(name) {
			name, _ = filepath.Rel(call.Dir, name)
		}
		name = filepath.Clean(name)
		if _, ok := p.files[name]; ok || !o.Optional {
			want = append(want, name)
		}
	}
	for name := range p.files {
		got = append(got, name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v: outputs foretold (-) and written (+):\n%s", call.Args, diff)
	}
}

func sameFiles(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %s differs by the plan", what, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s appears by the plan", what, name)
		}
	}
}

// spoil replaces what a run wrote by other bytes and gives each file a second
// name, so that the next run shows which it truncates and which it replaces. It
// returns the second names.
func spoil(t *testing.T, dir string, p product) map[string]string {
	t.Helper()
	links := map[string]string{}
	for name := range p.files {
		link := filepath.Join(t.TempDir(), "link")
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("stale"), 0o666))
		must(t, os.Link(filepath.Join(dir, name), link))
		links[name] = link
	}
	return links
}

func checkInPlace(t *testing.T, call *compiler.Call, inv *compiler.Invocation, links map[string]string) {
	t.Helper()
	for _, o := range inv.Outputs {
		p := o.Path
		if !filepath.IsAbs(p) {
			p = filepath.Join(call.Dir, p)
		}
		name, _ := filepath.Rel(call.Dir, p)
		link, ok := links[name]
		if !ok {
			continue
		}
		a, errA := os.Stat(p)
		b, errB := os.Stat(link)
		if errA != nil || errB != nil || os.SameFile(a, b) != o.InPlace {
			t.Errorf("%v: %s: InPlace is %v, and the compiler does otherwise", call.Args, o.Path, o.InPlace)
		}
	}
}

// checkCover demands that the path set names every look of the process tree.
func checkCover(t *testing.T, call *compiler.Call, inv *compiler.Invocation, set *action.PathSet, looks []look, scratch string) {
	t.Helper()
	own := map[string]bool{}
	for _, o := range inv.Outputs {
		p := o.Path
		if !filepath.IsAbs(p) {
			p = filepath.Join(call.Dir, p)
		}
		for p = filepath.Clean(p); strings.HasPrefix(p, call.Dir+"/"); p = filepath.Dir(p) {
			own[p] = true
		}
	}
	missed := map[string]bool{}
	for _, l := range looks {
		if strings.HasPrefix(l.path, scratch) || own[filepath.Clean(l.path)] || isToolchain(l.path) || set.Covers(l.path) {
			continue
		}
		missed[l.path] = true
	}
	for p := range missed {
		t.Errorf("%v: looked at and not claimed: %s", call.Args, p)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Suite) target(t testing.TB) string {
	t.Helper()
	out, err := exec.Command(s.Command, "-dumpmachine").Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}
