package cfamily

import (
	"bytes"
	"slices"
)

// pieces returns the identifiers of text, each once, that are part of a macro of
// time's name and not all of it: what "##" could join to one.
func pieces(text []byte) []string {
	var out []string
	for i := 0; i < len(text); {
		if !isWord(text[i]) {
			i++
			continue
		}
		start := i
		for i < len(text) && isWord(text[i]) {
			i++
		}
		if word := text[start:i]; isPiece(word) && !slices.Contains(out, string(word)) {
			out = append(out, string(word))
		}
	}
	return out
}

func isPiece(word []byte) bool {
	if len(word) > len("__TIMESTAMP__") || bytes.IndexByte([]byte("_ADEIMPST"), word[0]) < 0 {
		return false
	}
	for name := range timeBits() {
		if len(word) < len(name) && bytes.Contains([]byte(name), word) {
			return true
		}
	}
	return false
}

// maxLetters is how many pieces of one letter joinable allows. More would be found
// among the template parameters of any C++ library, and nobody writes that.
const maxLetters = 1

// joinable reports whether some of parts, each as often as is needed, make the name
// of a macro of time that is none of fixed.
func joinable(parts map[string]bool, fixed Time) bool {
	for name, bit := range timeBits() {
		if fixed&bit == 0 && joins(name, parts, maxLetters) {
			return true
		}
	}
	return false
}

func joins(rest string, parts map[string]bool, letters int) bool {
	if rest == "" {
		return true
	}
	for end := 1; end <= len(rest); end++ {
		left := letters
		if end == 1 && rest[0] != '_' {
			left--
		}
		if left >= 0 && parts[rest[:end]] && joins(rest[end:], parts, left) {
			return true
		}
	}
	return false
}

// pastes reports whether text joins tokens: "##" or its digraph.
func pastes(text []byte) bool {
	return bytes.Contains(text, []byte("##")) || bytes.Contains(text, []byte("%:%:")) ||
		bytes.Contains(text, []byte("#%:")) || bytes.Contains(text, []byte("%:#"))
}

// spliced returns text with its continued lines joined, as a preprocessor sees it
// outside raw strings, and whether there were any.
func spliced(text []byte) ([]byte, bool) {
	if !bytes.Contains(text, []byte("\\")) {
		return text, false
	}
	l := lexer{text: text}
	var out []byte
	from := 0
	for {
		i := bytes.IndexByte(text[l.pos:], '\\')
		if i < 0 {
			break
		}
		l.pos += i
		if n := l.continuation(); n > 0 {
			out = append(out, text[from:l.pos]...)
			l.pos += n
			from = l.pos
		} else {
			l.pos++
		}
	}
	if from == 0 {
		return text, false
	}
	return append(out, text[from:]...), true
}
