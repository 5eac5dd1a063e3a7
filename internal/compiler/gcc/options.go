package gcc

import (
	"slices"

	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// Options returns the table of gcc's options.
func Options() *cfamily.Table {
	return cfamily.NewTable(cfamily.Family(), append(cfamily.SharedRows(), rows())...)
}

func rows() []cfamily.Option {
	return slices.Concat(
		cfamily.Rows(cfamily.Alone, cfamily.CallGraph, "-fcallgraph-info"),
		cfamily.Rows(cfamily.Joined, cfamily.CallGraph, "-fcallgraph-info="),
		cfamily.Rows(cfamily.Joined, cfamily.NotesFile, "-fprofile-note="),
		cfamily.Rows(cfamily.Separate, cfamily.AuxInfo, "-aux-info"),
		// Names that follow the dump base are not worked out.
		cfamily.Rows(cfamily.Either, cfamily.Refuse, "-dumpbase -dumpdir -dumpbase-ext -auxbase -auxbase-strip -remap"),
		cfamily.Rows(cfamily.Joined, cfamily.Refuse, "-d -fada-spec-parent= -fdump-go-spec= -fplugin-arg- -foffload -fmodule-mapper="),
		cfamily.Rows(cfamily.Either, cfamily.Pure, "-A -e"),
		cfamily.Rows(cfamily.Joined, cfamily.NotCompile, "-fhelp= -print-"),
		cfamily.Rows(cfamily.Alone, cfamily.NotCompile, "-fhelp -quiet"),
		cfamily.Rows(cfamily.Separate, cfamily.Specs, "-specs --specs"),
		cfamily.Rows(cfamily.Joined, cfamily.Specs, "-specs= --specs="),
		cfamily.Rows(cfamily.Alone, cfamily.Watched, "-fprofile-use -fbranch-probabilities -fauto-profile"),
		cfamily.Rows(cfamily.Joined, cfamily.Watched, "-fprofile-use= -fauto-profile="),
		cfamily.Rows(cfamily.Joined, cfamily.Pure, "-fprofile-dir="), // where the program will write, or as -fprofile-use
		cfamily.Rows(cfamily.Alone, cfamily.Preprocessed, "-fpreprocessed"),
		cfamily.Rows(cfamily.Alone, cfamily.Pure, "-gtoggle -no-sysroot-suffix"),
		cfamily.Rows(cfamily.Alone, cfamily.Pure, "-fworking-directory -fno-working-directory -fpch-deps -fno-pch-deps -fpch-preprocess"),
	)
}

// Env returns the classes of variables for gcc.
func Env() cfamily.EnvClasses {
	classes := cfamily.SharedEnv()
	classes.Add(cfamily.Message, "colour and links of diagnostics", "GCC_COLORS", "GCC_URLS", "TERM_URLS", "GCC_EXTRA_DIAGNOSTIC_OUTPUT")
	classes.Add(cfamily.Forbid, "compiles twice and compares", "GCC_COMPARE_DEBUG")
	classes.Add(cfamily.Forbid, "set by gcc for its own helpers", "COLLECT_GCC", "COLLECT_GCC_OPTIONS", "COLLECT_LTO_WRAPPER",
		"COLLECT_NO_DEMANGLE", "COLLECT_AS_OPTIONS")
	return classes
}
