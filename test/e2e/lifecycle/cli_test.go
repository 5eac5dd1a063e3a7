package lifecycle

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	i := start(t)
	for _, test := range []struct {
		args   string
		code   int
		stdout string // pattern
		stderr string // pattern
	}{
		{"", 2, `^$`, `(?i)usage|required`},
		{"--help", 0, `(?s)--start-coordinator.*--stop-coordinator|--show-stats`, `^$`},
		{"-h", 0, `--start-coordinator`, `^$`},
		{"--version", 0, `^cachepot (version )?\d+\.\d+\.\d+\n$`, `^$`},
		{"-V", 0, `^cachepot (version )?\d+\.\d+\.\d+\n$`, `^$`},
		{"--no-such-flag", 2, `^$`, `--no-such-flag`},
		{"--show-stats --zero-stats", 2, `^$`, `show-stats`},
		{"--start-coordinator --stop-coordinator", 2, `^$`, `stop-coordinator`},
		{"--stats-format json", 2, `^$`, `.`},
		{"--show-stats --stats-format yaml", 2, `^$`, `text.*json`},
		{"--show-stats extra", 2, `^$`, `extra`},
		{"--stop-coordinator", 2, `^$`, `(?i)no coordinator|not running`},
		{"explain", 2, `^$`, `(?i)no coordinator|no miss`},
		{"explain --help", 0, `explain`, `^$`},
	} {
		r := i.cachepot(strings.Fields(test.args)...)
		if r.code != test.code {
			t.Errorf("cachepot %s: status %d, want %d", test.args, r.code, test.code)
		}
		for _, s := range [][3]string{{"stdout", r.stdout, test.stdout}, {"stderr", r.stderr, test.stderr}} {
			if !regexp.MustCompile(s[2]).MatchString(s[1]) {
				t.Errorf("cachepot %s: %s is %q, want /%s/", test.args, s[0], s[1], s[2])
			}
		}
	}
	if n := i.coordinators(); len(n) != 0 {
		t.Errorf("usage errors have started a coordinator: %v", n)
	}
}

// TestHelpNamesWhatWorks runs every command that --help lists.
func TestHelpNamesWhatWorks(t *testing.T) {
	t.Parallel()
	i := start(t)
	help := i.cachepot("--help").stdout
	_, list, found := strings.Cut(help, "Available Commands:\n")
	if !found {
		t.Fatalf("no commands in:\n%s", help)
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		name := strings.Fields(line)[0]
		if r := i.cachepot(name, "--help"); r.code != 0 || !strings.Contains(r.stdout, "Usage") {
			t.Errorf("--help lists %q, but cachepot %s --help ends with %d:\n%s", name, name, r.code, r.stderr)
		}
	}
}

func TestStartStop(t *testing.T) {
	t.Parallel()
	i := start(t)
	for range 3 {
		if r := i.cachepot("--start-coordinator"); r.code != 0 {
			t.Fatalf("start: status %d\n%s", r.code, r.stderr)
		}
		first := i.pid()
		if first == 0 {
			t.Fatal("started, but nobody listens")
		}
		if r := i.cachepot("--start-coordinator"); r.code != 2 || !strings.Contains(r.stderr, "running") {
			t.Errorf("second start: status %d, want 2\n%s", r.code, r.stderr)
		}
		if now := i.pid(); now != first {
			t.Errorf("second start replaced coordinator %d by %d", first, now)
		}
		r := i.cachepot("--stop-coordinator")
		if r.code != 0 || !strings.Contains(r.stdout, "Compile requests") {
			t.Errorf("stop: status %d, statistics %q\n%s", r.code, r.stdout, r.stderr)
		}
		eventually(t, "end of the coordinator", func() bool { return !alive(first) })
	}
	if r := i.cachepot("--stop-coordinator"); r.code != 2 {
		t.Errorf("stop without coordinator: status %d, want 2", r.code)
	}
}

// statsFields are those of sccache that dashboards read.
var statsFields = []string{
	"compile_requests", "requests_unsupported_compiler", "requests_not_compile", "requests_not_cacheable", "requests_executed",
	"cache_errors.counts", "cache_errors.adv_counts", "cache_hits.counts", "cache_hits.adv_counts", "cache_misses.counts", "cache_misses.adv_counts",
	"cache_timeouts", "cache_read_errors", "non_cacheable_compilations", "forced_recaches", "cache_write_errors", "cache_writes",
	"cache_write_duration.secs", "cache_write_duration.nanos", "cache_read_hit_duration.secs", "cache_read_hit_duration.nanos",
	"compilations", "compiler_write_duration.secs", "compile_fails", "not_cached", "dist_compiles", "dist_errors",
}

