package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// fixedSeed gives the same histories in every run of the tests.
const fixedSeed = 4

// TestShort is the fuzzer for a short time, with one seed that stays and one that
// is new each time. A failure names its seed and history: play it again by
//
//	go run ./test/e2e/fuzz -seed SEED -history NUMBER
func TestShort(t *testing.T) {
	c := &campaign{cases: 240, only: -1, parallel: 2, floor: 0.5, most: 90 * time.Second,
		scripts: filepath.Join("..", "..", "..", ".work", "fuzz"), out: t.Output()}
	defer func() { _ = c.product.Remove() }()
	for _, seed := range []uint64{fixedSeed, uint64(time.Now().UnixNano()) % 1e9} {
		c.seed, c.tally, c.failed = seed, tally{}, nil
		if err := c.run(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// liar is a cache that keys by the command line alone.
const liar = `#!/bin/sh
base=${0%/*} key=$(printf '%s ' "$PWD" "$@" | cksum | tr ' ' -) out=
previous=
for a; do [ "$previous" = -o ] && out=$a; previous=$a; done
[ -n "$out" ] && [ -e "$base/$key" ] && exec cp --remove-destination "$base/$key" "$out"
"$@" || exit
[ -z "$out" ] || cp "$out" "$base/$key"
`

// always is the outcome of a cache that has no counters.
type always string

func (a always) Outcome() (string, error) { return string(a), nil }

// lyingHistory has one step in the middle that a liar does not see.
func lyingHistory() *history {
	const call = "$POT gcc -I. -c src/a.c -o a.o"
	return &history{files: map[string]string{"src/a.c": "#include \"h.h\"\nint v = V;\n", "h.h": "#define V 1\n"}, prep: "mkdir d", steps: []step{
		{kind: change, text: "touch d/x"}, {kind: compile, text: call}, {kind: change, text: "echo >d/y"}, {kind: compile, text: call},
		{kind: change, text: "echo '#define V 2' >h.h"}, {kind: change, text: "rm d/y"}, {kind: compile, text: "$POT gcc -I. -E src/a.c"}, {kind: compile, text: call, first: true},
		{kind: change, text: "rm -r d"}, {kind: compile, text: call}}}
}

// honest runs what it is told to, and is no shell: these set variables.
const honest = "/usr/bin/env"

// lies writes the liar and returns its path.
func lies(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wrapper")
	if err := os.WriteFile(path, []byte(liar), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func playerOf(t *testing.T, wrapper string, outcome always) *player {
	t.Helper()
	rustc, err := rustCompiler()
	if err != nil {
		t.Fatal(err)
	}
	return &player{wrapper: wrapper, subject: outcome, env: append(harness.BareEnv(), "RUSTC="+rustc), base: t.TempDir()}
}

// TestFinds: a wrong hit is found, the history of it is made as small as can be,
// and its script shows it.
func TestFinds(t *testing.T) {
	p := playerOf(t, lies(t), "hit")
	h := lyingHistory()
	var bad verdict
	if err := p.play(h, func(v verdict) bool { bad = v; return v.diff == "" }); err != nil {
		t.Fatal(err)
	}
	if bad.at != 7 || !strings.Contains(bad.diff, "a.o: bytes") {
		t.Fatalf("found at step %d: %s", bad.at, bad.diff)
	}
	small, _, err := minimise(p, h, bad)
	if err != nil {
		t.Fatal(err)
	}
	if want := []step{h.steps[3], h.steps[4], h.steps[7]}; !reflect.DeepEqual(small.steps, want) {
		t.Errorf("minimised to %s", small.steps)
	}
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(script(small)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wrapper string
		wrong   bool
	}{{lies(t), true}, {honest, false}} {
		cmd := exec.Command("/bin/sh", path, c.wrapper)
		cmd.Env = append(harness.BareEnv(), "TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if (err != nil) != c.wrong || c.wrong && cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("the script: %v, want a failure: %v\n%s", err, c.wrong, out)
		}
	}
}

// TestHonest: a wrapper that only runs the compiler differs in nothing, and does
// not pass for a cache.
func TestHonest(t *testing.T) {
	p := playerOf(t, honest, "bare(test)")
	var c campaign
	number := 0
	for generate(fixedSeed, number).family != "gcc .c" {
		number++
	}
	h := generate(fixedSeed, number)
	if err := p.play(h, func(v verdict) bool {
		if v.diff != "" {
			t.Errorf("step %d: %s", v.at, v.diff)
		}
		c.tally.add(h, v)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	c.floor = 0.01
	if err := c.judge(); err == nil {
		t.Error("a run without hits is content")
	}
}

// TestGenerate: a seed and number stand for one history, each of them of its own,
// and none writes to a device.
func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	families := map[string]bool{}
	for number := range 200 {
		h := generate(fixedSeed, number)
		if !reflect.DeepEqual(h, generate(fixedSeed, number)) {
			t.Fatalf("history %d differs from itself", number)
		}
		text, cases := script(h), 0
		if seen[text] {
			t.Errorf("history %d was there before", number)
		}
		seen[text], families[h.family] = true, true
		for _, s := range h.steps {
			if s.kind != change && strings.Count(s.text, pot) != 1 || strings.Contains(s.text, "-o /dev") {
				t.Errorf("history %d: %s", number, s)
			}
			if s.kind == compile {
				cases++
			}
		}
		if cases < casesPerHistory || cases > casesPerHistory+1 {
			t.Errorf("history %d has %d cases", number, cases)
		}
	}
	if len(families) < 12 {
		t.Errorf("only %d families: %v", len(families), families)
	}
}
