package cfamily

import "bytes"

// lexer walks over C text and stops at directives. Everything between them is
// skipped as fast as comments, strings and raw strings allow.
type lexer struct {
	text []byte
	pos  int
	buf  []byte   // of the directive returned last
	raws [][]byte // bodies of raw strings
}

// directive returns the next directive's logical line: "#" and comments gone,
// continued lines joined. It is valid until the next call.
func (l *lexer) directive() ([]byte, bool) {
	for l.pos < len(l.text) {
		if l.startsDirective() {
			return l.logicalLine(), true
		}
		l.skipLine()
	}
	return nil, false
}

// startsDirective looks past white space and comments for "#" or "%:" and, if
// one is there, moves behind it. Else pos is moved to the first token.
func (l *lexer) startsDirective() bool {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r':
			l.pos++
		case c == 0xef && bytes.HasPrefix(l.text[l.pos:], []byte("\xef\xbb\xbf")):
			l.pos += 3
		case c == '\\' && l.continuation() > 0:
			l.pos += l.continuation()
		case c == '/' && l.blockComment():
		case c == '#':
			l.pos++
			return true
		case c == '%' && l.digraph():
			return true
		default:
			return false
		}
	}
	return false
}

// digraph moves behind "%:", whose halves a continuation may part.
func (l *lexer) digraph() bool {
	p := l.pos
	l.pos++
	for n := l.continuation(); n > 0; n = l.continuation() {
		l.pos += n
	}
	if l.pos < len(l.text) && l.text[l.pos] == ':' {
		l.pos++
		return true
	}
	l.pos = p
	return false
}

// continuation returns the length of a backslash-newline at pos, 0 where there
// is none. White space may stand between the two, as gcc and clang allow.
func (l *lexer) continuation() int {
	if l.pos >= len(l.text) || l.text[l.pos] != '\\' {
		return 0
	}
	for i := l.pos + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\n':
			return i + 1 - l.pos
		case ' ', '\t', '\v', '\f', '\r':
		default:
			return 0
		}
	}
	return 0
}

// after returns the byte behind pos, continuations between them skipped, and
// where the text goes on behind it.
func (l *lexer) after() (c byte, next int) {
	p := l.pos
	defer func() { l.pos = p }()
	l.pos++
	for n := l.continuation(); n > 0; n = l.continuation() {
		l.pos += n
	}
	if l.pos >= len(l.text) {
		return 0, l.pos
	}
	return l.text[l.pos], l.pos + 1
}

// blockComment moves behind a /* comment */ at pos.
func (l *lexer) blockComment() bool {
	c, next := l.after()
	if c != '*' {
		return false
	}
	l.pos = next
	for l.pos < len(l.text) {
		i := bytes.IndexByte(l.text[l.pos:], '*')
		if i < 0 {
			l.pos = len(l.text)
			return true
		}
		l.pos += i
		if c, next := l.after(); c == '/' {
			l.pos = next
			return true
		}
		l.pos++
	}
	return true
}

// lineComment moves to the end of a // comment at pos.
func (l *lexer) lineComment() bool {
	c, next := l.after()
	if c != '/' {
		return false
	}
	l.pos = next
	l.skipToNewline()
	return true
}

// skipToNewline moves to the newline that ends the logical line.
func (l *lexer) skipToNewline() {
	for l.pos < len(l.text) {
		i := bytes.IndexByte(l.text[l.pos:], '\n')
		if i < 0 {
			l.pos = len(l.text)
			return
		}
		l.pos += i
		if !l.continued() {
			return
		}
		l.pos++
	}
}

// continued reports whether the newline at pos is preceded by a backslash.
func (l *lexer) continued() bool {
	for i := l.pos - 1; i >= 0; i-- {
		switch l.text[i] {
		case '\\':
			return true
		case ' ', '\t', '\v', '\f', '\r':
		default:
			return false
		}
	}
	return false
}

// skipLine moves behind the newline of a line that is no directive. Strings
// and comments that span lines are one line.
func (l *lexer) skipLine() {
	for l.pos < len(l.text) {
		switch l.text[l.pos] {
		case '\n':
			l.pos++
			return
		case '"', '\'':
			l.quoted(l.text[l.pos])
		case '/':
			if !l.blockComment() && !l.lineComment() {
				l.pos++
			}
		case '\\':
			if n := l.continuation(); n > 0 {
				l.pos += n
			} else {
				l.pos++
			}
		default:
			l.pos++
		}
	}
}

