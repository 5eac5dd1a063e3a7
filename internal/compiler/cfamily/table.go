package cfamily

import (
	"regexp"
	"strings"
)

// SharedRows returns the options that gcc and clang understand alike.
func SharedRows() [][]Option {
	return [][]Option{driverRows(), directoryRows(), outputRows(), warningRows(), linkRows(), modeRows()}
}

func driverRows() []Option {
	return concat(
		Rows(Alone, ToObject, "-c --compile"),
		Rows(Alone, ToAssembly, "-S --assemble"),
		Rows(Either, Output, "-o"),
		Rows(Separate, Output, "--output"),
		Rows(Joined, Output, "--output="),
		Rows(Either, Language, "-x"),
		Rows(Separate, Language, "--language"),
		Rows(Joined, Language, "--language="),
		Rows(Alone, NotCompile, "-E --preprocess -M -MM --dependencies --user-dependencies -fsyntax-only -### --version --help"+
			" -dumpversion -dumpmachine -dumpspecs -dumpfullversion --verbose-help -print-search-dirs -print-libgcc-file-name"+
			" -print-multi-directory -print-multi-lib -print-multi-os-directory -print-multiarch -print-sysroot"+
			" -print-resource-dir -print-target-triple -print-effective-triple -print-ivar-layout -print-supported-cpus"+
			" --print-search-dirs --print-libgcc-file-name --print-resource-dir --print-target-triple --target-help"),
		Rows(Joined, NotCompile, "--help= -print-file-name= -print-prog-name= --print-file-name= --print-prog-name="),
		// They print times, temporary names or progress, which no replay can repeat.
		Rows(Alone, Refuse, "-v --verbose -time -Q -ftime-report -fmem-report -fmem-report-wpa -fstats -ftime-report-details"+
			" -fpre-ipa-mem-report -fpost-ipa-mem-report -ftrack-vtables"),
		Rows(Alone, Pure, "-pipe --pipe -pass-exit-codes -pthread -ansi --ansi -pedantic --pedantic -pedantic-errors --pedantic-errors"+
			" -w --no-warnings -undef -trigraphs --trigraphs -P -H --trace-includes -p -pg -fpic -fPIC -fpie -fPIE -no-integrated-cpp"),
		Rows(Joined, Pure, "-std= --std= --param="),
		Rows(Separate, Pure, "--param"),
		Rows(Either, Define, "-D"),
		Rows(Separate, Define, "--define-macro"),
		Rows(Joined, Define, "--define-macro="),
		Rows(Either, Undefine, "-U"),
		Rows(Separate, Undefine, "--undefine-macro"),
		Rows(Joined, Undefine, "--undefine-macro="),
		Rows(Joined, ToAssembler, "-Wa,"),
		Rows(Separate, ToAssemblerArg, "-Xassembler"),
		Rows(Joined, ToPreprocessor, "-Wp,"),
		Rows(Separate, ToPreprocessorArg, "-Xpreprocessor"),
		Rows(Either, Prefix, "-B"),
		Rows(Separate, Refuse, "-wrapper -specs --specs"),
		Rows(Joined, Refuse, "-fplugin -specs= --specs= -wrapper="),
	)
}

func directoryRows() []Option {
	return concat(
		Rows(Either, DirUser, "-I"),
		Rows(Separate, DirUser, "--include-directory"),
		Rows(Joined, DirUser, "--include-directory="),
		Rows(Either, DirQuote, "-iquote"),
		Rows(Either, DirSystem, "-isystem"),
		Rows(Either, DirAfter, "-idirafter"),
		Rows(Either, Force, "-include -imacros"),
		Rows(Separate, Force, "--include --imacros"),
		Rows(Joined, Force, "--include= --imacros="),
		Rows(Separate, DirAfter, "--include-directory-after"),
		Rows(Joined, DirAfter, "--include-directory-after="),
		Rows(Alone, Search, "-nostdinc --no-standard-includes -nostdinc++ -no-canonical-prefixes -canonical-prefixes"+
			" -m32 -m64 -mx32 -m16 -miamcu"),
		Rows(Joined, Search, "--sysroot= -mabi= -mfloat-abi="),
		Rows(Separate, Search, "--sysroot"),
		Rows(Either, Search, "-isysroot"),
		Rows(Either, Watched, "-iprefix -iwithprefix -iwithprefixbefore -imultilib -imultiarch -iframework"),
	)
}

