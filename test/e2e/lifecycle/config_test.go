package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// configure writes the configuration file in its usual place.
func (i *instance) configure(text string) string {
	i.t.Helper()
	p := i.dir + "/config/cachepot/config"
	i.must(os.MkdirAll(filepath.Dir(p), 0o755))
	i.must(os.WriteFile(p, []byte(text), 0o644))
	return p
}

func (i *instance) diskDir(name string) string {
	return fmt.Sprintf("[cache.disk]\ndir = %q\n", filepath.Join(i.dir, name))
}

func isDir(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.IsDir()
}

// TestConfigPlaces: the file in place, the file that CACHEPOT_CONF names, and
// the environment over both.
func TestConfigPlaces(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.configure(i.diskDir("from-place"))
	i.must(os.WriteFile(i.dir+"/named", []byte(i.diskDir("from-named")), 0o644))
	for n, test := range []struct {
		vars []string
		want string
	}{
		{nil, "from-place"},
		{[]string{"CACHEPOT_CONF=" + i.dir + "/named"}, "from-named"},
		{[]string{"CACHEPOT_CONF=../named"}, "from-named"},
		{[]string{"CACHEPOT_DIR=" + i.dir + "/from-env"}, "from-env"},
		{[]string{"CACHEPOT_CONF=" + i.dir + "/named", "CACHEPOT_DIR=../from-env-2"}, "from-env-2"},
	} {
		j := i.with(append(test.vars, fmt.Sprint("CACHEPOT_COORDINATOR_PORT=", 5000+n))...)
		i.must(os.RemoveAll(filepath.Join(i.dir, test.want)))
		j.ok("gcc", "-c", "x.c", "-o", "x.o")
		j.want(1, 0, func() { j.ok("gcc", "-c", "x.c", "-o", "x.o") })
		if !isDir(filepath.Join(i.dir, test.want)) {
			t.Errorf("%v: no cache in %s", test.vars, test.want)
		}
		if r := j.cachepot("--show-stats"); !strings.Contains(r.stdout, test.want) {
			t.Errorf("%v: statistics do not name %s:\n%s", test.vars, test.want, r.stdout)
		}
	}
	home := i.mkdir("home/.config/cachepot")
	i.must(os.WriteFile(home+"/config", []byte(i.diskDir("from-home")), 0o644))
	j := i.with("XDG_CONFIG_HOME=", "HOME="+i.dir+"/home", "CACHEPOT_COORDINATOR_PORT=5100")
	j.ok("gcc", "-c", "x.c", "-o", "x.o")
	if !isDir(i.dir + "/from-home") {
		t.Error("~/.config/cachepot/config is not read")
	}
}

// TestConfigChange: a coordinator whose file has changed makes room.
func TestConfigChange(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	call := []string{"gcc", "-c", "x.c", "-o", "x.o"}
	i.configure(i.diskDir("first"))
	i.ok(call...)
	old := i.pid()
	i.configure(i.diskDir("second") + "size = \"1G\"\n")
	i.ok(call...)
	eventually(t, "end of the old coordinator", func() bool { return !alive(old) })
	i.ok(call...)
	if now := i.pid(); now == 0 || now == old {
		t.Errorf("coordinator %d, was %d", now, old)
	}
	if !isDir(i.dir + "/second") {
		t.Error("the new file has not been read")
	}
	if s := i.stats(); s.Declined["other configuration"] != 1 || s.misses() != 2 {
		t.Errorf("counted %+v", *s)
	}
	// The same through the environment.
	j := i.with("CACHEPOT_DIR=" + i.dir + "/third")
	j.ok(call...)
	eventually(t, "another coordinator", func() bool { j.ok(call...); return isDir(i.dir + "/third") })
	i.sameAsBare("x.o", call...)
}

// TestConfigChangeBelowCompile: the old coordinator finishes what it has begun.
func TestConfigChangeBelowCompile(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("6")
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	old := i.pid()
	slow := i.background(append([]string{i.wrapper()}, slowCall()...)...)
	i.await("sleep")
	j := i.with("CACHEPOT_CACHE_SIZE=1G")
	begin := time.Now()
	j.ok("gcc", "-c", "x.c", "-o", "x.o")
	j.ok("gcc", "-c", "x.c", "-o", "x.o")
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("two small compiles took %v beside a coordinator that drains", took)
	}
	if now := j.pid(); now == old || now == 0 {
		t.Errorf("coordinator %d, was %d: no new one while the old one drains", now, old)
	}
	if r := slow.wait(); r.code != 0 || r.stderr != "" {
		t.Errorf("compile under way: %d %s", r.code, r.stderr)
	}
	eventually(t, "end of the old coordinator", func() bool { return !alive(old) })
	j.want(1, 0, func() { j.ok(slowCall()...) })
}

