package cfamily

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

const (
	// maxArgs bounds the expanded command line, in bytes: the compiler is run
	// with it, and the kernel allows a quarter of the stack limit (2 MiB by
	// default) for arguments and environment together.
	maxArgs = 512 << 10
	// maxResponses stops files that name themselves; libiberty stops at 2000.
	maxResponses = 2000
)

// expand replaces every @file by the arguments in it, as libiberty's
// expandargv and LLVM's GNU tokenizer do: names are relative to dir at every
// depth, and an @file that cannot be opened is an ordinary argument.
func expand(args []string, dir string) ([]string, error) {
	size, files := 0, 0
	var out []string
	queue := append([]string(nil), args...)
	for len(queue) > 0 {
		arg := queue[0]
		queue = queue[1:]
		if len(arg) > 1 && arg[0] == '@' {
			inner, found, err := readResponse(arg[1:], dir)
			if err != nil {
				return nil, err
			}
			if found {
				if files++; files > maxResponses {
					return nil, compiler.NotCacheable("response files nested too deeply")
				}
				queue = append(inner, queue...)
				continue
			}
		}
		if size += len(arg) + 1; size > maxArgs && files > 0 {
			return nil, compiler.NotCacheable("response file too large")
		}
		out = append(out, arg)
	}
	return out, nil
}

func readResponse(name, dir string) (args []string, found bool, err error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, false, compiler.NotCacheable("unreadable response file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, false, compiler.NotCacheable("unreadable response file")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxArgs+1))
	if err != nil {
		return nil, false, compiler.NotCacheable("unreadable response file")
	}
	if len(text) > maxArgs {
		return nil, false, compiler.NotCacheable("response file too large")
	}
	args, ok := tokenize(string(text))
	if !ok {
		return nil, false, compiler.NotCacheable("ambiguous response file")
	}
	return args, true, nil
}

// tokenize splits the text of a response file:
//
//	text  = space* (word space+)*
//	word  = (plain | "\" any | "'" (quoted)* "'" | '"' (quoted)* '"')+
//	quoted = "\" any | any other than the closing quote
//
// ok is false where the two compilers read the text differently: a backslash or
// an open quote at the end, an empty word, a NUL, vertical tab or form feed.
func tokenize(text string) (args []string, ok bool) {
	var word strings.Builder
	inWord := false
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == 0 || c == '\v' || c == '\f':
			return nil, false
		case c == '\\':
			if i++; i == len(text) {
				return nil, false
			}
			word.WriteByte(text[i])
			inWord = true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if !inWord {
				continue
			}
			if word.Len() == 0 {
				return nil, false
			}
			args = append(args, word.String())
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		if word.Len() == 0 {
			return nil, false
		}
		args = append(args, word.String())
	}
	return args, quote == 0
}