func outputRows() []Option {
	return concat(
		Rows(Alone, DepAll, "-MD --write-dependencies"),
		Rows(Alone, DepUser, "-MMD --write-user-dependencies"),
		Rows(Either, DepFile, "-MF"),
		Rows(Either, DepTarget, "-MT -MQ"),
		Rows(Alone, Pure, "-MP -MV"),
		Rows(Alone, GenerateDeps, "-MG --print-missing-file-dependencies"),
		Rows(Alone, SplitDwarf, "-gsplit-dwarf"),
		Rows(Alone, NoSplitDwarf, "-gno-split-dwarf"),
		Rows(Alone, Notes, "--coverage -coverage -ftest-coverage"),
		Rows(Alone, NoNotes, "-fno-test-coverage"),
		Rows(Alone, Pure, "-fprofile-arcs -fno-profile-arcs -fno-profile-generate -fprofile-generate -fno-profile-use"+
			" -fno-auto-profile -fno-branch-probabilities"),
		Rows(Alone, StackUsage, "-fstack-usage"),
		Rows(Alone, SaveTempsCwd, "-save-temps --save-temps -save-temps=cwd --save-temps=cwd"),
		Rows(Alone, SaveTempsObj, "-save-temps=obj --save-temps=obj"),
		Rows(Alone, Refuse, "-fsave-optimization-record"),
		Rows(Alone, LTO, "-flto"),
		Rows(Joined, LTO, "-flto="),
		Rows(Alone, NoLTO, "-fno-lto"),
		Rows(Joined, Refuse, "-fprofile-dir= -fprofile-use= -fauto-profile= -fdump- -fopt-info -fmodule -fno-module -fself-test -fcompare-debug"),
		Rows(Alone, Refuse, "-fprofile-use -fauto-profile -fbranch-probabilities -fdirectives-only -fprofile-reproducible -fmodules-ts"),
	)
}

// modeRows are the options that ask what machine this is.
func modeRows() []Option {
	return concat(
		Rows(Alone, Native, "-march=native -mtune=native -mcpu=native"),
		Rows(Alone, Refuse, "-mfpu=auto -march=host -mcpu=host"),
	)
}

func warningRows() []Option {
	return concat(
		Rows(Joined, Pure, "-Wl, -W --warn- --extra-warnings"),
		Rows(Alone, Pure, "--all-warnings"),
	)
}

// linkRows are the options that only a linker obeys; with -c they do nothing.
func linkRows() []Option {
	return concat(
		Rows(Either, Pure, "-L -l -u -z -T"),
		Rows(Separate, Pure, "-Xlinker"),
		Rows(Joined, Pure, "-fuse-ld= --ld-path="),
		Rows(Alone, Pure, "-s -static -shared -symbolic -rdynamic -pie -no-pie -static-pie -nopie -nostdlib -nodefaultlibs -nostartfiles"+
			" -nolibc -static-libsan -shared-libsan -static-openmp -static-libgcc -shared-libgcc -static-libstdc++ -static-libasan -static-libtsan -static-libubsan -r --static --shared"),
	)
}

// pureValued are the -f options whose value is a word or a map and never the
// name of a file.
func pureValued() []string {
	return strings.Fields(`
 abi-compat-version abi-version align-functions align-jumps align-labels align-loops aligned-new analyzer-checker
 analyzer-verbosity asan-shadow-offset binutils-version bracket-depth builtin c++-abi caret-diagnostics-max-lines
 cf-protection checking clang-abi-compat code-model comment-block-commands compute-dwarf-ranges
 concepts-diagnostics-depth const-string-class constant-string-class constexpr-backtrace-limit constexpr-cache-depth
 constexpr-depth constexpr-loop-limit constexpr-ops-limit constexpr-steps coverage-compilation-dir coverage-prefix-map
 dbg-cnt debug-compilation-dir debug-default-version debug-prefix-map denormal-fp-math denormal-fp-math-f32
 diagnostics-color diagnostics-column-origin diagnostics-column-unit diagnostics-escape-format diagnostics-format
 diagnostics-hotness-threshold diagnostics-minimum-margin-width diagnostics-path-format diagnostics-show-category
 diagnostics-show-location diagnostics-urls emit-struct-debug-detailed error-limit excess-precision exec-charset
 extend-arguments file-compilation-dir file-prefix-map float-abi fp-contract fp-exception-behavior fp-model gnuc-version
 inline-limit inline-max-stacksize input-charset instrument-functions-exclude-file-list
 instrument-functions-exclude-function-list ira-algorithm ira-region ira-verbose lax-vector-conversions lifetime-dse
 live-patching lto-compression-level lto-jobs macro-backtrace-limit macro-prefix-map max-errors max-include-depth
 max-tokens max-type-align message-length msc-version new-alignment new-ttp-matching no-builtin no-sanitize
 no-sanitize-coverage no-sanitize-recover no-sanitize-trap objc-abi-version objc-runtime objc-std openacc-dim openmp
 pack-struct patchable-function-entry permitted-flt-eval-methods profile-exclude-files profile-filter-files
 profile-generate profile-info-section profile-prefix-map profile-reproducible profile-update random-seed
 reorder-blocks-algorithm sanitize sanitize-address-destructor sanitize-address-field-padding
 sanitize-address-use-after-return sanitize-coverage sanitize-hwaddress-abi sanitize-memory-track-origins
 sanitize-recover sanitize-sections sanitize-trap sanitize-undefined-strip-path-components sched-stalled-insns
 sched-stalled-insns-dep sched-verbose show-overloads simd-cost-model spell-checking-limit sso-struct stack-check
 stack-limit-register stack-limit-symbol stack-protector stack-reuse strict-aliasing strict-flex-arrays
 strict-overflow strong-eval-order tabstop template-backtrace-limit template-depth tls-model track-macro-expansion
 trap-function trapv-handler tree-parallelize-loops tree-vectorizer-verbose trivial-auto-var-init
 trivial-auto-var-init-stop-after veclib vect-cost-model visibility visibility-dllexport visibility-externs-dllimport
 visibility-externs-nodllstorageclass visibility-nodllstorageclass vtable-verify wide-exec-charset
 xray-function-groups xray-instruction-threshold xray-instrumentation-bundle xray-modes xray-selected-function-group
 zero-call-used-regs`)
}

