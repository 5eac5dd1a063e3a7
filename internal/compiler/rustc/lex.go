package rustc

import "strings"

// A token of Rust, coarse: enough to tell code from comments and strings.
type token struct {
	kind tokenKind
	text string // of a string: its contents, escapes as they are
}

type tokenKind byte

const (
	tokPunct  tokenKind = iota // one character
	tokIdent                   // identifier, keyword; r#x is x
	tokString                  // string literal without escapes
	tokOther                   // number, character, lifetime, string with escapes
)

// lex splits src into tokens. What is not Rust yields some tokens or other.
func lex(src []byte) []token {
	var toks []token
	s := string(src)
	for i := 0; i < len(s); {
		n, t := next(s[i:])
		if t != nil {
			toks = append(toks, *t)
		}
		i += n
	}
	return toks
}

// next returns the length of what begins s, and its token if it is one.
func next(s string) (int, *token) {
	switch c := s[0]; {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		return 1, nil
	case strings.HasPrefix(s, "//"):
		n := strings.IndexByte(s, '\n')
		if n < 0 {
			n = len(s)
		}
		return n, nil
	case strings.HasPrefix(s, "/*"):
		return blockComment(s), nil
	case c == '"':
		return quoted(s)
	case c == '\'':
		return character(s)
	case identByte(c):
		return word(s)
	default:
		return 1, &token{tokPunct, s[:1]}
	}
}

// blockComment returns the length of the comment that begins s; they nest.
func blockComment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); {
		switch s[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// quoted reads a string literal from its first quotation mark on.
func quoted(s string) (int, *token) {
	kind := tokString
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			kind = tokOther
			i++
		case '"':
			return i + 1, &token{kind, s[1:i]}
		}
	}
	return len(s), nil
}

// raw reads a raw string from its number signs or quotation mark on; ok is false
// when it is none.
func raw(s string) (n int, t *token, ok bool) {
	hashes := len(s) - len(strings.TrimLeft(s, "#"))
	if hashes == len(s) || s[hashes] != '"' {
		return 0, nil, false
	}
	body := s[hashes+1:]
	end := strings.Index(body, `"`+s[:hashes])
	if end < 0 {
		return len(s), nil, true
	}
	return hashes + 1 + end + 1 + hashes, &token{tokString, body[:end]}, true
}

// character reads a character literal or a lifetime.
func character(s string) (int, *token) {
	t := &token{kind: tokOther}
	if len(s) > 2 && s[1] == '\\' {
		if end := strings.IndexByte(s[3:], '\''); end >= 0 {
			return 3 + end + 1, t
		}
		return len(s), t
	}
	for i, r := range s[1:] {
		if i > 0 {
			if r == '\'' {
				return 1 + i + 1, t
			}
			break
		}
	}
	n := 1
	for n < len(s) && identByte(s[n]) {
		n++
	}
	return n, t
}

// word reads an identifier, a number, or a literal that begins like one.
func word(s string) (int, *token) {
	n := 1
	for n < len(s) && identByte(s[n]) {
		n++
	}
	id, rest := s[:n], s[n:]
	switch id {
	case "r", "br", "cr":
		if m, t, ok := raw(rest); ok {
			return n + m, t
		}
		if id == "r" && len(rest) > 1 && rest[0] == '#' && identByte(rest[1]) {
			m, t := word(rest[1:])
			return n + 1 + m, t
		}
	case "b", "c":
		if strings.HasPrefix(rest, `"`) {
			m, t := quoted(rest)
			return n + m, t
		}
		if id == "b" && strings.HasPrefix(rest, "'") {
			m, t := character(rest)
			return n + m, t
		}
	}
	if id[0] >= '0' && id[0] <= '9' {
		return n, &token{kind: tokOther}
	}
	return n, &token{tokIdent, id}
}

func identByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}
