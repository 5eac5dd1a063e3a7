package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// literal returns the TOML spelling of what a setting's field holds.
func literal(field any) string {
	text := func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		return `"` + b.String() + `"`
	}
	switch p := field.(type) {
	case *Size:
		return text(p.String())
	case *bool:
		return strconv.FormatBool(*p)
	case *Secret:
		return text(p.Reveal())
	case *Restore:
		return text(string(*p))
	case *PathsMode:
		return text(string(*p))
	case *FileMacros:
		return text(string(*p))
	case *GCSMode:
		return text(string(*p))
	case *AuthType:
		return text(string(*p))
	case *Fallback:
		return text(string(*p))
	case *Trust:
		return text(string(*p))
	case *[]Secret:
		all := make([]string, len(*p))
		for i, s := range *p {
			all[i] = text(s.Reveal())
		}
		return "[" + strings.Join(all, ", ") + "]"
	case *string:
		return text(*p)
	case *[]Root:
		all := make([]string, len(*p))
		for i, r := range *p {
			all[i] = text(r.Name + "=" + r.Dir)
		}
		return "[" + strings.Join(all, ", ") + "]"
	case *[]string:
		all := make([]string, len(*p))
		for i, s := range *p {
			all[i] = text(s)
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	panic(fmt.Sprintf("no literal for %T", field))
}

func TestParseSize(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Size
		ok   bool
	}{
		{"0", 0, true},
		{"7516192768", 7516192768, true},
		{"10G", 10 << 30, true},
		{"10g", 10 << 30, true},
		{"1k", 1 << 10, true},
		{"3M", 3 << 20, true},
		{"2t", 2 << 40, true},
		{"007K", 7 << 10, true},
		{"9223372036854775807", math.MaxInt64, true},
		{"9223372036854775808", 0, false},
		{"8388607T", 8388607 << 40, true},
		{"8388608T", 0, false},
		{"", 0, false},
		{"G", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{"1.5G", 0, false},
		{"1 G", 0, false},
		{"1GB", 0, false},
		{"1_000", 0, false},
		{"0x10", 0, false},
		{"１G", 0, false},
		{"1\x0b", 0, false},
	} {
		got, err := ParseSize(test.in)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("ParseSize(%q) = %d, %v, want %d, %v", test.in, got, err, test.want, test.ok)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0", 1: "1", 1024: "1K", 1536: "1536", 1536 << 10: "1536K", 10 << 30: "10G", 1 << 50: "1024T",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(size), got, want)
		}
	}
}

// FuzzSize: a size is never negative, and its shortest form is the same size.
func FuzzSize(f *testing.F) {
	for _, s := range []string{"10G", "7516192768", "8388608t", "-1", "1k1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		size, err := ParseSize(s)
		if err != nil {
			return
		}
		again, err := ParseSize(size.String())
		if size < 0 || err != nil || again != size {
			t.Errorf("%q is %d, %q is %d, %v", s, size, size.String(), again, err)
		}
	})
}

// TestSecretIsNeverSeen prints a secret in every way that values get printed:
// alone, behind a pointer, and deep inside of other things, exported or not.
func TestSecretIsNeverSeen(t *testing.T) {
	const text = "hunter2"
	s := NewSecret(text)
	type inner struct{ hidden Secret }
	type outer struct {
		Shown  Secret
		hidden Secret
		Deep   inner
		Map    map[string]Secret
		List   []*Secret
	}
	o := outer{s, s, inner{s}, map[string]Secret{"k": s}, []*Secret{&s}}
	for _, v := range []any{s, &s, o, &o, []any{o}, fmt.Errorf("wrapped: %v", s)} {
		for verb := rune('a'); verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "-20", " ", "0", "+#"} {
				for _, verb := range []rune{verb, verb - 'a' + 'A'} {
					assertHidden(t, fmt.Sprintf("%"+flags+string(verb), v), text)
				}
			}
		}
		assertHidden(t, fmt.Sprint(v)+fmt.Sprintln(v), text)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		assertHidden(t, string(j), text)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		if got := fmt.Sprintf(verb, s); verb != "%T" && got != "[redacted]" {
			t.Errorf("%s is %q", verb, got)
		}
	}
	b, err := toml.Marshal(struct{ Token Secret }{s})
	if err != nil || string(b) != "Token = '[redacted]'\n" {
		t.Errorf("TOML %q, %v", b, err)
	}
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "s", s, "o", o, slog.Group("g", "p", &s))
	}
	assertHidden(t, out.String(), text)
	if v := slog.AnyValue(s).Resolve(); v.Kind() != slog.KindString || v.String() != "[redacted]" {
		t.Errorf("slog sees %v", v)
	}
	if s.Reveal() != text || s.IsZero() || !s.Equal(NewSecret(text)) || s.Equal(Secret{}) || !NewSecret("").IsZero() {
		t.Error("the secret is lost")
	}
}

// assertHidden looks for the text itself, and in hexadecimal.
func assertHidden(t *testing.T, printed, text string) {
	t.Helper()
	for _, form := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text), fmt.Sprintf("% x", text), "104 117 110"} {
		if strings.Contains(printed, form) {
			t.Errorf("seen: %s", printed)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"dir", "size", "restore", "scheduler_url"}
	for in, want := range map[string]string{
		"dirr": "dir", "sise": "size", "siez": "", "schedulerurl": "scheduler_url", "scheduler-url": "scheduler_url",
		"restor": "restore", "xyz": "", "": "", "d": "", strings.Repeat("x", 1<<20): "",
	} {
		if got := nearest(in, words); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", in, got, want)
		}
	}
}
