package logging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/logging"
)

// timeless drops the time of each event, so that whole lines can be compared.
type timeless struct{ slog.Handler }

func (t timeless) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return t.Handler.Handle(ctx, r)
}

func (t timeless) WithAttrs(attrs []slog.Attr) slog.Handler {
	return timeless{t.Handler.WithAttrs(attrs)}
}

func (t timeless) WithGroup(name string) slog.Handler { return timeless{t.Handler.WithGroup(name)} }

func logger(t *testing.T, filter string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	f, bad := logging.ParseFilter(filter)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	out := new(bytes.Buffer)
	return slog.New(timeless{logging.NewHandler(out, f)}), out
}

func TestLines(t *testing.T) {
	for _, test := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("hit", "path", "/a/b.c", "bytes", 12) },
			"INFO  cachepot: hit path=/a/b.c bytes=12\n"},
		{"target of the logger", func(l *slog.Logger) { l.With("target", "cachepot::wire").Error("gone") },
			"ERROR cachepot::wire: gone\n"},
		{"target of the event", func(l *slog.Logger) { l.Warn("gone", "n", 1, "target", "cachepot::cas") },
			"WARN  cachepot::cas: gone n=1\n"},
		{"both", func(l *slog.Logger) { l.With("target", "a").Warn("m", "target", "b") },
			"WARN  a: m target=b\n"},
		{"target in a group is none", func(l *slog.Logger) { l.WithGroup("g").Warn("m", "target", "b") },
			"WARN  cachepot: m g.target=b\n"},
		{"control characters", func(l *slog.Logger) { l.Info("m\n\x1b[31m", "k\n", "a\x00b\r\n") },
			`INFO  cachepot: "m\n\x1b[31m" "k\n"="a\x00b\r\n"` + "\n"},
		{"direction override", func(l *slog.Logger) { l.Info("m", "k", "a\u202eb") },
			`INFO  cachepot: m k="a\u202eb"` + "\n"},
		{"C1 control", func(l *slog.Logger) { l.Info("m", "k", "\u009b31m") },
			`INFO  cachepot: m k="\u009b31m"` + "\n"},
		{"no UTF-8", func(l *slog.Logger) { l.Info("m", "k", "\xff\xfe") },
			`INFO  cachepot: m k="\xff\xfe"` + "\n"},
		{"umlauts stay", func(l *slog.Logger) { l.Info("grün", "k", "größe") },
			"INFO  cachepot: grün k=größe\n"},
		{"forged field", func(l *slog.Logger) { l.Info("m", "k", "x admin=true", "e", "") },
			`INFO  cachepot: m k="x admin=true" e=""` + "\n"},
		{"forged text", func(l *slog.Logger) { l.Info(`a b=c "d"`) },
			`INFO  cachepot: "a b=c \"d\""` + "\n"},
		{"hostile target", func(l *slog.Logger) { l.Info("m", "target", "a\nERROR b") },
			`INFO  "a\nERROR b": m` + "\n"},
		{"error value", func(l *slog.Logger) { l.Info("m", "err", errors.New("no\nway")) },
			`INFO  cachepot: m err="no\nway"` + "\n"},
		{"groups", func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).Info("m", slog.Group("h", "c", 3), "d", time.Second)
		}, "INFO  cachepot: m a=1 g.b=2 g.h.c=3 g.d=1s\n"},
		{"levels", func(l *slog.Logger) {
			for _, level := range []slog.Level{logging.LevelTrace, -4, 0, 2, 4, 8, 12} {
				l.Log(context.Background(), level, "m")
			}
		}, "TRACE cachepot: m\nDEBUG cachepot: m\nINFO  cachepot: m\nINFO  cachepot: m\n" +
			"WARN  cachepot: m\nERROR cachepot: m\nERROR cachepot: m\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, out := logger(t, "trace")
			test.log(l)
			if d := cmp.Diff(test.want, out.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestFieldCap(t *testing.T) {
	l, out := logger(t, "trace")
	l.Info("m", "k", strings.Repeat("a", 4095)+"ü"+strings.Repeat("b", 1<<20))
	want := `INFO  cachepot: m k="` + strings.Repeat("a", 4095) + `"...(1048578 bytes more)` + "\n"
	if out.String() != want {
		t.Errorf("%d bytes, end %q", out.Len(), out.String()[max(0, out.Len()-60):])
	}
	out.Reset()
	l.Info(strings.Repeat("\x01", 5000))
	if n := out.Len(); n > 4096*4+100 {
		t.Errorf("a text of control characters made a line of %d bytes", n)
	}
}

func TestEventsAreFiltered(t *testing.T) {
	l, out := logger(t, "error,cachepot::wire=debug")
	l.Info("no")
	l.Info("no", "target", "cachepot::cas")
	l.With("target", "cachepot::cas").Info("no")
	l.Info("yes", "target", "cachepot::wire")
	l.With("target", "cachepot::wire").Debug("yes")
	l.Log(context.Background(), logging.LevelTrace, "no", "target", "cachepot::wire")
	if want := "INFO  cachepot::wire: yes\nDEBUG cachepot::wire: yes\n"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
	for _, test := range []struct {
		l     *slog.Logger
		level slog.Level
		want  bool
	}{
		{l, slog.LevelDebug, true},
		{l, logging.LevelTrace, false},
		{l.With("target", "cachepot::cas"), slog.LevelWarn, false},
		{l.With("target", "cachepot::cas"), slog.LevelError, true},
	} {
		if got := test.l.Enabled(context.Background(), test.level); got != test.want {
			t.Errorf("Enabled(%v) = %v", test.level, got)
		}
	}
}

func TestNewReportsBadDirectivesOnce(t *testing.T) {
	var out bytes.Buffer
	l := logging.New(&out, "off,a=loud")
	l.Error("no")
	l.Error("no")
	want := `WARN  cachepot: "ignored: log directive \"a=loud\": bad level; allowed: off, error, warn, info, debug, trace"` + "\n"
	if out.String() != want {
		t.Errorf("got %s, want %s", &out, want)
	}
}

func TestTime(t *testing.T) {
	var out bytes.Buffer
	h := logging.NewHandler(&out, logging.Filter{})
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_700_000, time.FixedZone("", 3600))
	if err := h.Handle(context.Background(), slog.NewRecord(at, slog.LevelWarn, "m", 0)); err != nil {
		t.Fatal(err)
	}
	if want := "2026-01-02T02:04:05.006Z WARN  cachepot: m\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

// TestOneWritePerEvent: lines of several goroutines do not mix.
func TestOneWritePerEvent(t *testing.T) {
	var out bytes.Buffer // the handler's lock is all that guards it
	l := slog.New(logging.NewHandler(&out, logging.Filter{}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				l.With("i", i).Warn("m")
			}
		})
	}
	wg.Wait()
	lines := strings.SplitAfter(out.String(), "\n")
	if len(lines) != 401 {
		t.Fatalf("%d lines", len(lines)-1)
	}
	for _, line := range lines[:400] {
		if !strings.Contains(line, " WARN  cachepot: m i=") || len(line) != len(lines[0]) {
			t.Errorf("line %q", line)
		}
	}
}

