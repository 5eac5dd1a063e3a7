package cfamily

import (
	"bytes"
	"strings"
)

// MoveDeps returns a dependency file with move applied to its words: those of its
// first rule, which write lays out, and the lines that follow it. It returns false
// where write would not have laid the file out as it is.
func MoveDeps(text []byte, move func([]byte) []byte, write func(b *strings.Builder, targets, deps []string)) ([]byte, bool) {
	targets, deps, rest, ok := splitDeps(text)
	if !ok {
		return nil, false
	}
	var was strings.Builder
	write(&was, targets, deps)
	if was.String()+rest != string(text) {
		return nil, false
	}
	for _, list := range [][]string{targets, deps} {
		for i, w := range list {
			list[i] = string(move([]byte(w)))
		}
	}
	var now strings.Builder
	write(&now, targets, deps)
	return append([]byte(now.String()), move([]byte(rest))...), true
}

// splitDeps takes the first rule of a dependency file apart.
func splitDeps(text []byte) (targets, deps []string, rest string, ok bool) {
	end := 0
	for {
		i := bytes.IndexByte(text[end:], '\n')
		if i < 0 {
			return nil, nil, "", false
		}
		end += i + 1
		if end < 2 || text[end-2] != '\\' {
			break
		}
	}
	words := strings.Fields(strings.ReplaceAll(string(text[:end]), "\\\n", " "))
	for i, w := range words {
		if name, last := strings.CutSuffix(w, ":"); last {
			return append(words[:i:i], name), words[i+1:], string(text[end:]), true
		}
	}
	return nil, nil, "", false
}
