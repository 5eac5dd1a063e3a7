package rustc

import (
	"bytes"
	"os"
	"slices"
)

// OUT_DIR is asked for by its value, which is a path, and mostly leads to a file that is
// included and no further. Then what rustc makes does not depend on it.

// leading returns those of the variables that only lead to files. libraries are the crates
// that were found for the call.
func leading(dir string, deps *depInfo, libraries []string) []string {
	if slices.Contains(deps.env, "OUT_DIR") && leadsOnly(dir, deps.files) && !slices.ContainsFunc(libraries, speaksOfOutDir) {
		return []string{"OUT_DIR"}
	}
	return nil
}

// leadsOnly reports whether the sources use OUT_DIR for nothing but the names of files
// that they include.
func leadsOnly(dir string, files []string) bool {
	found := false
	for _, f := range files {
		text, err := os.ReadFile(under(dir, f))
		if err != nil {
			return false
		}
		toks := lex(text)
		for i := range toks {
			switch leads(toks, i) {
			case toFile:
				found = true
			case anywhere:
				return false
			}
		}
	}
	return found
}

// lead is what becomes of a variable's value.
type lead byte

const (
	nowhere  lead = iota
	toFile        // it begins the name of a file that is included
	anywhere      // it may become anything
)

// leads tells what a token does with OUT_DIR.
func leads(toks []token, i int) lead {
	switch t := toks[i]; {
	case t.kind == tokString && t.text == "OUT_DIR":
		if !opens(toks, i-1) || !ident(toks, i-3, "env") {
			return anywhere
		}
		if includes(toks, beforePath(toks, i-3)) {
			return toFile
		}
		return anywhere
	case ident(toks, i, "env", "option_env") && is(toks, i+1, "!"):
		if !opens(toks, i+2) || i+3 >= len(toks) || toks[i+3].kind != tokString {
			return anywhere // the name may be put together
		}
	case ident(toks, i, "env", "option_env", "concat", "include", "include_str", "include_bytes"):
		if ident(toks, i+1, "as") || ident(toks, i-2, "macro_rules") {
			return anywhere
		}
	case t.kind == tokPunct && t.text == "$" && is(toks, i+2, "!") && opens(toks, i+3):
		return anywhere // a macro whose name is a parameter
	}
	return nowhere
}

// includes reports whether what follows token i begins the name of a file that is included.
func includes(toks []token, i int) bool {
	if !opens(toks, i) || !is(toks, i-1, "!") || !ident(toks, i-2, "concat") {
		return false
	}
	i = beforePath(toks, i-2)
	return opens(toks, i) && is(toks, i-1, "!") && ident(toks, i-2, "include", "include_str", "include_bytes")
}

// beforePath returns the number of the token before the name i and what qualifies it.
func beforePath(toks []token, i int) int {
	for is(toks, i-1, ":") && is(toks, i-2, ":") {
		i -= 2
		if ident(toks, i-1, "core", "std") {
			i--
		}
	}
	return i - 1
}

func ident(toks []token, i int, names ...string) bool {
	return i >= 0 && i < len(toks) && toks[i].kind == tokIdent && slices.Contains(names, toks[i].text)
}

// opens reports whether token i is the first of a macro's arguments.
func opens(toks []token, i int) bool {
	return is(toks, i, "(") || is(toks, i, "[") || is(toks, i, "{")
}

// speaksOfOutDir reports whether a library may have macros that ask for OUT_DIR where they
// are used.
func speaksOfOutDir(library string) bool {
	content, err := os.ReadFile(library)
	return err != nil || hasWord(content, "OUT_DIR")
}

// hasWord reports whether metadata has a string that is word and no more. Documentation,
// which is there too, has other text around it.
func hasWord(metadata []byte, word string) bool {
	isText := func(at int) bool {
		return at >= 0 && at < len(metadata) && (metadata[at] >= ' ' && metadata[at] < 0x7f || metadata[at] == '\n')
	}
	for at := 0; ; {
		i := bytes.Index(metadata[at:], []byte(word))
		if i < 0 {
			return false
		}
		i += at
		if at = i + len(word); !isText(i-1) && !isText(at) {
			return true
		}
	}
}
