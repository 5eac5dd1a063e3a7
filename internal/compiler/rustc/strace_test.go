package rustc

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
)

// look is a system call with the path it was about.
type look struct{ call, path string }

// looks returns the absolute paths that a traced compiler looked at or read, in
// order of first sight, less those that it wrote or made itself.
func looks(t *testing.T, r *record) []look {
	t.Helper()
	f, err := os.Open(r.Trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line := regexp.MustCompile(`^\d+ +(\w+)\((.*)$`)
	quotedPath := regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	dirFd := regexp.MustCompile(`^(?:AT_FDCWD|\d+)<([^>]*)>`)
	var paths []look
	seen := map[look]bool{}
	add := func(l look) {
		if !seen[l] {
			seen[l] = true
			paths = append(paths, l)
		}
	}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		m := line.FindStringSubmatch(sc.Text())
		if m == nil || m[1] == "execve" {
			continue
		}
		call, rest := m[1], m[2]
		if call == "getdents64" {
			if d := dirFd.FindStringSubmatch(rest); d != nil {
				add(look{call, d[1]})
			}
			continue
		}
		q := quotedPath.FindStringSubmatch(rest)
		if q == nil || q[1] == "" {
			continue // a descriptor, whose opening was seen
		}
		p := q[1]
		if d := dirFd.FindStringSubmatch(rest); d != nil && !filepath.IsAbs(p) {
			p = d[1] + "/" + p
		}
		add(look{call, under(r.Dir, p)})
	}
	return paths
}

func lookedAt(t *testing.T, r *record) []string {
	t.Helper()
	var paths []string
	for _, l := range looks(t, r) {
		paths = append(paths, l.path)
	}
	return paths
}

// uncovered returns the looks outside the toolchain and the system that set
// does not claim.
func uncovered(t *testing.T, r *record, sysroot string) []string {
	t.Helper()
	set, err := action.DecodePathSet(r.Set)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, l := range looks(t, r) {
		p := l.path
		if l.call == "readlink" && siblingOfMeta(p, set) {
			continue
		}
		if !outside(p, sysroot) && !ownFile(p, r) && !set.Covers(p) && !belowAbsent(p, set) {
			missing = append(missing, p)
		}
	}
	return missing
}

// outside reports whether p belongs to the toolchain or to the closed list of
// places that are no input.
func outside(p, sysroot string) bool {
	if strings.HasPrefix(sysroot, strings.TrimSuffix(p, "/")+"/") {
		return true // on the way to the toolchain
	}
	for _, prefix := range []string{sysroot, "/proc", "/sys", "/dev", "/lib", "/usr/lib",
		"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/malloc.conf"} {
		if p == prefix || strings.HasPrefix(p, prefix+"/") {
			return true
		}
	}
	return false
}

// siblingOfMeta reports whether p is the .rlib or .so beside an .rmeta that is
// claimed. rustc resolves the links in the names of all candidates before it
// looks at their kinds, and then does not use the result for these.
func siblingOfMeta(p string, set *action.PathSet) bool {
	stem := strings.TrimSuffix(strings.TrimSuffix(p, ".rlib"), ".so")
	_, err := os.Stat(stem + ".rmeta")
	return stem != p && err == nil && set.Covers(stem+".rmeta")
}

// ownFile reports whether p is an output of the call, its directory, or a
// temporary file of rustc beside it or, as rustc 1.85 has it, with all others.
func ownFile(p string, r *record) bool {
	p = filepath.Clean(p)
	if rel, ok := strings.CutPrefix(p, os.TempDir()+"/"); ok && temporary(rel) {
		return true
	}
	for _, o := range r.Outputs {
		o = filepath.Clean(o)
		rel, ok := strings.CutPrefix(p, filepath.Dir(o)+"/")
		if p == o || p == filepath.Dir(o) || ok && temporary(rel) {
			return true
		}
	}
	return false
}

func temporary(rel string) bool {
	return regexp.MustCompile(`^(rmeta|rustc|\.tmp)\w{6}(\.temp-archive)?(/[\w.-]+)?$|\.rcgu\.(o|dwo|bc)$`).MatchString(rel)
}

// belowAbsent reports whether p lies below a claimed path at which nothing is:
// then p cannot come to exist unless what is claimed does.
func belowAbsent(p string, set *action.PathSet) bool {
	for _, q := range set.Paths {
		if strings.HasPrefix(p, q+"/") {
			if _, err := os.Lstat(q); err != nil {
				return true
			}
		}
	}
	return false
}
