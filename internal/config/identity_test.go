package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestIdentityMatchesLoad: a coordinator that was started with an environment
// and a caller that has the same one agree.
func TestIdentityMatchesLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cachepot", "config")
	write(t, file, bookMinimal)
	host := testHost("linux")
	for _, env := range [][]string{
		nil,
		{"XDG_CONFIG_HOME=" + dir, "PATH=/bin"},
		{"CACHEPOT_CONF=" + file, "CACHEPOT_DIR=/d", "CACHEPOT_REDIS=redis://u:p@h"},
	} {
		c, err := Load(env, host)
		if err != nil {
			t.Fatal(err)
		}
		if Identity(env, host) != c.Identity || c.Identity.IsZero() {
			t.Errorf("%q: a caller differs", env)
		}
	}
}

func TestIdentityOfVariables(t *testing.T) {
	host := testHost("linux")
	base := Identity([]string{"PATH=/bin"}, host)
	for _, s := range Settings() {
		if s.Env == "" {
			continue
		}
		same := Identity([]string{s.Env + "=1"}, host) == base
		if same != (s.Scope != ScopeInstance) {
			t.Errorf("%s: same identity %v, scope %d", s.Env, same, s.Scope)
		}
		if Identity([]string{s.Env + "="}, host) != base {
			t.Errorf("%s: empty is not as unset", s.Env)
		}
	}
	for _, test := range []struct {
		name string
		a, b []string
		same bool
	}{
		{"order", []string{"CACHEPOT_DIR=/d", "CACHEPOT_BUCKET=b"}, []string{"CACHEPOT_BUCKET=b", "X=1", "CACHEPOT_DIR=/d"}, true},
		{"value", []string{"CACHEPOT_DIR=/d"}, []string{"CACHEPOT_DIR=/e"}, false},
		{"value of another variable", []string{"CACHEPOT_BUCKET=/d"}, []string{"CACHEPOT_REGION=/d"}, false},
		{"parts", []string{"CACHEPOT_BUCKET=ab"}, []string{"CACHEPOT_BUCKET=a", "CACHEPOT_REGION=b"}, false},
		{"relative and absolute path", []string{"CACHEPOT_DIR=d"}, []string{"CACHEPOT_DIR=/work dir/d"}, true},
		{"home", []string{"HOME=/a"}, []string{"HOME=/b"}, false},
		{"home given twice", []string{"HOME=/home/u"}, nil, true},
		{"cache place", []string{"XDG_CACHE_HOME=/a"}, nil, false},
		{"state place", []string{"XDG_STATE_HOME=/a"}, nil, false},
		{"first counts", []string{"CACHEPOT_DIR=/d", "CACHEPOT_DIR=/e"}, []string{"CACHEPOT_DIR=/d"}, true},
		{"unknown", []string{"CACHEPOT_X=1"}, nil, true},
	} {
		if same := Identity(test.a, host) == Identity(test.b, host); same != test.same {
			t.Errorf("%s: same is %v", test.name, same)
		}
	}
	other := host
	other.Dir = "/elsewhere"
	if Identity([]string{"CACHEPOT_DIR=d"}, host) == Identity([]string{"CACHEPOT_DIR=d"}, other) {
		t.Error("a relative path means the same from two directories")
	}
}

// TestIdentityOfFile: whatever happens to the file shows.
func TestIdentityOfFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	env := []string{"CACHEPOT_CONF=" + file}
	host := testHost("linux")
	past := time.Now().Add(-time.Hour)
	seen := map[string]string{}
	step := func(what string, change func()) {
		t.Helper()
		change()
		id := Identity(env, host).String()
		if before, ok := seen[id]; ok {
			t.Errorf("%s: as %s", what, before)
		}
		seen[id] = what
	}
	step("missing", func() {})
	step("written", func() { write(t, file, "# a\n"); chtimes(t, file, past) })
	// The change time alone tells here: size, modification time and inode stay.
	step("written again, time put back", func() {
		time.Sleep(20 * time.Millisecond) // more than a tick of the kernel's clock
		write(t, file, "# b\n")
		chtimes(t, file, past)
	})
	step("longer", func() { write(t, file, "# long\n"); chtimes(t, file, past) })
	step("replaced", func() {
		write(t, file+".new", "# long\n")
		chtimes(t, file+".new", past)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	})
	if Identity(env, host) != Identity(env, host) {
		t.Error("an untouched file has two identities")
	}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func chtimes(t *testing.T, file string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

// callerEnv is an environment of the usual length with a few variables of ours.
func callerEnv(b testing.TB) []string {
	file := filepath.Join(b.TempDir(), "config")
	write(b, file, bookAll)
	env := []string{"HOME=/home/u", "CACHEPOT_CONF=" + file, "CACHEPOT_DIR=/d", "CACHEPOT_CACHE_SIZE=5G"}
	for i := range 80 {
		env = append(env, fmt.Sprintf("CARGO_PKG_VARIABLE_%d=some value of a usual length", i))
	}
	return env
}

func BenchmarkIdentity(b *testing.B) {
	env, host := callerEnv(b), testHost("linux")
	for b.Loop() {
		Identity(env, host)
	}
}

func BenchmarkForCall(b *testing.B) {
	env := callerEnv(b)
	for b.Loop() {
		if _, err := ForCall(env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	env, host := callerEnv(b), testHost("linux")
	for b.Loop() {
		if _, err := Load(env, host); err != nil {
			b.Fatal(err)
		}
	}
}
