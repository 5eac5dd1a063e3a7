package rustc

import (
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// cargo puts target/<profile>/deps first into LD_LIBRARY_PATH, so the dynamic
// loader looks there for every library of rustc before it looks into the
// toolchain.

// loaderInputs claims the places outside the toolchain where the loader looked.
func (l *Language) loaderInputs(call *compiler.Call, set *action.PathSet) error {
	dirs, err := libraryPath(call)
	if err != nil || len(dirs) == 0 {
		return err
	}
	program := "rustc"
	if call.Tool.Family == "clippy" {
		program = "clippy-driver"
	}
	names, err := l.needed.of(filepath.Join(call.Tool.Sysroot, "bin", program), filepath.Join(call.Tool.Sysroot, "lib"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		for _, h := range hardwareDirs() {
			if _, err := os.Lstat(d + "/" + h); err == nil {
				return compiler.NotCacheable("library path with hardware directories")
			}
			set.Paths = append(set.Paths, d+"/"+h)
		}
	}
	set.Searches = append(set.Searches, action.Search{Dirs: dirs, Names: names})
	return nil
}

// libraryPath returns the directories of LD_LIBRARY_PATH outside the sysroot,
// absolute.
func libraryPath(call *compiler.Call) ([]string, error) {
	value := call.Env.Get("LD_LIBRARY_PATH")
	if value == "" {
		return nil, nil
	}
	var dirs []string
	for _, d := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ';' }) {
		if strings.ContainsRune(d, '$') {
			return nil, compiler.NotCacheable("LD_LIBRARY_PATH with $")
		}
		if d = under(call.Dir, d); !strings.HasPrefix(d, call.Tool.Sysroot+"/") {
			dirs = append(dirs, d)
		}
	}
	if strings.HasPrefix(value, ":") || strings.HasSuffix(value, ":") || strings.Contains(value, "::") {
		dirs = append(dirs, call.Dir) // an empty entry is the working directory
	}
	return dirs, nil
}

// hardwareDirs returns the directories that glibc, old and new, tries below each
// directory of a library path for libraries that suit the CPU better. None of
// them exists in practice; where all are absent, so is all below them.
func hardwareDirs() []string {
	dirs := []string{"glibc-hwcaps", "tls"}
	switch runtime.GOARCH {
	case "amd64":
		dirs = append(dirs, "x86_64", "haswell", "xeon_phi", "avx512_1")
	case "arm64":
		dirs = append(dirs, "aarch64", "atomics")
	}
	return dirs
}

// neededMemo remembers the libraries that a program needs, by the state of the
// program's file.
type neededMemo struct {
	mu    sync.Mutex
	names map[neededKey][]string
}

type neededKey struct {
	program string
	size    int64
	mtime   int64 // nanoseconds
}

// of returns the names of all libraries that the loader searches for when it
// starts program, whose own libraries lie in lib.
func (m *neededMemo) of(program, lib string) ([]string, error) {
	st, err := os.Stat(program)
	if err != nil {
		return nil, compiler.NotCacheable("compiler not found")
	}
	key := neededKey{program, st.Size(), st.ModTime().UnixNano()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if names, ok := m.names[key]; ok {
		return names, nil
	}
	names, err := closure(program, lib)
	if err != nil {
		return nil, err
	}
	if m.names == nil {
		m.names = map[neededKey][]string{}
	}
	m.names[key] = names
	return names, nil
}

// closure follows DT_NEEDED from program on.
func closure(program, lib string) ([]string, error) {
	var names []string
	for todo := []string{program}; len(todo) > 0; todo = todo[1:] {
		f, err := elf.Open(todo[0])
		if err != nil {
			return nil, compiler.NotCacheable("compiler not understood")
		}
		imported, err := f.ImportedLibraries()
		f.Close()
		if err != nil {
			return nil, compiler.NotCacheable("compiler not understood")
		}
		for _, n := range imported {
			if slices.Contains(names, n) {
				continue
			}
			names = append(names, n)
			file, ok := findLibrary(n, lib)
			if !ok {
				return nil, compiler.NotCacheable("a library of the compiler not found")
			}
			todo = append(todo, file)
		}
	}
	slices.Sort(names)
	return names, nil
}

// findLibrary returns a file of the name: in lib, or where systems keep theirs.
func findLibrary(name, lib string) (string, bool) {
	dirs := []string{lib, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
	switch runtime.GOARCH {
	case "amd64":
		dirs = append(dirs, "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu")
	case "arm64":
		dirs = append(dirs, "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
	}
	for _, d := range dirs {
		file := d + "/" + name
		if _, err := os.Stat(file); err == nil {
			return file, true
		}
	}
	return "", false
}