func TestStatsForms(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.write("bad.c", "int x\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	i.ok("gcc", "-E", "x.c", "-o", "x.i")
	if r := i.cachepot("gcc", "-c", "bad.c"); r.code != 1 {
		t.Errorf("failing compile: status %d, want 1", r.code)
	}
	for _, running := range []bool{true, false} {
		r := i.cachepot("--show-stats", "--stats-format", "json")
		var top map[string]any
		if err := json.Unmarshal([]byte(r.stdout), &top); err != nil {
			t.Fatalf("%v in %q", err, r.stdout)
		}
		for _, f := range statsFields {
			if _, ok := field(top["stats"], f); !ok {
				t.Errorf("no field stats.%s", f)
			}
		}
		for _, f := range []string{"cache_location", "cache_size", "max_cache_size", "version"} {
			if _, ok := top[f]; !ok {
				t.Errorf("no field %s", f)
			}
		}
		s := i.stats()
		if s.Requests != 4 || s.hits() != 1 || s.misses() != 1 || s.Writes != 1 || s.Fails != 1 || sum(s.NotCached) != 1 {
			t.Errorf("running %v: counted %+v", running, *s)
		}
		if s.Hits.Counts["C/C++"] != 1 {
			t.Errorf("hits by language: %v", s.Hits.Counts)
		}
		text := i.cachepot("--show-stats").stdout
		for _, want := range []string{`Compile requests +4\n`, `Compile requests executed +3\n`, `Cache hits +1\n`, `Cache hits \(C/C\+\+\) +1\n`,
			`Cache misses +1\n`, `Cache hits rate +50\.00 %\n`, `Cache timeouts +0\n`, `Forced recaches +0\n`, `Compilation failures +1\n`,
			`Non-cacheable calls +\d\n`, `Average cache write +\d+\.\d+ s\n`, `Cache location +\S+`, `Cache size +\S+`, `Max cache size +10\.0 GiB|10 GiB`} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("running %v: text lacks /%s/:\n%s", running, want, text)
			}
		}
		if running {
			i.cachepot("--stop-coordinator")
		}
	}
}

func field(v any, path string) (any, bool) {
	for _, name := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

// TestStatsIntoClosedPipe: a reader that has seen enough makes no noise.
func TestStatsIntoClosedPipe(t *testing.T) {
	t.Parallel()
	i := start(t)
	r := i.run("bash", "-c", "set -o pipefail; "+i.wrapper()+" --show-stats | true; echo ${PIPESTATUS[0]}")
	if r.stderr != "" && strings.Count(r.stderr, "\n") > 1 {
		t.Errorf("stderr:\n%s", r.stderr)
	}
	r = i.run("bash", "-c", i.wrapper()+" --show-stats | head -1")
	if r.code != 0 || !strings.HasPrefix(r.stdout, "Compile requests") || r.stderr != "" {
		t.Errorf("status %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}

func TestZeroStats(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	for _, running := range []bool{true, false} {
		i.ok("gcc", "-c", "x.c", "-o", "x.o")
		if s := i.stats(); s.Requests == 0 {
			t.Fatal("nothing counted")
		}
		if !running {
			i.cachepot("--stop-coordinator")
		}
		if r := i.cachepot("--zero-stats"); r.code != 0 {
			t.Errorf("zero: status %d\n%s", r.code, r.stderr)
		}
		if s := i.stats(); s.Requests != 0 || s.hits() != 0 || s.misses() != 0 {
			t.Errorf("running %v: not zero: %+v", running, *s)
		}
	}
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") }) // the cache is not emptied with it
}

func TestClearCache(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	for _, running := range []bool{true, false} {
		if !running {
			i.cachepot("--stop-coordinator")
		}
		eventually(t, "the last result to be stored", func() bool { s := i.stats(); return s.Writes == s.misses() })
		if r := i.cachepot("--clear-cache"); r.code != 0 || r.stdout+r.stderr != "" {
			t.Errorf("clear: status %d, %q %q", r.code, r.stdout, r.stderr)
		}
		i.want(0, 1, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
		i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
	// A cache that is not there yet is as good as empty.
	i.cachepot("--stop-coordinator")
	i.must(os.RemoveAll(i.dir + "/cache"))
	if r := i.cachepot("--clear-cache"); r.code != 0 {
		t.Errorf("clear without cache: status %d\n%s", r.code, r.stderr)
	}
}
