package logging

import (
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
)

// LevelTrace is the level below slog.LevelDebug.
const LevelTrace = slog.LevelDebug - 4

// levelOff is above every level that an event can have.
const levelOff = slog.Level(math.MaxInt)

// Filter says which events are printed. The zero Filter prints warnings and
// errors of every target.
//
// Its text is
//
//	filter    = [ directive *( "," directive ) ]
//	directive = level | target | target "=" level
//	target    = name *( "::" name )
//	name      = 1*( letter | digit | "_" | "-" )
//	level     = "off" | "error" | "warn" | "info" | "debug" | "trace"
//
// with blanks around each part allowed, empty directives skipped and levels in
// any case. A level alone is for every target; a target alone is at trace. A
// directive is for its target and all below it. Of those that fit an event the
// one with the longest target counts, of equally long ones the last; where none
// fits, nothing is printed.
type Filter struct {
	directives []directive
}

type directive struct {
	target string // "" is every target
	level  slog.Level
}

// ParseFilter reads the text of a filter. A bad directive is left out and
// described by one of the errors; the filter is usable in any case.
func ParseFilter(text string) (Filter, []error) {
	var f Filter
	var bad []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		d, err := parseDirective(part)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		f.directives = append(f.directives, d)
	}
	return f, bad
}

func parseDirective(part string) (directive, error) {
	target, name, both := strings.Cut(part, "=")
	target, name = strings.TrimSpace(target), strings.TrimSpace(name)
	if !both {
		if level, ok := parseLevel(target); ok {
			return directive{level: level}, nil
		}
		name = "trace"
	}
	if !isTarget(target) {
		return directive{}, fmt.Errorf("log directive %s: bad target; allowed: level, target or target=level", shown(part))
	}
	level, ok := parseLevel(name)
	if !ok {
		return directive{}, fmt.Errorf("log directive %s: bad level; allowed: off, error, warn, info, debug, trace", shown(part))
	}
	return directive{target: target, level: level}, nil
}

// shown returns the beginning of a directive, quoted.
func shown(part string) string { return strconv.Quote(part[:min(len(part), 80)]) }

func parseLevel(name string) (slog.Level, bool) {
	switch strings.ToLower(name) {
	case "off":
		return levelOff, true
	case "error":
		return slog.LevelError, true
	case "warn":
		return slog.LevelWarn, true
	case "info":
		return slog.LevelInfo, true
	case "debug":
		return slog.LevelDebug, true
	case "trace":
		return LevelTrace, true
	}
	return 0, false
}

func isTarget(s string) bool {
	for name := range strings.SplitSeq(s, "::") {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) }) {
			return false
		}
	}
	return true
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
}

// String returns the filter's text in its normal form, which parses to a filter
// that is equal.
func (f Filter) String() string {
	parts := make([]string, len(f.directives))
	for i, d := range f.directives {
		parts[i] = levelName(d.level)
		if d.target != "" {
			parts[i] = d.target + "=" + parts[i]
		}
	}
	return strings.Join(parts, ",")
}

// Level returns the lowest level that is printed for target.
func (f Filter) Level(target string) slog.Level {
	if len(f.directives) == 0 {
		return slog.LevelWarn
	}
	level, longest := levelOff, -1
	for _, d := range f.directives {
		if len(d.target) >= longest && d.covers(target) {
			level, longest = d.level, len(d.target)
		}
	}
	return level
}

// lowest returns the lowest level that is printed for any target at all.
func (f Filter) lowest() slog.Level {
	if len(f.directives) == 0 {
		return slog.LevelWarn
	}
	lowest := levelOff
	for _, d := range f.directives {
		lowest = min(lowest, d.level)
	}
	return lowest
}

func (d directive) covers(target string) bool {
	rest, ok := strings.CutPrefix(target, d.target)
	return ok && (d.target == "" || rest == "" || strings.HasPrefix(rest, "::"))
}

// levelName returns the name of the highest level of the grammar that is not
// above l.
func levelName(l slog.Level) string {
	switch {
	case l == levelOff:
		return "off"
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	case l >= slog.LevelDebug:
		return "debug"
	}
	return "trace"
}