func TestContract(t *testing.T) {
	var out bytes.Buffer
	f, _ := logging.ParseFilter("trace")
	h := logging.NewHandler(&out, f)
	if err := slogtest.TestHandler(h, func() []map[string]any { return parseLines(t, out.String()) }); err != nil {
		t.Error(err)
	}
}

// FuzzValue: every text comes back from its line, and a line is one line.
func FuzzValue(f *testing.F) {
	f.Add("m", "k", "v")
	f.Add("a b", "k=\n", "\x1b[0m \" = \\")
	f.Fuzz(func(t *testing.T, text, key, value string) {
		if key == "" || key == logging.TargetKey || len(text)+len(key)+len(value) > 4096 {
			return
		}
		l, out := logger(t, "trace")
		l.Info(text, slog.String(key, value))
		line, ok := strings.CutSuffix(out.String(), "\n")
		if !ok || strings.ContainsAny(line, "\n\r\x1b") || !utf8.ValidString(line) {
			t.Fatalf("line %q", out)
		}
		got := fields(t, strings.TrimPrefix(line, "INFO  cachepot: "))
		if d := cmp.Diff([]string{text, key, value}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// fields splits "text key=value ..." into text, key, value, ...; a text that is
// not quoted ends where the first key begins.
func fields(t *testing.T, s string) []string {
	t.Helper()
	var out []string
	if !strings.HasPrefix(s, `"`) {
		end := len(s)
		if eq := quotedKeyStart(s); eq >= 0 {
			end = eq
		}
		out, s = append(out, s[:end]), s[end:]
	}
	for s != "" {
		s = strings.TrimLeft(s, " =")
		if strings.HasPrefix(s, `"`) {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			v, _ := strconv.Unquote(q)
			out, s = append(out, v), s[len(q):]
			continue
		}
		end := strings.IndexAny(s+" ", " =")
		out, s = append(out, s[:end]), s[end:]
	}
	return out
}

// quotedKeyStart finds the blank before the first key of s, or -1.
func quotedKeyStart(s string) int {
	eq := strings.IndexAny(s, `="`)
	if eq < 0 {
		return -1
	}
	return strings.LastIndex(s[:eq], " ")
}

func parseLines(t *testing.T, text string) []map[string]any {
	var all []map[string]any
	for line := range strings.Lines(text) {
		m := map[string]any{}
		line = strings.TrimSuffix(line, "\n")
		if line[0] >= '0' && line[0] <= '9' {
			m[slog.TimeKey], line, _ = strings.Cut(line, " ")
		}
		level, rest, _ := strings.Cut(line, " ")
		m[slog.LevelKey] = level
		_, rest, _ = strings.Cut(rest, ": ")
		parts := fields(t, rest)
		m[slog.MessageKey] = parts[0]
		for i := 1; i+1 < len(parts); i += 2 {
			put(m, strings.Split(parts[i], "."), parts[i+1])
		}
		all = append(all, m)
	}
	return all
}

func put(m map[string]any, path []string, value string) {
	for _, name := range path[:len(path)-1] {
		if m[name] == nil {
			m[name] = map[string]any{}
		}
		m = m[name].(map[string]any)
	}
	m[path[len(path)-1]] = value
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("full") }

func TestWriterErrorIsReturned(t *testing.T) {
	h := logging.NewHandler(failing{}, logging.Filter{})
	if err := h.Handle(context.Background(), slog.NewRecord(time.Time{}, slog.LevelWarn, "m", 0)); err == nil {
		t.Error("no error")
	}
}
