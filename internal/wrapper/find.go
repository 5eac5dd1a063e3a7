package wrapper

import (
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// compilers are the names, less version and target, that this program answers to
// when it is called by them.
const compilers = " cc c++ gcc g++ clang clang++ c89 c99 rustc clippy-driver "

// looksLikeCompiler reports whether name is one that compilers are installed
// under: a known name, perhaps after a target ("x86_64-linux-gnu-") and before a
// version ("-12", "-14.0").
func looksLikeCompiler(name string) bool {
	if i := strings.LastIndexByte(name, '-'); i > 0 && isVersion(name[i+1:]) {
		name = name[:i]
	}
	if strings.Contains(compilers, " "+name+" ") {
		return true
	}
	i := strings.LastIndexByte(name, '-')
	return i > 0 && strings.Contains(compilers, " "+name[i+1:]+" ") && strings.Count(name, "-") >= 2
}

func isVersion(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == ""
}

// finder looks for one compiler.
type finder struct {
	self     unix.Stat_t // this program's file, Ino 0 where it is not known
	selfPath string
	// shadowed: something that is no compiler but stands for one was passed over.
	shadowed bool
	errno    syscall.Errno // why nothing was found
}

// find returns the executable that name leads to, as execvp would find it, with
// compiler caches left out, this program first of all: a directory of links to
// them may come first in PATH. shadowed tells that one was left out.
func (w *wrapper) find(name string) (path string, shadowed bool, errno syscall.Errno) {
	f := &finder{selfPath: w.self, errno: syscall.ENOENT}
	if w.self == "" || unix.Stat(w.self, &f.self) != nil {
		f.self.Ino = 0
	}
	if strings.IndexByte(name, '/') >= 0 {
		if p := w.absolute(name); f.takes(p) {
			return p, false, 0
		}
		if !f.shadowed {
			return "", false, f.errno
		}
		name = base(name) // of a cache's link: the compiler of that name
	}
	for _, d := range strings.Split(w.getenv("PATH"), ":") {
		if d == "" {
			d = "."
		}
		if p := w.absolute(d + "/" + name); f.takes(p) {
			return p, f.shadowed, 0
		}
	}
	return "", f.shadowed, f.errno
}

// takes reports whether p is an executable and no compiler cache.
func (f *finder) takes(p string) bool {
	var st unix.Stat_t
	if unix.Stat(p, &st) != nil {
		return false
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.errno = syscall.EACCES
		return false
	}
	if f.isSelf(p, &st) || isCcache(p) {
		f.shadowed = true
		return false
	}
	if unix.Access(p, unix.X_OK) != nil {
		f.errno = syscall.EACCES
		return false
	}
	return true
}

// isSelf reports whether p is this program: the same file, or a copy.
func (f *finder) isSelf(p string, st *unix.Stat_t) bool {
	if f.self.Ino == 0 || st.Size != f.self.Size {
		return false
	}
	if st.Dev == f.self.Dev && st.Ino == f.self.Ino {
		return true
	}
	a, err := os.ReadFile(p)
	if err != nil {
		return false
	}
	b, err := os.ReadFile(f.selfPath)
	return err == nil && string(a) == string(b)
}

// isCcache reports whether p is a link to ccache, which would look for the
// compiler in PATH and find a link to us.
func isCcache(p string) bool {
	l, err := os.Readlink(p)
	return err == nil && base(l) == "ccache"
}

// absolute makes p absolute without resolving anything in it.
func (w *wrapper) absolute(p string) string {
	if p != "" && p[0] == '/' {
		return p
	}
	wd, err := syscall.Getwd()
	if err != nil {
		return p
	}
	return wd + "/" + strings.TrimPrefix(p, "./")
}
