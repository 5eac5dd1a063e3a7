package clang

import (
	"regexp"
	"slices"
	"strings"
)

// badCC1 returns the first value of -Xclang that is not known to leave files alone,
// of those that real projects pass:
//
//	values = (switch | name value)*
func badCC1(values []string) string {
	pairs := pairedCC1()
	for i := 0; i < len(values); i++ {
		fits, paired := pairs[values[i]]
		switch {
		case !paired && pureCC1(values[i]):
		case paired && i+1 < len(values) && fits(values[i+1]):
			i++
		default:
			return values[i]
		}
	}
	return ""
}

// pairedCC1 returns the options whose value is the next one, with what the value
// may be.
func pairedCC1() map[string]func(string) bool {
	word := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`).MatchString
	anything := func(string) bool { return true }
	pairs := map[string]func(string) bool{
		"-fdebug-compilation-dir":    anything,
		"-fcoverage-compilation-dir": anything,
		"-target-feature":            regexp.MustCompile(`^[+-][A-Za-z0-9_.-]+$`).MatchString,
		"-target-cpu":                func(cpu string) bool { return word(cpu) && cpu != "native" },
		"-mrelocation-model":         word,
		"-pic-level":                 word,
		"-mllvm":                     func(option string) bool { return badLLVM(option) == "" },
		"-add-plugin":                func(name string) bool { return slices.Contains(builtinPlugins(), name) },
	}
	for _, name := range builtinPlugins() {
		// Their arguments choose checks; one of them asks for a file to be written.
		pairs["-plugin-arg-"+name] = func(arg string) bool { return word(arg) && !strings.Contains(arg, "dump") }
	}
	return pairs
}

// builtinPlugins are linked into the clang that Chromium is built with. Others come
// from a library that -load names, and are refused with it.
func builtinPlugins() []string {
	return []string{"find-bad-constructs", "blink-gc-plugin", "raw-ptr-plugin", "unsafe-buffers"}
}

// pureCC1 judges an option that is a value of its own.
func pureCC1(value string) bool {
	if value == "-fno-pch-timestamp" {
		return true
	}
	for _, word := range []string{"module", "plugin", "pch", "profile", "dump", "preprocess", "overlay", "trace", "record", "cuda", "openmp"} {
		if strings.Contains(value, word) {
			return false
		}
	}
	return regexp.MustCompile(`^(-disable-(O0-optnone|llvm-passes|llvm-optzns|llvm-verifier|free|lifetime-markers)|` +
		`-debug-info-kind=(constructor|limited|standalone)|-(no-)?opaque-pointers|-O[0-3sz]|-fexperimental-[a-z-]+(=[0-9]+)?|-[fW][a-z]+(-[a-z]+)*)$`).MatchString(value)
}

// badLLVM returns option, a value of -mllvm, where it is not of those that shape
// code. LLVM has thousands; among them are some that print, count, take the time or
// read and write files, and so only families that do none of it are allowed.
func badLLVM(option string) string {
	family := regexp.MustCompile(`^--?(polly|ipra|pgo-temporal-instrumentation|(asan|tsan|hwasan|msan|instcombine|inline|unroll|enable|disable|x86|aarch64|arm|riscv|` +
		`vectorize|force-vector|slp|loop|licm|gvn|simplifycfg|jump-threading|import-instr|split-threshold|limited-coverage|` +
		`machine|min|max|trap|sanitizer-coverage)-[a-z0-9-]+)(=[A-Za-z0-9_,.+-]*)?$`)
	if !family.MatchString(option) {
		return option
	}
	for _, word := range []string{"dump", "print", "debug", "file", "dir", "path", "stat", "tim", "trace", "view", "record", "report", "log",
		"remark", "summar", "load", "write", "read", "export", "graph", "bisect", "verify", "output", "dot", "count"} {
		if strings.Contains(option, word) && !strings.Contains(option, "thread") {
			return option
		}
	}
	return ""
}
