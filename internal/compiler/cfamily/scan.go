package cfamily

import (
	"bytes"
	"slices"
)

// Scan is what the text of a file can make a preprocessor look for, whatever
// its conditionals say. It may name more than a compile looks for, never less.
type Scan struct {
	Quote []string // names in #include "...", __has_include("..."), #import, #embed
	Angle []string // names in <...>
	// Next are the names of #include_next and __has_include_next, which are
	// looked for behind the directory of the file itself.
	Next []string
	// Lines are names in #line and linemarkers: gcc opens them to quote source
	// lines in diagnostics.
	Lines []string
	// Computed are the macros that #include takes its name from, "" for more
	// than a single identifier.
	Computed []string
	// Wrappers are macros of one parameter that they hand to __has_include.
	Wrappers []string
	// Unclear is why the file defies these rules, "" where it does not.
	Unclear string
	Time    Time
	// Once: the file, or one that it imports, is read once however often it is
	// included, where "the same file" is decided by more than its content.
	Once bool
	// File: the text speaks of the name that it is compiled under.
	File bool
	// Pieces are identifiers that "##" could join to a macro of time or of files; Paste
	// tells that the text uses it.
	Pieces []string
	Paste  bool
}

// The reasons of Unclear.
const (
	unclearHas      = "__has_include with a computed name"
	unclearTrigraph = "trigraphs"
	unclearPCH      = "#pragma GCC pch_preprocess"
	unclearMtime    = "#pragma GCC dependency"
)

// ScanText reads a source or header. It knows comments, strings, raw strings,
// character constants, line continuations, digraphs and _Pragma; text that
// depends on trigraphs is reported as unclear.
func ScanText(text []byte) *Scan {
	s := &Scan{}
	if bytes.Contains(text, []byte("??=")) || bytes.Contains(text, []byte("??/")) {
		s.Unclear = unclearTrigraph
	}
	s.lines(text, true)
	joined, continued := spliced(text)
	if continued { // a word may be continued on the next line
		s.merge(joined)
	}
	if s.Time = timeMacros(joined); s.Time != 0 {
		s.Time = timeMacros(withoutComments(joined)) // system headers speak of them
	}
	if s.File = fileMacros(joined); s.File {
		s.File = fileMacros(withoutComments(joined))
	}
	if s.Pieces, s.Paste = pieces(joined), pastes(joined); len(s.Pieces) > 0 {
		s.Pieces = pieces(withoutComments(joined)) // prose is full of such words
	}
	s.Once = s.Once || bytes.Contains(joined, []byte("_Pragma")) && bytes.Contains(joined, []byte("once"))
	if bytes.Contains(text, []byte("pch_preprocess")) {
		s.unclear(unclearPCH)
	}
	if bytes.Contains(text, []byte("_Pragma")) && bytes.Contains(text, []byte("GCC dependency")) {
		s.unclear(unclearMtime)
	}
	return s
}

// fileMacros reports whether text has what yields the name of a file as it was
// called, or half of such a name that ## could join, or what an assertion of the
// library's hands that name to, and may make a macro of.
func fileMacros(text []byte) bool {
	for _, name := range []string{"FILE__", "BASE_FILE__", "__BASE_FILE", "__builtin_FILE", "source_location", "builtin_source_location", "__assert_fail", "__glibcxx_assert_fail"} {
		if hasToken(text, name) {
			return true
		}
	}
	return pastes(text) && hasToken(text, "__FILE") // which glibc has for a type
}

// merge adds what other, a form of the same text, has besides.
func (s *Scan) merge(text []byte) {
	o := &Scan{}
	o.lines(text, true)
	for _, l := range []struct{ dst, src *[]string }{
		{&s.Quote, &o.Quote}, {&s.Angle, &o.Angle}, {&s.Next, &o.Next},
		{&s.Lines, &o.Lines}, {&s.Computed, &o.Computed}, {&s.Wrappers, &o.Wrappers},
	} {
		for _, name := range *l.src {
			if !slices.Contains(*l.dst, name) {
				*l.dst = append(*l.dst, name)
			}
		}
	}
	s.unclear(o.Unclear)
	s.Once = s.Once || o.Once
}

// lines takes in all directives of text and, once, those in its raw strings.
func (s *Scan) lines(text []byte, raws bool) {
	l := lexer{text: text}
	for {
		line, ok := l.directive()
		if !ok {
			break
		}
		s.directive(line)
	}
	if !raws {
		return
	}
	for _, body := range l.raws {
		s.lines(body, false)
	}
}

// directive takes in one logical line, without its "#" and comments.
func (s *Scan) directive(line []byte) {
	word, rest := cutWord(line)
	switch string(word) {
	case "include", "import", "embed":
		s.Once = s.Once || string(word) == "import"
		s.include(rest, false)
	case "include_next":
		s.include(rest, true)
	case "if", "elif":
		s.hasInclude(rest, macro{})
	case "define":
		m, body := cutMacro(rest)
		s.hasInclude(body, m)
	case "line":
		s.line(rest)
	case "pragma":
		s.pragma(rest)
	case "":
		s.line(line)
	}
}