// refusedFamilies are the beginnings of -f and -m options that read or write
// files, or whose meaning no table covers yet. They bind after "no-" too.
func refusedFamilies() []string {
	return strings.Fields(`
auto-profile profile-instr profile-sample profile-list profile-note profile-remapping profile-function-groups
 profile-report profile-prefix-path memory-profile cs-profile
 sanitize-blacklist sanitize-ignorelist sanitize-coverage-allowlist sanitize-coverage-ignorelist
 sanitize-coverage-whitelist sanitize-coverage-blacklist sanitize-system-blacklist sanitize-system-ignorelist
 xray-always-instrument xray-never-instrument xray-attr-list
 module cxx-module prebuilt-module implicit-module builtin-module build-session validate-pch header-unit
 thinlto-index thin-link-bitcode plugin pass-plugin crash-diagnostics proc-stat-report time-trace optimization-record
 save-optimization-record basic-block-sections warning-suppression api-notes apinotes embed-bitcode embed-offload
 symbol-partition temp-file vtv- dump opt-info callgraph-info stack-usage test-coverage compare-debug self-test
 syntax-only help offload cuda gpu hip sycl openmp-targets openmp-host openmp-is-device
 preprocessed ms-compatibility delayed-template deps wpa ltrans resolution
 diagnostics-add-output diagnostics-set-output diagnostics-format=sarif diagnostics-format=json-file
 randomize-layout-seed-file lto-partition linker-output
 `)
}

// Family returns the judge for options that no row names: code generation and
// warnings by their first letter. An option without a value switches something;
// one with a value must be listed, since values may be files.
func Family() func(arg string) (Effect, bool) {
	valued := map[string]bool{}
	for _, name := range pureValued() {
		valued[name] = true
	}
	refused := refusedFamilies()
	debug := regexp.MustCompile(`^-g([0-3]?|gdb[0-3]?|dwarf(-?[2-5]|32|64|-aranges)?|z(=[a-z-]+)?|stabs\+?[0-3]?|(x?coff|vms)[0-3]?|btf|ctf[0-2]?|` +
		`full|used|mlt|(no-)?(record-(gcc-switches|command-line)|column-info|line-tables-only|line-directives-only|(gnu-)?pubnames|` +
		`strict-dwarf|variable-location-views(=[a-z0-9]+)?|inline-points|inline-line-tables|internal-reset-location-views|statement-frontiers|` +
		`describe-dies|as-loc(view)?-support|embed-source|codeview(-ghash|-command-line)?|simple-template-names))$`)
	word := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
	level := regexp.MustCompile(`^-O[0-9a-z]*$`)
	machine := regexp.MustCompile(`^[A-Za-z0-9_+.,:%@-]*$`)
	return func(arg string) (Effect, bool) {
		switch {
		case level.MatchString(arg), debug.MatchString(arg):
			return Pure, true
		case strings.HasPrefix(arg, "-f"):
			return familyF(arg[2:], valued, refused, word)
		case strings.HasPrefix(arg, "-m"):
			name, value, has := strings.Cut(arg[2:], "=")
			if !word.MatchString(name) || strings.HasPrefix(name, "llvm") || strings.HasPrefix(name, "linker") {
				return 0, false
			}
			if strings.HasPrefix(value, "native") || strings.HasPrefix(name, "dump") {
				return Refuse, true
			}
			return Search, !has || machine.MatchString(value)
		}
		return 0, false
	}
}

func familyF(option string, valued map[string]bool, refused []string, word *regexp.Regexp) (Effect, bool) {
	name, value, has := strings.Cut(option, "=")
	bare := strings.TrimPrefix(name, "no-")
	for _, r := range refused {
		if strings.HasPrefix(bare, r) || strings.HasPrefix(option, r) {
			return Refuse, true
		}
	}
	if !word.MatchString(name) {
		return 0, false
	}
	if !has || valued[name] || valued[bare] {
		return charset(bare, value), true
	}
	return 0, false
}

// charset refuses conversions, for which the C library loads modules.
func charset(name, value string) Effect {
	if !strings.HasSuffix(name, "-charset") {
		return Pure
	}
	switch strings.ToLower(value) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return Pure
	}
	return Refuse
}

func concat(groups ...[]Option) []Option {
	var all []Option
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}