func TestBrokenConfig(t *testing.T) {
	t.Parallel()
	for n, test := range []struct{ name, text, place, says string }{
		{"syntax", "[cache.disk\ndir = 1\n", ":1:", ""},
		{"type", "[cache.disk]\ndir = 1\n", ":2:", "cache.disk.dir"},
		{"unknown key", "\n[cache.disk]\n  dirr = \"/x\"\n", ":3:3", "dirr"},
		{"bad size", "[cache.disk]\nsize = \"10Q\"\n", ":2:8", "10Q"},
		{"negative size", "[cache.disk]\nsize = -1\n", ":2:", "cache.disk.size"},
		{"not built", "[cache.s3]\nbucket = \"b\"\n", ":1:", "s3"},
		{"binary", "\x00\x01\xff", ":1:", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := start(t)
			i.write("x.c", "int x;\n")
			file := i.configure(test.text)
			for range 2 { // the second finds a coordinator
				r := i.cachepot("gcc", "-c", "x.c", "-o", "x.o")
				i.wantPassed(r, "gcc")
				if !strings.Contains(r.stderr, file+test.place) || !strings.Contains(r.stderr, test.says) || strings.Count(r.stderr, "\n") != 1 {
					t.Errorf("case %d: want one line with %s%s and %q: %q", n, file, test.place, test.says, r.stderr)
				}
			}
			for _, arg := range []string{"--start-coordinator", "--show-stats"} {
				r := i.cachepot(arg)
				if r.code != 2 || !strings.Contains(r.stderr, file+test.place) || !strings.Contains(r.stderr, test.says) {
					t.Errorf("%s: status %d, want 2 and %s%s: %q", arg, r.code, file, test.place, r.stderr)
				}
			}
			if r := i.cachepot("--stop-coordinator"); r.code != 0 && i.pid() != 0 {
				t.Errorf("cannot be stopped: %s", r.stderr)
			}
			i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
			// Once it is mended all is well, at the second call at the latest.
			i.configure(i.diskDir("mended"))
			eventually(t, "a coordinator that caches", func() bool {
				i.passes("gcc", "-c", "x.c", "-o", "x.o")
				return isDir(i.dir + "/mended")
			})
			i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
		})
	}
}

// TestBrokenVariables: the same for variables, and for a file that must be there.
func TestBrokenVariables(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	for n, v := range []string{"CACHEPOT_CACHE_SIZE=ten", "CACHEPOT_IDLE_TIMEOUT=-1", "CACHEPOT_IDLE_TIMEOUT=1s", "CACHEPOT_ALLOW_CORE_DUMPS=maybe",
		"CACHEPOT_BUCKET=b", "CACHEPOT_S3_USE_SSL=perhaps", "CACHEPOT_CONF=" + i.dir + "/missing", "CACHEPOT_CONF=" + i.dir} {
		j := i.with(v, fmt.Sprint("CACHEPOT_COORDINATOR_PORT=", 5000+n))
		name, _, _ := strings.Cut(v, "=")
		for range 2 {
			if r := j.passes("gcc", "-c", "x.c", "-o", "x.o"); !strings.Contains(r.stderr, name) && !strings.Contains(r.stderr, i.dir) {
				t.Errorf("%s: the compile does not say so: %q", v, r.stderr)
			}
		}
		if r := j.cachepot("--start-coordinator"); r.code != 2 || !strings.Contains(r.stderr, name) && !strings.Contains(r.stderr, i.dir) {
			t.Errorf("%s: start ends with %d: %q", v, r.code, r.stderr)
		}
	}
}

// TestStatsSurvive: restarts lose nothing, a kill loses at most some seconds.
func TestStatsSurvive(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	i.cachepot("--stop-coordinator")
	if s := i.stats(); s.Requests != 1 {
		t.Errorf("after a stop: %+v", *s)
	}
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	time.Sleep(3 * time.Second) // more than a kill may cost
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	i.endAll()
	if s := i.stats(); s.Requests < 2 || s.Requests > 3 || s.hits() < 1 {
		t.Errorf("after kill -9: %+v", *s)
	}
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	if s := i.stats(); s.Requests < 3 {
		t.Errorf("after a new start: %+v", *s)
	}
	// A file that makes no sense is no obstacle.
	i.cachepot("--stop-coordinator")
	i.must(os.WriteFile(i.dir+"/state/cachepot/stats-4226.json", []byte("{\"compile_requests\": 7, \"cac"), 0o600))
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
}
