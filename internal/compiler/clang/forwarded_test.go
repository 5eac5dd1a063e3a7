package clang

import (
	"strings"
	"testing"
)

func TestForwarded(t *testing.T) {
	for values, bad := range map[string]string{
		"-fdebug-compilation-dir .":                                          "",
		"-fdebug-compilation-dir":                                            "-fdebug-compilation-dir",
		"-target-feature +crypto -O3":                                        "",
		"-target-feature crypto":                                             "-target-feature",
		"-target-cpu skylake":                                                "",
		"-target-cpu native":                                                 "-target-cpu",
		"-mllvm -ipra -fno-pch-timestamp":                                    "",
		"-mllvm -print-after-all":                                            "-mllvm",
		"-mrelocation-model pic -pic-level 2":                                "",
		"-add-plugin find-bad-constructs":                                    "",
		"-add-plugin moz-check":                                              "-add-plugin",
		"-plugin-arg-blink-gc-plugin dump-graph":                             "-plugin-arg-blink-gc-plugin",
		"-plugin-arg-find-bad-constructs raw-ref-template-as-trivial-member": "",
		"-plugin-arg-other x":                                                "-plugin-arg-other",
		"-load x.so":                                                         "-load",
		"-include-pch x":                                                     "-include-pch",
		"-emit-pch":                                                          "-emit-pch",
		"-ast-dump":                                                          "-ast-dump",
		"-o x":                                                               "-o",
		"-x c":                                                               "-x",
		"-fmodule-file=x":                                                    "-fmodule-file=x",
		"-dependency-file x":                                                 "-dependency-file",
		"-split-dwarf-output x":                                              "-split-dwarf-output",
		"-debug-info-kind=line-tables-only":                                  "-debug-info-kind=line-tables-only",
		"-fexperimental-max-bitint-width=256":                                "",
	} {
		if got := badCC1(strings.Fields(values)); got != bad {
			t.Errorf("%s: %q is bad, want %q", values, got, bad)
		}
	}
}

func TestLLVM(t *testing.T) {
	for _, good := range []string{"-asan-mapping-offset=0xdffffc0000000000", "-tsan-instrument-func-entry-exit=0",
		"-hwasan-inline-all-checks=0", "-instcombine-lower-dbg-declare=0", "-split-threshold-for-reg-with-hint=0",
		"-enable-cse-in-irtranslator=1", "-polly", "--inline-threshold=5", "-import-instr-limit=30", "-jump-threading-threshold=3"} {
		if badLLVM(good) != "" {
			t.Errorf("%s is refused", good)
		}
	}
	for _, bad := range []string{"-stats", "-time-passes", "-debug-only=x", "-print-after-all", "-info-output-file=x", "-enable-timings",
		"-inline-remark-attribute", "-enable-x=/a", "-enable-x=a/b", "-pgo-test-profile-file=x", "-polly-dot", "-opt-bisect-limit=3",
		"-x", "enable-x", "-inline-replay=a.txt/b", "-unroll-verify-domtree"} {
		if badLLVM(bad) != bad {
			t.Errorf("%s is allowed", bad)
		}
	}
}
