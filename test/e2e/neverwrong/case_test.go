package neverwrong

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// files are the contents of files by name.
type files map[string]string

// testCase is one history of a directory.
type testCase struct {
	name  string
	on    []string // compilers; each is $CC in turn
	files files
	prep  string // shell, after the files are there
	steps []step
}

// step is one call and what happens before it.
type step struct {
	do   string // shell, in the case's directory
	call string // shell with $CC for the compiler; "" repeats the one before
	// want is what becomes of the call:
	//
	//	want    = [ "!" ] outcome
	//	outcome = "stored" | "hit" | "bare" | "failed" | "any"
	//
	// "bare" is run and not stored, for whatever reason; "any" leaves it open,
	// since every answer that is right is right. "!" says that the bare compiler
	// must give something else than in the step before: else the case proves
	// nothing.
	want string
}

// compilers by what they have in common.
func ccs() []string   { return []string{"gcc", "clang"} }
func cxxs() []string  { return []string{"g++", "clang++"} }
func all() []string   { return []string{"gcc", "clang", "g++", "clang++"} }
func gcc() []string   { return []string{"gcc"} }
func clang() []string { return []string{"clang"} }
func rust() []string  { return []string{shared.rustc} }

// proxy is rustup's, where that is installed.
func proxy() []string {
	if _, err := exec.LookPath("rustup"); err != nil {
		return nil
	}
	return []string{"rustc"}
}

// stale is the usual case: cached, then something changes, then cached again.
func stale(name string, on []string, f files, call, change string) testCase {
	return testCase{name: name, on: on, files: f, steps: []step{
		{"", call, "stored"}, {"", "", "hit"}, {change, "", "!any"}, {"", "", "hit"}}}
}

// other is two calls in one directory that must not be taken for each other.
func other(name string, on []string, f files, first, second string) testCase {
	return testCase{name: name, on: on, files: f, steps: []step{
		{"", first, "stored"}, {"", "", "hit"}, {"", second, "!any"}, {"", "", "hit"}, {"", first, "!hit"}}}
}

// right is a case that need not be cached.
func right(name string, on []string, f files, call, change string) testCase {
	return testCase{name: name, on: on, files: f, steps: []step{
		{"", call, "any"}, {"", "", "any"}, {change, "", "!any"}, {"", "", "any"}}}
}

// calm is a case that need not be cached, with a change that some compilers do
// not see.
func calm(name string, on []string, f files, call, change string) testCase {
	return testCase{name: name, on: on, files: f, steps: []step{
		{"", call, "any"}, {"", "", "any"}, {change, "", "any"}, {"", "", "any"}}}
}

// cached is a call that must be a hit when nothing has changed, though its
// outputs are gone.
func cached(name string, on []string, f files, call, clean string) testCase {
	return testCase{name: name, on: on, files: f, steps: []step{
		{"", call, "stored"}, {"", "", "hit"}, {clean, "", "hit"}}}
}

// asIs is a call that need not be cached, made twice.
func asIs(name string, on []string, f files, call, clean string) testCase {
	return testCase{name: name, on: on, files: f, steps: []step{
		{"", call, "any"}, {clean, "", "any"}}}
}

// prepared runs a script once the files of the case are there.
func (c testCase) prepared(script string) testCase {
	c.prep = script
	return c
}

// runCases runs each case with each of its compilers.
func runCases(t *testing.T, cases []testCase) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.name] {
			t.Fatalf("two cases called %q", c.name)
		}
		seen[c.name] = true
		for _, cc := range c.on {
			t.Run(c.name+"/"+cc, func(t *testing.T) {
				t.Parallel()
				c.run(t, cc, shared.borrow(t))
			})
		}
	}
}

// settled is longer than the tick of the clock that files are stamped by.
const settled = 12 * time.Millisecond

// run runs the history bare and through the wrapper.
func (c *testCase) run(t *testing.T, cc string, i *harness.Instance) {
	t.Helper()
	root := shared.place()
	played := func(cc string, on *harness.Instance) *history {
		h := &history{t: t, c: c, root: root, cc: cc, env: i.Env}
		h.play(on)
		return h
	}
	bare := &reference{play: func() []*harness.Result { return played(shared.bare(cc), nil).results }}
	if shared.mapped != "" {
		bare.exact = func() []*harness.Result { return played(cc, nil).results }
	}
	bare.first = bare.play()
	for n, r := range bare.first {
		if strings.HasPrefix(c.steps[n].want, "!") && harness.Same(bare.first[n-1], r) {
			t.Fatalf("step %d: the bare compiler gives the same as before: the case proves nothing", n+1)
		}
	}
	potted := played(i.Wrapper+" "+cc, i)
	for n, r := range potted.results {
		if d := bare.diff(n, r); d != "" {
			t.Errorf("WRONG at %s\n%s", potted.where(n), d)
		}
		if want := strings.TrimPrefix(c.steps[n].want, "!"); !fits(want, potted.outcomes[n]) {
			t.Errorf("want %s at %s\nstderr: %.300s", want, potted.where(n), r.Stderr)
		}
	}
	_ = os.RemoveAll(root)
}

