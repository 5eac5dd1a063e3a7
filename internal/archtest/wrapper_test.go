package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The wrapper is started once for every compiler call of a build, so what it
// weighs is paid thousands of times a build. These are its limits.
const (
	maxWrapperBytes = 2_000_000 // stripped
	// maxStartRatio is the wrapper's start over that of an empty Go program.
	maxStartRatio = 1.3
	startSamples  = 200 // of each program and round
	startRounds   = 3   // one within the limit is enough: noise only ever adds
)

// tooHeavy are packages that the wrapper's program may not hold, with all below
// them. encoding/binary and reflect are left out: x/sys/unix holds them.
func tooHeavy() map[string]string {
	const tables, starts = "large tables and reflection", "work at start"
	return map[string]string{
		"archive": tables, "compress": tables, "container/heap": tables, "database": tables,
		"crypto": "self-tests at start; the coordinator digests", "hash": "the coordinator digests",
		"encoding/asn1": tables, "encoding/base32": tables, "encoding/base64": tables, "encoding/csv": tables,
		"encoding/gob": tables, "encoding/hex": "imports fmt", "encoding/json": tables, "encoding/pem": tables, "encoding/xml": tables,
		"expvar": starts, "flag": "imports fmt; the wrapper's arguments are the compiler's", "fmt": "80 KB and reflection to print a line",
		"go": tables, "html": tables, "image": tables, "log": "imports fmt", "math/big": tables, "math/rand": starts,
		"mime": starts, "net": "0.8 MB and a resolver for one unix socket; use syscall", "os/exec": "imports context and looks up PATH again; internal/spawn starts processes",
		"os/user": "imports fmt", "plugin": starts, "regexp": "compiles patterns at start", "runtime/pprof": tables, "runtime/trace": tables,
		"testing": tables, "text": tables, "unique": starts, "vendor": tables,
	}
}

// listed is what these tests need of what "go list -json" prints.
type listed struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	Error      *struct{ Err string }
}

