package cfamily

import "path"

// Lang is a source language as -x names it.
type Lang struct {
	Name  string // canonical -x name; "" is none
	Label string // statistics label
	// Preprocess: directives are obeyed. Compile: the compiler proper runs, as
	// against the assembler alone.
	Preprocess, Compile bool
	CPlus               bool
	Temp                string // extension of its preprocessed text: ".i", ".ii", ...
}

// languages returns the languages that are cached, by -x name.
func languages() map[string]Lang {
	return map[string]Lang{
		"c":                        {"c", "C/C++", true, true, false, ".i"},
		"c++":                      {"c++", "C/C++", true, true, true, ".ii"},
		"objective-c":              {"objective-c", "C/C++", true, true, false, ".mi"},
		"objective-c++":            {"objective-c++", "C/C++", true, true, true, ".mii"},
		"cpp-output":               {"cpp-output", "C/C++", false, true, false, ""},
		"c++-cpp-output":           {"c++-cpp-output", "C/C++", false, true, true, ""},
		"objective-c-cpp-output":   {"objective-c-cpp-output", "C/C++", false, true, false, ""},
		"objective-c++-cpp-output": {"objective-c++-cpp-output", "C/C++", false, true, true, ""},
		"assembler":                {"assembler", "Assembler", false, false, false, ""},
		"assembler-with-cpp":       {"assembler-with-cpp", "Assembler", true, false, false, ".s"},
	}
}

// extensions returns the -x name that a file name's extension stands for. The
// compilers agree on these; a header makes a precompiled header.
func extensions() map[string]string {
	return map[string]string{
		".c":  "c",
		".cc": "c++", ".cp": "c++", ".cxx": "c++", ".cpp": "c++", ".CPP": "c++", ".c++": "c++", ".C": "c++",
		".m": "objective-c", ".mm": "objective-c++", ".M": "objective-c++",
		".i": "cpp-output", ".ii": "c++-cpp-output",
		".mi": "objective-c-cpp-output", ".mii": "objective-c++-cpp-output",
		".s": "assembler", ".S": "assembler-with-cpp", ".sx": "assembler-with-cpp",
		".h": "c-header", ".hh": "c++-header", ".H": "c++-header", ".hp": "c++-header", ".hxx": "c++-header",
		".hpp": "c++-header", ".HPP": "c++-header", ".h++": "c++-header", ".tcc": "c++-header",
	}
}

// langOf returns the -x name for a source file, "" where the extension means an
// object or a library to the driver.
func (d *Dialect) langOf(source string, cplus bool) string {
	name := d.ext[path.Ext(source)]
	if !cplus {
		return name
	}
	switch name { // g++ and clang++ take C for C++
	case "c":
		return "c++"
	case "cpp-output":
		return "c++-cpp-output"
	case "c-header":
		return "c++-header"
	}
	return name
}