// reference is what the bare compiler gives. It is played once more where something
// differs from it, to tell what is random even so.
type reference struct {
	play func() []*harness.Result
	// exact plays with the compiler alone, as calls are run whose words say that they
	// cannot be moved; nil where play does that.
	exact        func() []*harness.Result
	first, again []*harness.Result // nil: not played yet
	others       [2][]*harness.Result
}

// diff says how a result differs from that of step n.
func (r *reference) diff(n int, got *harness.Result) string {
	d := harness.Diff(r.first[n], got, nil)
	if d == "" {
		return ""
	}
	if r.again == nil {
		r.again = r.play()
	}
	if r.exact == nil {
		return harness.Diff(r.first[n], got, r.again[n])
	}
	if r.others[0] == nil {
		r.others = [2][]*harness.Result{r.exact(), r.exact()}
	}
	return harness.Diff(harness.Either(r.first[n], r.others[0][n], got), got, harness.Either(r.again[n], r.others[1][n], got))
}

// history is one run of a case.
type history struct {
	t        *testing.T
	c        *testCase
	root     string
	cc       string
	env      []string
	results  []*harness.Result
	calls    []string
	outcomes []string
	tree     harness.Tree
}

// where names a step.
func (h *history) where(n int) string {
	return fmt.Sprintf("step %d of %q: %s", n+1, h.outcomes, h.calls[n])
}

// play sets the directory up and makes all calls. With an instance, it finds out
// what became of them.
func (h *history) play(i *harness.Instance) {
	h.t.Helper()
	h.setUp()
	defer h.shell("chmod -R u+w . 2>/dev/null; true")
	if i != nil {
		if err := i.Mark(); err != nil {
			h.t.Fatal(err)
		}
	}
	time.Sleep(settled)
	call := ""
	for _, s := range h.c.steps {
		if s.do != "" {
			h.shell(s.do)
			time.Sleep(settled) // whether the very moment before a call counts is a case of its own
		}
		if s.call != "" {
			call = s.call
		}
		h.calls = append(h.calls, expand(call, h.cc))
		h.results = append(h.results, h.call(call))
		if i == nil {
			continue
		}
		outcome, err := i.Outcome()
		if err != nil {
			h.t.Fatal(err)
		}
		h.outcomes = append(h.outcomes, outcome)
	}
}

// fits compares an outcome with what a step wants.
func fits(want, outcome string) bool {
	switch want {
	case "any":
		return !strings.Contains(outcome, "error")
	case "bare":
		return !strings.Contains(outcome, "hit") && !strings.Contains(outcome, "stored") ||
			strings.HasPrefix(outcome, "unstored")
	}
	return outcome == want
}

func (h *history) setUp() {
	h.t.Helper()
	if err := os.RemoveAll(h.root); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Mkdir(h.root, 0o755); err != nil {
		h.t.Fatal(err)
	}
	for name, text := range h.c.files {
		p := filepath.Join(h.root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			h.t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			h.t.Fatal(err)
		}
	}
	if h.c.prep != "" {
		h.shell(h.c.prep)
	}
}

// shell changes the directory between two calls.
func (h *history) shell(script string) {
	h.t.Helper()
	compiler := h.cc[strings.LastIndexByte(h.cc, ' ')+1:] // changes never go through the wrapper
	r, err := harness.Run(h.root, h.root, "set -e; "+expand(script, compiler), h.env, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	if r.Status != "exit status 0" {
		h.t.Fatalf("%s: %s\n%s", script, r.Status, r.Stderr)
	}
	h.tree = r.Tree
}

func (h *history) call(script string) *harness.Result {
	h.t.Helper()
	if h.tree == nil {
		h.shell(":")
	}
	r, err := harness.Run(h.root, h.root, expand(script, h.cc), h.env, h.tree)
	if err != nil {
		h.t.Fatal(err)
	}
	h.tree = r.Tree
	return r
}

func expand(script, cc string) string { return strings.ReplaceAll(script, "$CC", cc) }
