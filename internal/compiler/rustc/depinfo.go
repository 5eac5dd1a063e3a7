package rustc

import (
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// A dependency list, as rustc writes it, is
//
//	list   = rule* phony* envs
//	rule   = output ": " file (" " file)* "\n\n"    ; the files are the same in all rules
//	phony  = file ":\n"
//	envs   = ("\n" env+)?
//	env    = "# env-dep:" name ["=" value] "\n"     ; no "=": the variable was not set
//
// In a file, a space is written "\ "; nothing else is escaped.
type depInfo struct {
	files []string // in order, as spelled
	env   []string // names that env! and option_env! asked for
}

// parseDepInfo reads a dependency list. Names that its writer cannot express
// (with a line break, a backslash) make it inconsistent or ambiguous and are
// refused.
func parseDepInfo(text string) (*depInfo, error) {
	d := &depInfo{}
	var phony []string
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
		case strings.HasPrefix(line, "# env-dep:"):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "# env-dep:"), "=")
			if name == "" || strings.ContainsRune(name, '\\') {
				return nil, errDepInfo()
			}
			d.env = append(d.env, name)
		case strings.HasPrefix(line, "#"):
			return nil, errDepInfo()
		case strings.HasSuffix(line, ":"):
			phony = append(phony, strings.TrimSuffix(line, ":"))
		default:
			files, err := ruleFiles(line)
			if err != nil || d.files != nil && strings.Join(files, "\n") != strings.Join(d.files, "\n") {
				return nil, errDepInfo()
			}
			d.files = files
		}
	}
	for i, p := range phony {
		name, err := unescape(p)
		if err != nil {
			return nil, err
		}
		phony[i] = name
	}
	if len(d.files) == 0 || strings.Join(phony, "\n") != strings.Join(d.files, "\n") {
		return nil, errDepInfo()
	}
	return d, nil
}

// ruleFiles returns the files of a rule: what follows the first ": ". A target
// that holds those two characters itself yields other files than the phony
// rules, and is refused for that.
func ruleFiles(line string) ([]string, error) {
	_, list, ok := strings.Cut(line, ": ")
	if !ok {
		return nil, errDepInfo()
	}
	var files []string
	start := 0
	for i := 0; i <= len(list); i++ {
		if i < len(list) && (list[i] != ' ' || i > 0 && list[i-1] == '\\') {
			continue
		}
		name, err := unescape(list[start:i])
		if err != nil {
			return nil, err
		}
		files = append(files, name)
		start = i + 1
	}
	return files, nil
}

func unescape(s string) (string, error) {
	s = strings.ReplaceAll(s, `\ `, " ")
	if s == "" || strings.ContainsRune(s, '\\') {
		return "", errDepInfo()
	}
	return s, nil
}

func errDepInfo() error { return compiler.NotCacheable("dep-info not understood") }
