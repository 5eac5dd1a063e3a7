package logging_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/logging"
)

const (
	off   = slog.Level(int(^uint(0) >> 1))
	trace = logging.LevelTrace
)

func TestFilterLevel(t *testing.T) {
	type want map[string]slog.Level
	for _, test := range []struct {
		text string
		want want
	}{
		{"", want{"": slog.LevelWarn, "cachepot": slog.LevelWarn, "x::y": slog.LevelWarn}},
		{" , ,", want{"cachepot": slog.LevelWarn}},
		{"trace", want{"cachepot": trace, "other::deep": trace}},
		{"off", want{"cachepot": off}},
		{"INFO", want{"cachepot": slog.LevelInfo}},
		{"cachepot", want{"cachepot": trace, "other": off}},
		{"cachepot=trace,cachepot-dist=trace", want{
			"cachepot": trace, "cachepot::wire": trace, "cachepot-dist": trace, "cachepot-dist::x": trace,
			"cachepots": off, "cachepot-disti": off, "cachepot:": off, "other": off,
		}},
		{"cachepot=debug", want{"cachepot-dist": off, "cachepot_dist": off}},
		{"warn,cachepot::coordinator=debug", want{
			"cachepot": slog.LevelWarn, "cachepot::coordinator": slog.LevelDebug,
			"cachepot::coordinator::job": slog.LevelDebug, "cachepot::coord": slog.LevelWarn,
		}},
		{"a::b=trace,a=error", want{"a": slog.LevelError, "a::b": trace, "a::b::c": trace, "a::c": slog.LevelError}},
		{"a=error,a=debug", want{"a": slog.LevelDebug}},
		{"debug,error", want{"a": slog.LevelError}},
		{"a=off,info", want{"a": off, "b": slog.LevelInfo}},
		{" a = debug , error ", want{"a": slog.LevelDebug, "b": slog.LevelError}},
	} {
		f, bad := logging.ParseFilter(test.text)
		if len(bad) > 0 {
			t.Errorf("%q: %v", test.text, bad)
		}
		got := want{}
		for target := range test.want {
			got[target] = f.Level(target)
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%q: levels (-want +got):\n%s", test.text, d)
		}
	}
}

func TestBadDirectives(t *testing.T) {
	for _, test := range []struct {
		text string
		kept string
		bad  []string
	}{
		{"a=loud", "", []string{`log directive "a=loud": bad level; allowed: off, error, warn, info, debug, trace`}},
		{"a=", "", []string{`log directive "a=": bad level; allowed: off, error, warn, info, debug, trace`}},
		{"=debug", "", []string{`log directive "=debug": bad target; allowed: level, target or target=level`}},
		{"a:b=debug", "", []string{`log directive "a:b=debug": bad target; allowed: level, target or target=level`}},
		{"::a", "", []string{`log directive "::a": bad target; allowed: level, target or target=level`}},
		{"a::", "", []string{`log directive "a::": bad target; allowed: level, target or target=level`}},
		{"warn/text", "", []string{`log directive "warn/text": bad target; allowed: level, target or target=level`}},
		{"info,\x1b[31m,b", "info,b=trace", []string{`log directive "\x1b[31m": bad target; allowed: level, target or target=level`}},
		{"a=b=c,debug", "debug", []string{`log directive "a=b=c": bad level; allowed: off, error, warn, info, debug, trace`}},
	} {
		f, bad := logging.ParseFilter(test.text)
		var got []string
		for _, err := range bad {
			got = append(got, err.Error())
		}
		if d := cmp.Diff(test.bad, got); d != "" {
			t.Errorf("%q: errors (-want +got):\n%s", test.text, d)
		}
		if f.String() != test.kept {
			t.Errorf("%q: filter is %q, want %q", test.text, f, test.kept)
		}
	}
}

// FuzzFilter: the normal form parses without complaint to a filter that
// decides alike and has the same normal form; complaints are printable.
func FuzzFilter(f *testing.F) {
	f.Add("trace", "cachepot")
	f.Add("warn,cachepot::coordinator=debug", "cachepot::coordinator::x")
	f.Add("a=off,,b =TRACE,x=y,=,\x00", "a")
	f.Fuzz(func(t *testing.T, text, target string) {
		one, bad := logging.ParseFilter(text)
		for _, err := range bad {
			if strings.ContainsAny(err.Error(), "\x00\n\r\x1b") {
				t.Errorf("raw control character in %q", err)
			}
		}
		two, bad := logging.ParseFilter(one.String())
		if len(bad) > 0 {
			t.Fatalf("normal form %q: %v", one, bad)
		}
		if one.String() != two.String() || one.Level(target) != two.Level(target) {
			t.Errorf("%q and its normal form %q decide otherwise for %q", text, one, target)
		}
	})
}
