package rustc

import (
	"maps"
	"slices"
	"strings"
)

// flag reads an option without a value and reports whether a is one.
func (c *command) flag(a string) bool {
	switch a {
	case "-g", "-O", "-v", "--verbose":
	case "--test":
		c.test = true
	case "-h", "--help":
		first(&c.nothing, "--help")
	case "-V", "-vV", "--version":
		first(&c.nothing, "--version")
	default:
		return false
	}
	return true
}

// takesValue reports whether the option is followed by a value, in the same
// word or the next.
func takesValue(name string) bool {
	switch name {
	case "--cfg", "--check-cfg", "--edition", "--cap-lints", "--error-format", "--color",
		"--diagnostic-width", "--remap-path-prefix", "--remap-path-scope", "--json",
		"-A", "--allow", "-W", "--warn", "-D", "--deny", "-F", "--forbid", "--force-warn",
		"--crate-name", "--crate-type", "--out-dir", "--target", "--extern", "--emit",
		"-L", "-l", "-C", "--codegen", "--print", "--explain", "-o", "--sysroot", "-Z":
		return true
	}
	return false
}

// set reads an option with a value, one for which takesValue holds. Those that
// are not named here need nothing but their place in the key.
func (c *command) set(name, v string) {
	switch name {
	case "--json":
		if slices.Contains(strings.Split(v, ","), "timings") {
			first(&c.reason, "--json timings") // different in every run
		}
	case "--error-format":
		c.json = v == "json"
	case "--diagnostic-width":
		if c.width != nil || v == "" || len(v) > 9 || strings.Trim(v, "0123456789") != "" {
			first(&c.unclear, name) // rustc refuses most of these
		}
		c.width = append(c.width, name+"="+v)
	case "-A", "--allow", "-W", "--warn", "-D", "--deny", "-F", "--forbid", "--force-warn":
		if v == "help" {
			first(&c.nothing, "--help")
		}
		c.lints = append(c.lints, v)
	case "--crate-name":
		c.crate = v
	case "--crate-type":
		c.types = append(c.types, strings.Split(v, ",")...)
	case "--out-dir":
		c.outDir = v
	case "--target":
		c.target = v
	case "--extern":
		c.setExtern(v)
	case "--emit":
		c.setEmit(v)
	case "-L":
		c.setSearch(v)
	case "-l":
		c.natives = append(c.natives, v)
	case "-C", "--codegen":
		c.setCodegen(v)
	case "--print", "--explain":
		if name == "--explain" || v != "native-static-libs" { // a note beside a compile
			first(&c.nothing, name)
		}
	case "-o", "--sysroot", "-Z":
		first(&c.unclear, name)
	}
}

// setExtern reads [flags:]name[=path].
func (c *command) setExtern(v string) {
	name, path, _ := strings.Cut(v, "=")
	if _, after, ok := strings.Cut(name, ":"); ok {
		name = after
	}
	c.externs = append(c.externs, extern{name, path})
}

// setEmit reads kind[=file] separated by commas.
func (c *command) setEmit(v string) {
	for part := range strings.SplitSeq(v, ",") {
		kind, file, _ := strings.Cut(part, "=")
		if _, twice := c.emit[kind]; twice {
			first(&c.unclear, "--emit of one kind twice")
		}
		c.emit[kind] = file
	}
}

// setSearch reads [kind=]dir. Directories of the kind that is refused answer an
// `extern crate` that no --extern does.
func (c *command) setSearch(v string) {
	kind, dir, ok := strings.Cut(v, "=")
	switch {
	case ok && (kind == "dependency" || kind == "native" || kind == "framework"):
		c.dirs = append(c.dirs, searchDir{kind, dir})
	case ok && kind == "crate":
		first(&c.unclear, "-L crate")
	case ok && kind == "all":
		c.dirs, c.anyKind = append(c.dirs, searchDir{"all", dir}), true
	default:
		c.dirs, c.anyKind = append(c.dirs, searchDir{"all", v}), true
	}
}

// setCodegen reads name[=value]. rustc takes _ for - in names.
func (c *command) setCodegen(v string) {
	name, value, _ := strings.Cut(v, "=")
	name = strings.ReplaceAll(name, "_", "-")
	c.steersLinker = c.steersLinker || steersLinker(name, value)
	first(&c.located, locates(name, value))
	switch {
	case plainCodegen(name):
	case name == "codegen-units":
		c.units = true
	case name == "extra-filename":
		c.extra = value
	case name == "profile-use":
		c.profile = value
	case name == "linker":
		c.linker = value
	case name == "target-cpu":
		if value == "native" {
			first(&c.reason, "-C target-cpu=native")
		}
	case name == "split-debuginfo":
		// unpacked leaves one file per codegen unit, named by a hash
		if c.dwp = value == "packed"; value != "off" && !c.dwp {
			first(&c.reason, "-C split-debuginfo="+value)
		}
	case name == "incremental":
		if c.incremental != "" || value == "" {
			first(&c.reason, "incremental twice or nowhere")
		}
		c.incremental = value
	case name == "link-arg", name == "link-args":
		if strings.Contains(value, "build-id=uuid") {
			first(&c.reason, "random build id")
		}
	case name == "save-temps", name == "llvm-args", name == "passes", name == "remark", name == "dlltool":
		first(&c.reason, "-C "+name) // further files; LLVM has options for any kind of them
	case name == "help":
		first(&c.nothing, "--help")
	default:
		first(&c.unclear, "unknown option: -C "+name)
	}
}

// plainCodegen reports whether a -C option changes generated code, messages or
// what is recorded for a later link, and makes rustc read and write no other
// file.
func plainCodegen(name string) bool {
	switch name {
	case "ar", "code-model", "collapse-macro-debuginfo", "control-flow-guard",
		"debug-assertions", "debuginfo", "default-linker-libraries", "dwarf-version",
		"embed-bitcode", "force-frame-pointers", "force-unwind-tables", "inline-threshold",
		"instrument-coverage", "jump-tables", "link-dead-code",
		"link-self-contained", "linker-features", "linker-flavor",
		"linker-plugin-lto", "lto", "metadata", "no-prepopulate-passes", "no-redzone",
		"no-stack-check", "no-vectorize-loops", "no-vectorize-slp", "opt-level",
		"overflow-checks", "panic", "prefer-dynamic", "profile-generate", "relocation-model",
		"relro-level", "rpath", "soft-float", "strip", "symbol-mangling-version",
		"target-feature", "unsafe-allow-abi-mismatch":
		return true
	}
	return false
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