func (s *Scan) include(rest []byte, next bool) {
	name, angle, ok := literal(rest)
	if !ok {
		s.Computed = append(s.Computed, lone(rest))
		return
	}
	s.add(name, angle, next)
}

// lone returns text where it is one identifier, else "".
func lone(text []byte) string {
	word, rest := cutWord(text)
	if len(bytes.TrimSpace(rest)) > 0 {
		return ""
	}
	return string(word)
}

func (s *Scan) add(name string, angle, next bool) {
	switch {
	case next:
		s.Next = append(s.Next, name)
		fallthrough // the first directory's own file falls back to a plain search
	case angle:
		s.Angle = append(s.Angle, name)
	default:
		s.Quote = append(s.Quote, name)
	}
	if next && !angle {
		s.Quote = append(s.Quote, name)
	}
}

// macro is the head of a definition.
type macro struct {
	name  string
	param string // of a function-like macro with one parameter
}

// cutMacro takes the head of a definition off the text behind "define".
func cutMacro(text []byte) (m macro, body []byte) {
	name, body := cutWord(text)
	m.name = string(name)
	if len(body) == 0 || body[0] != '(' {
		return m, body
	}
	if end := bytes.IndexByte(body, ')'); end > 0 {
		m.param = lone(body[1:end])
		body = body[end+1:]
	}
	return m, body
}

// hasInclude finds __has_include and its kin in a condition or in the body of
// macro m.
func (s *Scan) hasInclude(text []byte, m macro) {
	for {
		i := bytes.Index(text, []byte("__has_"))
		if i < 0 {
			return
		}
		before := bytes.TrimRight(text[:i], " \t(")
		word, rest := cutWord(text[i:])
		text = rest
		next := false
		switch string(word) {
		case "__has_include", "__has_include__", "__has_embed":
		case "__has_include_next", "__has_include_next__":
			next = true
		default:
			continue
		}
		open := bytes.TrimLeft(rest, " \t")
		if len(open) == 0 || open[0] != '(' {
			if m.name != "" && !bytes.HasSuffix(before, []byte("defined")) {
				s.unclear(unclearHas) // an alias of the operator
			}
			continue
		}
		name, angle, ok := literal(open[1:])
		switch {
		case ok:
			s.add(name, angle, next)
		case m.param != "" && !next && operand(open[1:]) == m.param:
			s.Wrappers = append(s.Wrappers, m.name)
		default:
			s.unclear(unclearHas)
		}
	}
}

// operand returns the identifier that is all there is before a closing
// parenthesis, else "".
func operand(text []byte) string {
	end := bytes.IndexByte(text, ')')
	if end < 0 {
		return ""
	}
	return lone(text[:end])
}

func (s *Scan) unclear(why string) {
	if s.Unclear == "" {
		s.Unclear = why
	}
}

// line takes in "#line N "file"" and "# N "file" flags".
func (s *Scan) line(rest []byte) {
	i := bytes.IndexByte(rest, '"')
	if i < 0 {
		return
	}
	var name []byte
	for rest = rest[i+1:]; len(rest) > 0 && rest[0] != '"'; rest = rest[1:] {
		if rest[0] == '\\' && len(rest) > 1 {
			rest = rest[1:]
		}
		name = append(name, rest[0])
	}
	if len(name) > 0 && name[0] != '<' {
		s.Lines = append(s.Lines, string(name))
	}
}

func (s *Scan) pragma(rest []byte) {
	space, rest := cutWord(rest)
	s.Once = s.Once || string(space) == "once"
	if string(space) != "GCC" {
		return
	}
	if what, _ := cutWord(rest); string(what) == "dependency" {
		s.unclear(unclearMtime)
	}
}

// literal reads <name> or "name" at the start of text.
func literal(text []byte) (name string, angle, ok bool) {
	text = bytes.TrimLeft(text, " \t\v\f")
	if len(text) == 0 {
		return "", false, false
	}
	var end int
	switch text[0] {
	case '<':
		angle = true
		end = bytes.IndexByte(text[1:], '>')
	case '"':
		end = bytes.IndexByte(text[1:], '"')
	default:
		return "", false, false
	}
	if end <= 0 {
		return "", angle, false
	}
	return string(text[1 : 1+end]), angle, true
}

// cutWord takes an identifier off text, after white space.
func cutWord(text []byte) (word, rest []byte) {
	text = bytes.TrimLeft(text, " \t\v\f")
	i := 0
	for i < len(text) && isWord(text[i]) && (i > 0 || text[0] < '0' || text[0] > '9') {
		i++
	}
	return text[:i], text[i:]
}
