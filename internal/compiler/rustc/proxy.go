package rustc

import (
	"os"
	"path/filepath"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// starterKind says what the executable of a call is.
type starterKind int

const (
	startedItself  starterKind = iota // a program of the toolchain
	startedByProxy                    // rustup, which chooses a toolchain and starts that
)

// starter tells the two apart. Any other program that leads to rustc may look at
// anything first.
func starter(call *compiler.Call) (starterKind, error) {
	bin := filepath.Join(call.Tool.Sysroot, "bin")
	if filepath.Dir(call.Path) == bin {
		return startedItself, nil
	}
	real, err := filepath.EvalSymlinks(call.Path)
	if err != nil {
		return 0, compiler.NotCacheable("compiler not found")
	}
	if realBin, err := filepath.EvalSymlinks(bin); err == nil && filepath.Dir(real) == realBin {
		return startedItself, nil
	}
	if isRustup(call.Path, real) {
		return startedByProxy, nil
	}
	return 0, compiler.NotCacheable("compiler outside its sysroot")
}

// isRustup reports whether path is one of the names of rustup: its proxies are
// links, hard or symbolic, to the one program.
func isRustup(path, real string) bool {
	if filepath.Base(real) == "rustup" {
		return true
	}
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat(filepath.Join(filepath.Dir(path), "rustup"))
	return err == nil && os.SameFile(a, b)
}

// proxyInputs claims what rustup looks at to choose a toolchain. The toolchain
// itself is the coordinator's to identify.
func proxyInputs(call *compiler.Call, set *action.PathSet) {
	home := call.Env.Get("RUSTUP_HOME")
	if home == "" {
		home = call.Env.Get("HOME") + "/.rustup"
	}
	home = under(call.Dir, home)
	set.Paths = append(set.Paths,
		home+"/settings.toml", "/etc/rustup/settings.toml", home+"/toolchains",
		filepath.Join(filepath.Dir(call.Path), "rustup-init"),
		"/usr/local/ssl/openssl.cnf") // of the TLS library inside rustup
	climb(set, call.Dir, "rust-toolchain", "rust-toolchain.toml")
}

// climb claims looks for names in dir and in every directory above it.
func climb(set *action.PathSet, dir string, names ...string) {
	up := upwards(dir, names...)
	set.Paths = append(set.Paths, up...)
	set.Climbing = append(set.Climbing, up...)
}

// upwards returns the paths of names in dir and in every directory above it.
func upwards(dir string, names ...string) []string {
	var paths []string
	for {
		for _, n := range names {
			paths = append(paths, filepath.Join(dir, n))
		}
		up := filepath.Dir(dir)
		if up == dir {
			return paths
		}
		dir = up
	}
}
