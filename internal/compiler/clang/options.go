package clang

import (
	"slices"

	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// Options returns the table of clang's options.
func Options() *cfamily.Table {
	return cfamily.NewTable(cfamily.Family(), append(cfamily.SharedRows(), rows(), profileRows())...)
}

func rows() []cfamily.Option {
	return slices.Concat(
		cfamily.Rows(cfamily.Alone, cfamily.ToBitcode, "-emit-llvm"),
		cfamily.Rows(cfamily.Separate, cfamily.Target, "-target --target"),
		cfamily.Rows(cfamily.Joined, cfamily.Target, "--target="),
		cfamily.Rows(cfamily.Joined, cfamily.Search, "-stdlib= --stdlib= --unwindlib= -unwindlib= -rtlib= --rtlib="),
		cfamily.Rows(cfamily.Alone, cfamily.Search, "-nostdlibinc -nobuiltininc --no-gcc-toolchain"),
		// The driver looks below these for GCC installations and directories of
		// headers, by rules of its own.
		cfamily.Rows(cfamily.Separate, cfamily.Watched, "--sysroot -isysroot -gcc-toolchain --gcc-toolchain -resource-dir"),
		cfamily.Rows(cfamily.Joined, cfamily.Watched, "--sysroot= -isysroot --gcc-toolchain= --gcc-install-dir= -resource-dir="),
		cfamily.Rows(cfamily.Either, cfamily.Watched, "-F -ivfsoverlay -vfsoverlay -cxx-isystem -isystem-after -iwithsysroot -stdlib++-isystem"),
		cfamily.Rows(cfamily.Alone, cfamily.SplitDwarf, "-gsplit-dwarf=split"),
		cfamily.Rows(cfamily.Alone, cfamily.NoSplitDwarf, "-gsplit-dwarf=single"), // in the object
		cfamily.Rows(cfamily.Joined, cfamily.Pure, "-R"),
		cfamily.Rows(cfamily.Separate, cfamily.ToCC1, "-Xclang"),
		cfamily.Rows(cfamily.Alone, cfamily.IntegratedAs, "-fintegrated-as -integrated-as"),
		cfamily.Rows(cfamily.Alone, cfamily.ExternalAs, "-fno-integrated-as -no-integrated-as"),
		cfamily.Rows(cfamily.Separate, cfamily.Serialize, "--serialize-diagnostics -serialize-diagnostics"),
		cfamily.Rows(cfamily.Alone, cfamily.Pure, "-Qunused-arguments -ObjC -ObjC++ -pthreads --no-pedantic -no-pthread -dA -Qn -Qy --start-no-unused-arguments --end-no-unused-arguments"+
			" -fcoverage-mapping -fno-coverage-mapping -fno-modules -fno-cxx-modules -fno-implicit-modules -fno-implicit-module-maps"+
			" -nostdlib++ -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang -fcrash-diagnostics"+
			" -fno-pch-validate-input-files-content -fno-crash-diagnostics -gen-reproducer=off"+
			" -fembed-bitcode=off -nogpulib -nogpuinc -nocudalib -nocudainc -arcmt-none"),
		cfamily.Rows(cfamily.Alone, cfamily.NotCompile, "--analyze -analyze --precompile --migrate -emit-ast -emit-interface-stubs -verify-pch -rewrite-objc"+
			" -rewrite-legacy-objc -extract-api -ccc-print-phases -ccc-print-bindings --help-hidden -cc1 -cc1as -print-targets --print-targets"+
			" --print-supported-cpus -print-rocm-search-dirs -print-target-triple --autocomplete"),
		cfamily.Rows(cfamily.Separate, cfamily.ToLLVM, "-mllvm"),
		cfamily.Rows(cfamily.Joined, cfamily.ToLLVM, "-mllvm="),
		cfamily.Rows(cfamily.Separate, cfamily.Pure, "-fdebug-compilation-dir"),
		cfamily.Rows(cfamily.Joined, cfamily.Pure, "-fcrash-diagnostics-dir="), // written where clang crashes
		cfamily.Rows(cfamily.Separate, cfamily.Refuse, "-arch --config -working-directory -include-pch -include-multi -Xanalyzer"+
			" -Xopenmp-target -dependency-dot -dependency-file -module-dependency-dir -index-store-path -ccc-gcc-name -Xcuda-fatbinary -Xcuda-ptxas"+
			" -MJ"),
		cfamily.Rows(cfamily.Joined, cfamily.Refuse, "--config= -working-directory= -Xarch_ -Xopenmp-target= -ccc- --cuda- --hip- --offload --rocm-"+
			" --libomptarget- --overlay-platform-toolchain= --ptxas- -MJ -cl-"+
			" -gen-reproducer -sectcreate"),
		cfamily.Rows(cfamily.Alone, cfamily.Refuse, "-ftime-trace -gmodules -C -CC --comments --comments-in-macros -traditional-cpp"),
		// They read the headers' time stamps.
		cfamily.Rows(cfamily.Joined, cfamily.Refuse, "-fpch"),
	)
}

// profileRows are the options of profiles: some name a file to be read, some
// only a name for the instrumented program to write to.
func profileRows() []cfamily.Option {
	return slices.Concat(
		cfamily.Rows(cfamily.Joined, cfamily.Pure, "-fprofile-instr-generate= -fprofile-generate= -fcs-profile-generate= -fprofile-exclude-files= -fprofile-filter-files="),
		cfamily.Rows(cfamily.Alone, cfamily.Pure, "-fprofile-instr-generate -fno-profile-instr-generate -fcs-profile-generate -fno-profile-instr-use"+
			" -fprofile-sample-accurate -fno-profile-sample-accurate -fno-profile-sample-use -fno-auto-profile"),
		cfamily.Rows(cfamily.Joined, cfamily.ReadFile, "-fprofile-use= -fprofile-instr-use= -fprofile-sample-use= -fauto-profile= -fprofile-list="+
			" -fsanitize-ignorelist= -fsanitize-blacklist= -fsanitize-coverage-allowlist= -fsanitize-coverage-ignorelist="+
			" -fxray-always-instrument= -fxray-never-instrument= -fxray-attr-list="),
		cfamily.Rows(cfamily.Alone, cfamily.Pure, "-fno-sanitize-ignorelist -fno-sanitize-blacklist"),
		cfamily.Rows(cfamily.Joined, cfamily.Refuse, "-foptimization-record-file="),
	)
}

// Env returns the classes of variables for clang.
func Env() cfamily.EnvClasses {
	classes := cfamily.SharedEnv()
	classes.Add(cfamily.Forbid, "changes the command line", "CCC_OVERRIDE_OPTIONS", "QA_OVERRIDE_GCC3_OPTIONS", "CCC_ADD_ARGS", "RC_DEBUG_OPTIONS")
	classes.Add(cfamily.Forbid, "writes files or messages of its own", "CC_PRINT_HEADERS", "CC_PRINT_HEADERS_FILE", "CC_PRINT_OPTIONS",
		"CC_PRINT_OPTIONS_FILE", "CC_LOG_DIAGNOSTICS", "CC_LOG_DIAGNOSTICS_FILE", "CC_PRINT_PROC_STAT", "CC_PRINT_PROC_STAT_FILE",
		"CC_PRINT_INTERNAL_STAT", "CC_PRINT_INTERNAL_STAT_FILE")
	classes.Add(cfamily.Keyed, "target system of Apple", "SDKROOT", "MACOSX_DEPLOYMENT_TARGET", "IPHONEOS_DEPLOYMENT_TARGET",
		"TVOS_DEPLOYMENT_TARGET", "WATCHOS_DEPLOYMENT_TARGET")
	return classes
}
