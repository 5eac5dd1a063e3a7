package cfamily

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

var errDepFile = errors.New("dependency file without a rule")

// ReadDepFile returns the prerequisites of the first rule in a side file, a dependency
// file that gcc, clang or GNU as wrote.
func ReadDepFile(seen *compiler.Observed, name string) ([]string, error) {
	text, err := seen.ReadSide(name, os.ReadFile)
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	return ParseDeps(string(text))
}

// ParseDeps reads the first rule of a makefile as compilers write it:
//
//	rule  = target ":" (blank word)* newline
//	blank = " " | "\" newline " "*
//	word  = (plain | "\" space | "\#" | "$$")+
//
// The target runs to the first colon that a blank or the end of the line
// follows. Where backslashes stand before a space, half of them are meant.
func ParseDeps(text string) ([]string, error) {
	i := 0
	for {
		j := strings.IndexByte(text[i:], ':')
		if j < 0 {
			return nil, errDepFile
		}
		i += j + 1
		if i == len(text) || text[i] == ' ' || text[i] == '\n' || strings.HasPrefix(text[i:], "\\\n") {
			break
		}
	}
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	for i < len(text) && text[i] != '\n' {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			flush()
			i++
		case c == '\\' && strings.HasPrefix(text[i:], "\\\n"):
			flush()
			i += 2
		case c == '\\':
			i += backslashes(text[i:], &word)
		case c == '$' && strings.HasPrefix(text[i:], "$$"):
			word.WriteByte('$')
			i += 2
		default:
			word.WriteByte(c)
			i++
		}
	}
	flush()
	return words, nil
}

// backslashes writes what a run of backslashes at the start of text stands for
// and returns how much of text that is.
func backslashes(text string, word *strings.Builder) int {
	n := 0
	for n < len(text) && text[n] == '\\' {
		n++
	}
	if n == len(text) {
		word.WriteString(text)
		return n
	}
	switch text[n] {
	case ' ', '\t':
		word.WriteString(strings.Repeat("\\", n/2))
		if n%2 == 0 {
			return n // the space ends the word
		}
		word.WriteByte(text[n])
		return n + 1
	case '#':
		word.WriteString(strings.Repeat("\\", n-1))
		word.WriteByte('#')
		return n + 1
	case '\n':
		word.WriteString(strings.Repeat("\\", n-1))
		return n - 1
	}
	word.WriteString(strings.Repeat("\\", n))
	return n
}
