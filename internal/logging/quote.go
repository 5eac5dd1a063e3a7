package logging

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxField is the number of bytes of one field that are printed. It holds a long
// path (PATH_MAX is 4096) and keeps a hostile one from filling the disk.
const maxField = 4096

// quote returns s as one word: as it is where that is unmistakable, and in Go's
// double-quoted form where s is empty or holds a blank, a quote, an equals sign
// or anything that a terminal would not show as it is. What is beyond maxField
// is counted instead of printed.
func quote(s string) string {
	return quoteExcept(s, "\"=\\ ")
}

// quoteText is quote for the text of an event, where blanks are usual.
func quoteText(s string) string {
	return quoteExcept(s, "\"=\\")
}

func quoteExcept(s, special string) string {
	cut := 0
	if len(s) > maxField {
		head := cutRune(s, maxField)
		cut, s = len(s)-len(head), head
	}
	if s == "" || cut > 0 || strings.ContainsAny(s, special) || !isPrint(s) {
		s = strconv.Quote(s)
	}
	if cut > 0 {
		s += "...(" + strconv.Itoa(cut) + " bytes more)"
	}
	return s
}

// cutRune returns the first n bytes of s, or up to three fewer so that no
// character is cut in two.
func cutRune(s string, n int) string {
	for back := range utf8.UTFMax {
		if utf8.RuneStart(s[n-back]) {
			return s[:n-back]
		}
	}
	return s[:n] // no UTF-8 anyway
}

// isPrint reports whether s is valid UTF-8 of characters that are visible or a
// plain blank: no control characters, no changes of writing direction.
func isPrint(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
