package rustc

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// More than half of what a link looks at is realpath(3) resolving the same few
// directories again and again. Only a program that makes something of a path and
// never looks at what is there could depend on a link that no other look shows.
// Rustc, compiler drivers and linkers do not: where they use a resolved name, the
// path as spelled is on the command line or looked at as well, and all links on
// a path of the set are part of the action. So how they resolve paths need not be
// reported. A procedural macro, a script that serves as the linker, or a library
// loaded into every program may do anything, so there it is.

// resolvesOnly reports whether a run of the call, as far as is known beforehand,
// starts no program but those that are known.
func (c *command) resolvesOnly(env compiler.Environ) bool {
	return !c.steersLinker && env.Get("LD_PRELOAD") == "" && env.Get("LD_AUDIT") == "" && (!c.links() || plainLinker(c.dir, env.Get("PATH")))
}

// plainLinker reports whether the cc that rustc will link with is a known program
// and no script. Only if that is wrong is a run in vain; see checkPrograms.
func plainLinker(dir, path string) bool {
	cc := lookPath(dir, path, "cc")
	return cc == "" || !isScript(cc) && knownProgram(cc)
}

// lookPath finds a program as a call in dir with that PATH does, "" where there is
// none.
func lookPath(dir, path, name string) string {
	for d := range strings.SplitSeq(path, ":") {
		if found, err := exec.LookPath(filepath.Join(under(dir, d), name)); err == nil {
			return found
		}
	}
	return ""
}

// isScript reports whether p is a file that names its interpreter.
func isScript(p string) bool {
	f, err := os.Open(p)
	if err != nil {
		return false
	}
	defer f.Close()
	mark := make([]byte, 2)
	_, err = io.ReadFull(f, mark)
	return err == nil && string(mark) == "#!"
}

// steersLinker reports whether a -C option may have another program link, or one
// of the known load a plugin.
func steersLinker(name, value string) bool {
	switch name {
	case "linker":
		return true
	case "link-arg", "link-args":
		flavor, ok := strings.CutPrefix(value, "-fuse-ld=")
		return !ok || strings.ContainsAny(flavor, "/ ")
	}
	return false
}

// checkPrograms refuses a run that was reported without resolutions and started
// a program that is not known. From then on nothing is left out.
func (l *Language) checkPrograms(seen *compiler.Observed) error {
	for _, p := range seen.Programs {
		if !knownProgram(p) {
			l.strangers.Store(true)
			return compiler.NotCacheable("an unknown program: %s", filepath.Base(p))
		}
	}
	for _, k := range seen.Looks {
		if k.Path == "/etc/ld.so.preload" && k.Found {
			l.strangers.Store(true)
			return compiler.NotCacheable("a library loaded into every program")
		}
	}
	return nil
}

// knownProgram goes by the name of the file that p leads to. A script that goes
// by such a name has its interpreter among the programs too.
func knownProgram(p string) bool {
	if strings.HasPrefix(filepath.Base(p), "ld-linux") { // the dynamic loader
		return true
	}
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		return false
	}
	name := filepath.Base(real)
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.Trim(name[i:], "-.0123456789") == "" {
		name = name[:i] // gcc-12
	}
	if i := strings.Index(name, "-linux-gnu-"); i >= 0 { // x86_64-linux-gnu-ld.bfd
		name = name[i+len("-linux-gnu-"):]
	}
	switch name {
	case "rustc", "clippy-driver", "rust-lld", "rust-objcopy",
		"cc", "c++", "gcc", "g++", "clang", "clang++", "collect2", "lto-wrapper", "as", "strip",
		"ld", "ld.bfd", "ld.gold", "ld.lld", "gold", "lld", "mold",
		"cachepot": // in the place of cc; it becomes the real one
		return true
	}
	return false
}
