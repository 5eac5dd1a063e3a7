package cfamilytest

import (
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler"
)

// look is one system call that names a file.
type look struct {
	path   string // absolute, as spelled
	opened bool   // for reading, with success
}

// tracer is the command that records a process tree's looks in file.
func tracer(file string) []string {
	return []string{"strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file", "-e", "signal=none", "-o", file}
}

// readTrace reads what the tracer wrote:
//
//	line = pid name "(" [dirfd ","] '"' path '"' ... (" = " result | " <unfinished ...>")
//	     | pid "<... " name " resumed>" ... " = " result
func readTrace(t testing.TB, file, dir string) []look {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	start := regexp.MustCompile(`^(\d+)\s+(\w+)\((?:(AT_FDCWD|\d+), )?("(?:[^"\\]|\\.)*")(.*)$`)
	resumed := regexp.MustCompile(`^(\d+)\s+<\.\.\. (\w+) resumed>.*= (-?\d+)`)
	result := regexp.MustCompile(`= (-?\d+)[^=]*$`)
	var looks []look
	pending := map[string]int{}
	for _, line := range strings.Split(string(text), "\n") {
		if m := resumed.FindStringSubmatch(line); m != nil {
			if i, ok := pending[m[1]]; ok && strings.HasPrefix(m[3], "-") {
				looks[i].opened = false
			}
			delete(pending, m[1])
			continue
		}
		m := start.FindStringSubmatch(line)
		// readlink is how compilers make paths canonical: of each directory on the
		// way to a file that they open, and of what links lead to.
		if m == nil || m[2] == "readlink" || m[2] == "execve" || m[2] == "getcwd" || m[2] == "unlink" || m[2] == "mkdir" || m[2] == "rename" {
			continue
		}
		p, err := strconv.Unquote(m[4])
		must(t, err)
		if p == "" {
			continue
		}
		if !strings.HasPrefix(p, "/") {
			p = dir + "/" + p
		}
		l := look{path: p, opened: strings.HasPrefix(m[2], "open") && !strings.Contains(m[5], "O_WRONLY") && !strings.Contains(m[5], "O_CREAT")}
		if r := result.FindStringSubmatch(m[5]); r != nil && strings.HasPrefix(r[1], "-") {
			l.opened = false
		}
		looks = append(looks, l)
		if strings.HasSuffix(line, "<unfinished ...>") {
			pending[m[1]] = len(looks) - 1
		}
	}
	if len(looks) < 10 {
		t.Fatalf("strace recorded %d looks", len(looks))
	}
	return looks
}

// opened lists the paths that were opened, in order of first sight.
func opened(looks []look) []string {
	seen := map[string]bool{}
	var paths []string
	for _, l := range looks {
		if !l.opened || seen[l.path] {
			continue
		}
		seen[l.path] = true
		// A watch does not tell of the tree's own temporary files.
		if _, err := os.Lstat(l.path); err == nil {
			paths = append(paths, l.path)
		}
	}
	return paths
}

// deeds gives a trace as a whole watch would: what was done with each path, less
// what the tree did with files of its own making.
func deeds(t testing.TB, file, dir string) []compiler.Look {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	traced := regexp.MustCompile(`^(\w+)\((AT_FDCWD, |\d+, )?(.*)\)\s+= (-?\d+)`)
	quotes := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	own := map[string]bool{}
	var all []compiler.Look
	for _, line := range whole(strings.Split(string(text), "\n")) {
		m := traced.FindStringSubmatch(line)
		if m == nil || m[1] == "getcwd" {
			continue
		}
		failed := strings.HasPrefix(m[4], "-")
		for i, quoted := range quotes.FindAllString(m[3], 2) {
			p, err := strconv.Unquote(quoted)
			must(t, err)
			if i > 0 && m[1] != "rename" || p == "" {
				break
			}
			if !strings.HasPrefix(p, "/") {
				p = dir + "/" + p
			}
			deed := deedOf(m[1], m[3], i)
			if own[p] && deed != compiler.Wrote {
				continue
			}
			if deed == compiler.Wrote && !failed {
				own[p] = true
			}
			found := !failed
			if deed == compiler.Wrote { // the run has ended
				_, err := os.Lstat(p)
				found = err == nil
			}
			all = append(all, compiler.Look{Path: p, Deed: deed, Found: found})
		}
	}
	return all
}

// whole strips the numbers of processes and puts interrupted lines together.
func whole(lines []string) []string {
	begun := map[string]string{}
	var out []string
	for _, line := range lines {
		pid, call, _ := strings.Cut(line, " ")
		call = strings.TrimSpace(call)
		if head, ok := strings.CutSuffix(call, " <unfinished ...>"); ok {
			begun[pid] = head
			continue
		}
		if _, tail, ok := strings.Cut(call, " resumed>"); ok && strings.HasPrefix(call, "<... ") {
			call = begun[pid] + tail
		}
		out = append(out, call)
	}
	return out
}

// deedOf says what a system call does with its path number i.
func deedOf(name, args string, i int) compiler.Deed {
	switch {
	case name == "execve":
		return compiler.Read
	case name == "unlink" || name == "rename" && i == 0:
		return compiler.Removed
	case name == "rename" || name == "mkdir" || name == "chmod":
		return compiler.Wrote
	case !strings.HasPrefix(name, "open"):
		return compiler.Probed
	case strings.Contains(args, "O_WRONLY") || strings.Contains(args, "O_RDWR") || strings.Contains(args, "O_CREAT"):
		return compiler.Wrote
	case strings.Contains(args, "O_DIRECTORY"):
		return compiler.Listed
	}
	return compiler.Read
}

// isToolchain recognises programs, libraries and settings of the compiler and
// the C library, which are the toolchain's tree, and temporary files.
func isToolchain(p string) bool {
	if helper := path.Base(p); helper == "as" || helper == "cc1" || helper == "cc1plus" || helper == "specs" {
		return false
	}
	if strings.HasSuffix(path.Dir(p), "/x86_64-linux-gnu/include/c++") {
		return true // where a GCC installation may keep libstdc++
	}
	if strings.Contains(p, "/include") {
		return false
	}
	if p == "/" || p == "/usr/bin" {
		return true
	}
	for _, prefix := range []string{"/usr/lib/gcc", "/usr/libexec/", "/usr/lib/x86_64-linux-gnu", "/lib/", "/lib64/", "/usr/lib/llvm",
		"/etc/", "/proc/", "/sys/", "/dev/", "/usr/share/locale", "/usr/lib/locale", "/usr/bin/", "/opt", "/usr/local/cuda", "/usr/lib/cuda",
		"/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/lib/i386-linux-gnu", "/usr/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"} {
		if strings.HasPrefix(p, prefix) {
			return true
		}
	}
	if strings.HasSuffix(p, "/.") && strings.Contains(p, "/lib") { // for LIBRARY_PATH of a linker
		return true
	}
	name := p[strings.LastIndexByte(p, '/')+1:]
	switch name { // what drivers look for along PATH
	case "gcc", "g++", "clang", "clang++", "ptxas", "objcopy", "usr", "..", "lib", "lib32", "lib64", "libx32", "tmp":
		return true
	}
	// A driver's own files: cc123456.s below TMPDIR, st123456 of objcopy, and
	// clang's, with a random middle, that are renamed when they are complete.
	return regexp.MustCompile(`/cc[A-Za-z0-9]{6}\.[a-z]+$|/st[A-Za-z0-9]{6}$|-[0-9a-f]{8}(\.[^/]*)?\.tmp$|-[0-9a-f]{6}\.[a-z]+$`).MatchString(p)
}