// quoted moves behind a string or character constant at pos. An unclosed one
// ends with its line, so that a lone apostrophe hides nothing.
func (l *lexer) quoted(quote byte) {
	if quote == '"' && l.rawPrefix() {
		l.rawString()
		return
	}
	if quote == '\'' && l.inNumber() {
		l.pos++
		return
	}
	for l.pos++; l.pos < len(l.text); {
		switch l.text[l.pos] {
		case quote:
			l.pos++
			return
		case '\n':
			return
		case '\\':
			if n := l.continuation(); n > 0 {
				l.pos += n
			} else {
				l.pos += 2
			}
		default:
			l.pos++
		}
	}
	l.pos = min(l.pos, len(l.text))
}

// inNumber reports whether the apostrophe at pos parts the digits of a number,
// as in 1'000.
func (l *lexer) inNumber() bool {
	i := l.pos
	for i > 0 && (isWord(l.text[i-1]) || l.text[i-1] == '.' || l.text[i-1] == '\'') {
		i--
	}
	return i < l.pos && l.text[i] >= '0' && l.text[i] <= '9'
}

// rawPrefix reports whether the quote at pos opens a raw string: R, u8R, LR...
func (l *lexer) rawPrefix() bool {
	i := l.pos - 1
	if i < 0 || l.text[i] != 'R' {
		return false
	}
	for i > 0 && isWord(l.text[i-1]) {
		i--
	}
	switch string(l.text[i:l.pos]) {
	case "R", "LR", "uR", "UR", "u8R":
		return true
	}
	return false
}

// rawString moves behind a raw string whose quote is at pos. Where the language
// has none, R is a macro before a string: what a raw string would swallow is
// kept in raws, to be read as lines too.
func (l *lexer) rawString() {
	open := bytes.IndexByte(l.text[l.pos:], '(')
	if open < 0 || open > 17 || bytes.ContainsAny(l.text[l.pos+1:l.pos+open], " )\\\t\v\f\n\"") {
		l.pos++
		return
	}
	mark := append([]byte{')'}, l.text[l.pos+1:l.pos+open]...)
	mark = append(mark, '"')
	body := l.pos + open + 1
	end := bytes.Index(l.text[body:], mark)
	if end < 0 {
		l.pos = body
		return
	}
	l.raws = append(l.raws, l.text[body:body+end])
	l.pos = body + end + len(mark)
}

// logicalLine returns the rest of a directive and moves behind its newline.
func (l *lexer) logicalLine() []byte {
	l.buf = l.buf[:0]
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case c == '\n':
			l.pos++
			return l.buf
		case c == '\\' && l.continuation() > 0:
			l.pos += l.continuation()
		case c == '/' && l.blockComment():
			l.buf = append(l.buf, ' ')
		case c == '/' && !inAngle(l.buf) && l.lineComment():
		case c == '"' || c == '\'':
			start := l.pos
			l.quoted(c)
			l.buf = append(l.buf, l.text[start:l.pos]...)
		default:
			l.buf = append(l.buf, c)
			l.pos++
		}
	}
	return l.buf
}

// inAngle reports whether an include name in angle brackets is still open, where
// "//" is part of a path.
func inAngle(line []byte) bool {
	i := bytes.LastIndexByte(line, '<')
	return i >= 0 && bytes.IndexByte(line[i:], '>') < 0 && bytes.Contains(line[:i], []byte("include"))
}

// withoutComments returns text with each comment replaced by a space.
func withoutComments(text []byte) []byte {
	l := lexer{text: text}
	out := make([]byte, 0, len(text))
	for l.pos < len(text) {
		start := l.pos
		switch c := text[start]; {
		case c == '/' && (l.blockComment() || l.lineComment()):
			out = append(out, ' ')
			continue
		case c == '"' || c == '\'':
			l.quoted(c)
		default:
			l.pos++
		}
		out = append(out, text[start:l.pos]...)
	}
	return out
}