// goList runs the real go list in dir, as the product is built: without cgo.
func goList(tb testing.TB, dir string, args ...string) []listed {
	tb.Helper()
	out := goTool(tb, dir, append([]string{"list", "-e", "-json=ImportPath,Dir,Standard,Imports,Error"}, args...)...)
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			tb.Fatalf("read go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// goTool runs the go command without leave to write: with -mod=mod, which a
// caller's GOFLAGS may hold, even go list rewrites go.mod.
func goTool(tb testing.TB, dir string, args ...string) []byte {
	tb.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// build compiles pkg, seen from dir, as a release is.
func build(tb testing.TB, dir, pkg string) string {
	tb.Helper()
	bin := filepath.Join(tb.TempDir(), "cachepot") // under another name it would be a compiler
	goTool(tb, dir, "build", "-trimpath", "-ldflags=-s -w", "-o", bin, pkg)
	return bin
}

// program writes a module of one file and returns its directory.
func program(tb testing.TB, main string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.org/program\n\ngo 1.26.0\n", "main.go": "package main\n\n" + main} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// TestGoListSeesWhatWeSee keeps the gates honest: their own walk over the tree
// must find the packages that the go command finds.
func TestGoListSeesWhatWeSee(t *testing.T) {
	root, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []string
	for _, p := range goList(t, root, "./...") {
		if p.Error != nil {
			t.Logf("%s: %s", p.ImportPath, p.Error.Err)
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, filepath.ToSlash(dir))
	}
	slices.Sort(theirs)
	if ours := sortedKeys(realTree(t).packages()); !slices.Equal(ours, theirs) {
		t.Errorf("we see %q\ngo list sees %q", ours, theirs)
	}
}

func TestWrapperDependencies(t *testing.T) {
	for _, breach := range heavyDeps(goList(t, moduleRoot, "-deps", "./cmd/cachepot")) {
		t.Error(breach)
	}
}

// heavyDeps returns what a wrapper with these dependencies must do without.
func heavyDeps(deps []listed) []string {
	allowed := []string{modulePath + "/cmd/cachepot"}
	for _, p := range startsWithWrapper() {
		allowed = append(allowed, modulePath+"/internal/"+p)
	}
	heavy := tooHeavy()
	var out []string
	for _, d := range deps {
		if d.Error != nil {
			out = append(out, d.ImportPath+": "+d.Error.Err)
		}
		if !d.Standard {
			if !under(d.ImportPath, modSys) && !slices.Contains(allowed, d.ImportPath) {
				out = append(out, d.ImportPath+" is not among the packages that the wrapper may hold"+importedBy(deps, d.ImportPath))
			}
			continue
		}
		for p, why := range heavy {
			if under(d.ImportPath, p) {
				out = append(out, d.ImportPath+": "+why+importedBy(deps, d.ImportPath))
			}
		}
	}
	slices.Sort(out)
	return out
}

func importedBy(deps []listed, pkg string) string {
	for _, d := range deps {
		if slices.Contains(d.Imports, pkg) {
			return " (imported by " + d.ImportPath + ")"
		}
	}
	return ""
}

func TestWrapperDependenciesFindHeavyOnes(t *testing.T) {
	dir := program(t, "import \"fmt\"\n\nfunc main() { fmt.Println() }\n")
	got := strings.Join(heavyDeps(goList(t, dir, "-deps", ".")), "\n")
	for _, want := range []string{
		"example.org/program is not among the packages",
		"fmt: 80 KB and reflection to print a line (imported by example.org/program)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := heavyDeps(goList(t, dir, "-deps", "os", "os/signal")); len(got) != 0 {
		t.Errorf("os and os/signal are light, but found %q", got)
	}
	if got := heavyDeps(goList(t, dir, "-deps", "example.org/absent")); len(got) == 0 {
		t.Error("a package that cannot be loaded was passed over")
	}
}

func TestWrapperSize(t *testing.T) {
	if breach := tooLarge(t, build(t, moduleRoot, "./cmd/cachepot")); breach != "" {
		t.Error(breach)
	}
}

func tooLarge(tb testing.TB, bin string) string {
	tb.Helper()
	st, err := os.Stat(bin)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Logf("%d bytes", st.Size())
	if st.Size() > maxWrapperBytes {
		return fmt.Sprintf("%d bytes, %d at most", st.Size(), maxWrapperBytes)
	}
	return ""
}

func TestWrapperSizeFindsLargeOnes(t *testing.T) {
	large := program(t, "import \"net/http\"\n\nfunc main() { _ = http.ListenAndServe(\"\", nil) }\n")
	if tooLarge(t, build(t, large, ".")) == "" {
		t.Error("an HTTP server is within the limit")
	}
}

// TestWrapperStart starts the wrapper without a command, which is an error of
// usage and ends at once, beside an empty program.
func TestWrapperStart(t *testing.T) {
	empty := build(t, program(t, "func main() {}\n"), ".")
	if breach := slowStart(t, empty, build(t, moduleRoot, "./cmd/cachepot")); breach != "" {
		t.Error(breach)
	}
}

func TestWrapperStartFindsSlowOnes(t *testing.T) {
	empty := build(t, program(t, "func main() {}\n"), ".")
	slow := build(t, program(t, "import \"time\"\n\nfunc main() { time.Sleep(10 * time.Millisecond) }\n"), ".")
	if slowStart(t, empty, slow) == "" {
		t.Error("a program that sleeps for 10 ms is as fast as an empty one")
	}
	if breach := slowStart(t, empty, empty); breach != "" {
		t.Errorf("the empty program beside itself: %s", breach)
	}
}

func slowStart(tb testing.TB, empty, bin string) string {
	tb.Helper()
	breach := ""
	for range startRounds {
		base, own := startTimes(tb, empty, bin)
		ratio := float64(own) / float64(base)
		tb.Logf("median of %d starts: empty %v, program %v, ratio %.3f", startSamples, base, own, ratio)
		if ratio <= maxStartRatio {
			return ""
		}
		breach = fmt.Sprintf("starts in %.2f times an empty Go program's %v, %.2f at most", ratio, base, maxStartRatio)
	}
	return breach
}

// startTimes returns the median times of two programs, started in turns, so
// that what else the machine does falls on both alike.
func startTimes(tb testing.TB, a, b string) (time.Duration, time.Duration) {
	tb.Helper()
	var times [2][]time.Duration
	for i := range 2 * startSamples {
		k := (i + i/2) % 2 // a b, b a, a b, ...: neither is always the second
		times[k] = append(times[k], startOnce(tb, []string{a, b}[k]))
	}
	return median(times[0]), median(times[1])
}

// startOnce runs bin without arguments, in an environment in which no
// coordinator could be started, with all streams on the null device.
func startOnce(tb testing.TB, bin string) time.Duration {
	tb.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer null.Close()
	fd := null.Fd()
	begin := time.Now()
	pid, err := syscall.ForkExec(bin, []string{bin}, &syscall.ProcAttr{Files: []uintptr{fd, fd, fd}, Dir: filepath.Dir(bin)})
	if err != nil {
		tb.Fatal(err)
	}
	for {
		_, err := syscall.Wait4(pid, nil, 0, nil)
		if err == nil {
			return time.Since(begin)
		}
		if !errors.Is(err, syscall.EINTR) {
			tb.Fatal(err)
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
