package cfamily

import (
	"bytes"
	"os"
	"path"
	"slices"

	"github.com/cachepot/cachepot/internal/compiler"
)

// wrapped claims the names that are handed to __has_include by way of macros
// ("#define HAS(x) __has_include(x)"): the operands, in all files, of the macros
// that wrap it. One that is not literal makes the call unclear.
func (c *Claims) wrapped() error {
	var macros []string
	for _, s := range c.files {
		macros = append(macros, s.Wrappers...)
	}
	if len(macros) == 0 {
		return nil
	}
	slices.Sort(macros)
	macros = slices.Compact(macros)
	for p := range c.files {
		text, err := os.ReadFile(c.call.At(p))
		if err != nil {
			return compiler.NotCacheable("header vanished")
		}
		for _, name := range macros {
			if !c.uses(text, name, path.Dir(p)) {
				return compiler.NotCacheable(unclearHas)
			}
		}
	}
	return nil
}

// uses claims the operands of a wrapper in a text that lies in directory here.
// It reports whether all of them are literal.
func (c *Claims) uses(text []byte, wrapper, here string) bool {
	if !bytes.Contains(text, []byte(wrapper)) {
		return true
	}
	l := lexer{text: text}
	for line, ok := l.directive(); ok; line, ok = l.directive() {
		word, rest := cutWord(line)
		switch string(word) {
		case "define":
			_, rest = cutMacro(rest)
		case "if", "elif":
		default:
			continue
		}
		for _, operand := range operands(rest, wrapper) {
			name, angle, ok := literal(operand)
			if !ok {
				return false
			}
			before := here
			if angle {
				before = ""
			}
			c.look(name, before, false, false)
		}
	}
	return true
}

// operands returns what follows the opening parenthesis of each use of a macro
// in text; nothing, which is no name, where it is named without one. The operand
// of "defined" is no use.
func operands(text []byte, macro string) [][]byte {
	var out [][]byte
	for start := 0; ; {
		i := bytes.Index(text[start:], []byte(macro))
		if i < 0 {
			return out
		}
		i += start
		end := i + len(macro)
		start = end
		if i > 0 && isWord(text[i-1]) || end < len(text) && isWord(text[end]) {
			continue
		}
		before := bytes.TrimRight(text[:i], " \t(")
		if bytes.HasSuffix(before, []byte("defined")) {
			continue
		}
		rest := bytes.TrimLeft(text[end:], " \t")
		if len(rest) == 0 || rest[0] != '(' {
			out = append(out, nil)
			continue
		}
		out = append(out, rest[1:])
	}
}
