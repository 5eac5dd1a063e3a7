package rustc

import (
	"sort"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// environment is the caller's environment in three parts, each sorted.
//
// A lib crate that loads no proc-macro has two kinds of readers of variables:
// env! and option_env!, all of which are in the dependency list, and rustc, LLVM,
// the allocator and the dynamic loader, whose reads were recorded by an
// interposed getenv. Whatever the second kind does not read may be shown to the
// compiler without being in the key: that it was looked at is known afterwards.
type environment struct {
	keyed    []string
	messages []string
	passed   []string
}

type envClass int

const (
	envPassed   envClass = iota // read by env! only, or plumbing (jobserver, TMPDIR)
	envKeyed                    // read by the compiler
	envMessages                 // read by the compiler, for diagnostics
	envRefused                  // makes the compiler load or write what nobody named
)

// classify sorts env into its parts. proxy adds what rustup's proxy reads.
func classify(env compiler.Environ, clippy, proxy bool) (*environment, error) {
	e := &environment{}
	seen := map[string]bool{}
	for _, kv := range env {
		name := compiler.Name(kv)
		if seen[name] {
			continue // getenv finds the first of a name
		}
		seen[name] = true
		class := envClassOf(name)
		if class == envPassed && (clippy && clippyReads(name) || proxy && rustupReads(name)) {
			class = envKeyed
		}
		switch class {
		case envKeyed:
			e.keyed = append(e.keyed, kv)
		case envMessages:
			e.messages = append(e.messages, kv)
		case envPassed:
			e.passed = append(e.passed, kv)
		case envRefused:
			return nil, compiler.NotCacheable("%s is set", name)
		}
	}
	sort.Strings(e.keyed)
	sort.Strings(e.messages)
	sort.Strings(e.passed)
	return e, nil
}

func envClassOf(name string) envClass {
	switch name {
	case "LD_PRELOAD", "LD_AUDIT", // code of others
		"LD_DEBUG", "LD_PROFILE", "LD_TRACE_LOADED_OBJECTS",
		"RUSTC_LOG",        // logs hold times, and may go to a file
		"RUST_TARGET_PATH": // any triple may then be a file
		return envRefused
	case "CI", "LANG", "LANGUAGE", "RUST_BACKTRACE", "RUST_LIB_BACKTRACE":
		return envMessages
	case "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", // cargo reads these
		"RUSTC_LINKER": // nothing is linked
		return envPassed
	case "GLIBC_TUNABLES", "MALLOC_CONF", "QNX_TARGET", "SDKROOT",
		"CARGO_CRATE_NAME": // set: lints advise what to write into Cargo.toml
		return envKeyed
	}
	switch {
	case ofTerminal(name), strings.HasPrefix(name, "LC_"):
		return envMessages
	case strings.HasPrefix(name, "LD_"), strings.HasPrefix(name, "LLVM_"),
		strings.HasPrefix(name, "RUSTC_"), // RUSTC_BOOTSTRAP, RUSTC_FORCE_RUSTC_VERSION, ...
		strings.HasSuffix(name, "_DEPLOYMENT_TARGET"):
		return envKeyed
	}
	return envPassed
}

// ofTerminal reports whether the variable tells of the caller's terminal and the
// compiler reads it to shape diagnostics for people.
func ofTerminal(name string) bool {
	switch name {
	case "TERM", "COLORTERM", "COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CLIPPY_TERMINAL_WIDTH":
		return true
	}
	return false
}

// clippyReads reports whether clippy-driver, beyond what rustc reads, looks at
// the variable.
func clippyReads(name string) bool {
	switch name {
	case "CARGO_MANIFEST_DIR", "CARGO_PKG_RUST_VERSION", "CARGO_PRIMARY_PACKAGE", "SYSROOT",
		"__CLIPPY_INTERNAL_TESTS":
		return true
	}
	return strings.HasPrefix(name, "CLIPPY_")
}

// rustupReads reports whether rustup looks at the variable to choose the
// toolchain that its proxy starts.
func rustupReads(name string) bool {
	return name == "HOME" || name == "CARGO_HOME" || name == "PATH" || name == "OPENSSL_CONF" || strings.HasPrefix(name, "RUSTUP_")
}
