package cfamily

import (
	"bytes"
	"slices"
)

// pieces returns the identifiers of text, each once, that are part of the name of a macro
// of time or of files and not all of it: what "##" could join to one.
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
	// Of a builtin's name the words in lower case are no pieces, but for its end: they are everywhere.
	if len(word) > len("__builtin_FILE") || bytes.IndexByte([]byte("_ABDEFILMPST"), word[0]) < 0 && !bytes.HasSuffix(word, []byte("_FILE")) {
		return false
	}
	for name := range timeBits() {
		if isPart(word, name) {
			return true
		}
	}
	return len(word) > 1 && slices.ContainsFunc(fileNames(), func(name string) bool { return isPart(word, name) })
}

func isPart(word []byte, name string) bool {
	return len(word) < len(name) && bytes.Contains([]byte(name), word)
}

// fileNames are what yields the name of a file as it was called.
func fileNames() []string { return []string{"__FILE__", "__BASE_FILE__", "__builtin_FILE"} }

// maxFilePieces is how many pieces joinsFile allows: "_", as which many a project
// translates its texts, and the "FILE" of stdio.h would do, five of them.
const maxFilePieces = 3

// joinsFile reports whether some of parts make something that yields the name of a file.
func joinsFile(parts map[string]bool) bool {
	return slices.ContainsFunc(fileNames(), func(name string) bool { return joins(name, parts, maxLetters, maxFilePieces) })
}

// maxLetters is how many pieces of one letter joinable allows. More would be found
// among the template parameters of any C++ library, and nobody writes that.
const maxLetters = 1

// joinable reports whether some of parts, each as often as is needed, make the name
// of a macro of time that is none of fixed.
func joinable(parts map[string]bool, fixed Time) bool {
	for name, bit := range timeBits() {
		if fixed&bit == 0 && joins(name, parts, maxLetters, len(name)) {
			return true
		}
	}
	return false
}

// joins reports whether at most so many pieces make rest, of which so many are letters.
func joins(rest string, parts map[string]bool, letters, pieces int) bool {
	if rest == "" {
		return true
	}
	if pieces == 0 {
		return false
	}
	for end := 1; end <= len(rest); end++ {
		left := letters
		if end == 1 && rest[0] != '_' {
			left--
		}
		if left >= 0 && parts[rest[:end]] && joins(rest[end:], parts, left, pieces-1) {
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
