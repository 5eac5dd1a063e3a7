package config

import (
	"strconv"
	"strings"
)

// Error says what is wrong with one key of the file or with one variable. Where
// Load finds more than one, its error wraps them all.
type Error struct {
	File string // of the key; "" for a variable
	Line int    // from 1; 0 where the file as a whole is meant
	Col  int    // in bytes, from 1
	Key  string // dotted key, or name of the variable; "" where there is none
	Text string // what is wrong, and what is allowed; holds no secret
}

// Error returns "file:line:column: key: text", without the parts that are not
// known, in printable characters.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(printable(e.File))
		if e.Line > 0 {
			b.WriteString(":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Col))
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(printable(e.Key) + ": ")
	}
	b.WriteString(printable(e.Text))
	return b.String()
}

// maxShown is how many bytes of a wrong value or name a message repeats.
const maxShown = 80

// shown returns the beginning of s, quoted.
func shown(s string) string {
	if len(s) > maxShown {
		return strconv.Quote(s[:maxShown]) + "..."
	}
	return strconv.Quote(s)
}

// clipped returns s, or its beginning where it is too long for a message.
func clipped(s string) string {
	if len(s) > 2*maxShown {
		return s[:2*maxShown] + "..."
	}
	return s
}

// printable returns s with everything escaped that a terminal would not show as
// it is.
func printable(s string) string {
	q := strconv.Quote(s)
	if q[1:len(q)-1] == s {
		return s
	}
	q = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	return strings.ReplaceAll(q, `\\`, `\`)
}

// origin is the place that a value came from.
type origin struct {
	file      string
	line, col int
	name      string // key or variable
}

func (o origin) error(text string) *Error {
	return &Error{File: o.file, Line: o.line, Col: o.col, Key: o.name, Text: text}
}
