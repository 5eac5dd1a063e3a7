package rustc

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/digest"
)

func TestParseDepInfo(t *testing.T) {
	for _, tc := range []struct {
		text string
		want *depInfo
	}{
		{"x.d: a.rs b\\ c.rs\n\nlibx.rlib: a.rs b\\ c.rs\n\na.rs:\nb\\ c.rs:\n\n# env-dep:A=1\n# env-dep:B\n# env-dep:C=\n",
			&depInfo{files: []string{"a.rs", "b c.rs"}, env: []string{"A", "B", "C"}}},
		{"x.d: a.rs\n\na.rs:\n", &depInfo{files: []string{"a.rs"}}},
		{"x.d: l:\\ x.rs\n\nl:\\ x.rs:\n", &depInfo{files: []string{"l: x.rs"}}},
		{"", nil},
		{"x.d: a.rs\n", nil},                               // no phony rule
		{"x.d: a.rs\n\nb.rs:\n", nil},                      // another one
		{"x.d: a.rs\n\ny: b.rs\n\na.rs:\n", nil},           // two lists
		{"x.d: a\\b.rs\n\na\\b.rs:\n", nil},                // ambiguous
		{"x.d: a.rs\n\na.rs:\n# checksum:1 a.rs\n", nil},   // a format of later
		{"my: dir/x.d: a.rs\n\na.rs:\n", nil},              // a target with the separator in it
		{"x.d: a.rs\n\na.rs:\n\n# env-dep:A\\nB=1\n", nil}, // a name that is escaped
	} {
		got, err := parseDepInfo(tc.text)
		if (err != nil) != (tc.want == nil) {
			t.Errorf("%q: error %v", tc.text, err)
			continue
		}
		if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(depInfo{})); d != "" && tc.want != nil {
			t.Errorf("%q: -want +got\n%s", tc.text, d)
		}
	}
}

func FuzzParseDepInfo(f *testing.F) {
	f.Add("x.d: a.rs b\\ c.rs\n\na.rs:\nb\\ c.rs:\n\n# env-dep:A=1\n")
	f.Add("x.d: a.rs \n\na.rs:\n:\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDepInfo(text)
		if err != nil {
			return
		}
		var esc []string
		for _, n := range d.files {
			esc = append(esc, strings.ReplaceAll(n, " ", `\ `))
		}
		again, err := parseDepInfo("x: " + strings.Join(esc, " ") + "\n" + strings.Join(esc, ":\n") + ":\n")
		if err != nil || !cmp.Equal(d.files, again.files) {
			t.Errorf("%q: files %q, written and read again %v, %v", text, d.files, again, err)
		}
	})
}

func TestOriginRoundTrip(t *testing.T) {
	for _, o := range []Origin{
		{Stem: "n", Dir: "/w", Natives: []string{"static=n", "m"}, Deps: []Dep{{"b", digest.Empty()}}},
		{}, {Stem: "a", Foreign: true},
		{Stem: "a-1", Dir: "/d", DepInfo: "/d/a.d", Deps: []Dep{{"b", digest.Empty()}, {"", digest.Of([]byte("x"))}}},
	} {
		got, err := DecodeOrigin(o.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(o, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	}
}

func FuzzDecodeOrigin(f *testing.F) {
	f.Add(Origin{Stem: "a-1", Foreign: true, Deps: []Dep{{"b", digest.Empty()}}}.Encode())
	f.Add(Origin{Stem: "a-1", Natives: []string{"static=z", "m"}}.Encode())
	f.Add([]byte("OR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := DecodeOrigin(b); err == nil && !bytes.Equal(o.Encode(), b) {
			t.Errorf("%q decodes to what encodes to %q", b, o.Encode())
		}
	})
}

func TestScan(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want scan
	}{
		{`#[link(name = "a", kind = "static")] extern {}`, scan{links: []string{"a"}, linked: []string{"a"}}},
		{`#[link(name = "a")] extern {}`, scan{links: []string{"a"}, linked: []string{"a"}}},
		{`#[link(kind = "dylib", name = "a")] extern {}`, scan{linked: []string{"a"}}},
		{`#[cfg_attr(x, link(name = r#"a"#, kind = "static", modifiers = "+bundle"))] extern {}`, scan{links: []string{"a"}, linked: []string{"a"}}},
		{`#[r#link(name = "a", kind = "static", cfg(any(x, y)))] extern {}`, scan{links: []string{"a"}, linked: []string{"a"}}},
		{`#[link /* c */ ( name = /* ) */ "a" )] extern {}`, scan{links: []string{"a"}, linked: []string{"a"}}},
		{`macro_rules! m { ($n:literal) => { #[link(name = $n, kind = "static")] extern {} } }`, scan{unclearLink: true}},
		{`#[link(name = concat!("a", "b"), kind = "static")] extern {}`, scan{unclearLink: true}},
		{`#[link(name = "a\x62")] extern {}`, scan{unclearLink: true}},
		{`// #[link(name = "a")]` + "\n" + `/* /* */ #[link(name = "a")] */ fn link(a: u8) { link(b, name) }`, scan{}},
		{`const S: &str = "#[link(name = \"a\")]"; const R: &str = r##"#[link(name = "a")]"##;`, scan{}},
		{`fn f<'a>(c: &'a char) -> bool { *c == '"' || *c == '\'' || *c == 'é' } #[link(name = "b")] extern {}`, scan{links: []string{"b"}, linked: []string{"b"}}},
		{`#![warn(clippy::cargo)]`, scan{cargoLints: true}},
		{`#![deny(clippy :: multiple_crate_versions)]`, scan{cargoLints: true}},
		{`#![deny(clippy::all)] // clippy::cargo`, scan{}},
	} {
		var got scan
		got.source([]byte(tc.src))
		if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(scan{})); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.src, d)
		}
	}
}

// FuzzLex: whatever the text, the lexer ends, and takes all of it.
func FuzzLex(f *testing.F) {
	f.Add([]byte(`#[link(name = "a")] r#"x"# 'a' 'b b"\"" /* /* */ */ // x`))
	f.Add([]byte("'\\"))
	f.Add([]byte("br##\"\xff"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s := string(src)
		for len(s) > 0 {
			n, _ := next(s)
			if n <= 0 || n > len(s) {
				t.Fatalf("%q: a token of %d bytes", s, n)
			}
			s = s[n:]
		}
	})
}

func TestArchiveMembers(t *testing.T) {
	dir := t.TempDir()
	project{"short.o": "1", "a-name-that-is-longer-than-sixteen.o": "22", "x.c": "int x;"}.write(t, dir)
	cmd := exec.Command("sh", "-c", "gcc -c x.c && ar rcs l.a x.o short.o a-name-that-is-longer-than-sixteen.o")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := arMembers(bytes.NewReader(read1(t, dir+"/l.a")))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"x.o", "short.o", "a-name-that-is-longer-than-sixteen.o"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func FuzzArchiveMembers(f *testing.F) {
	f.Add([]byte("!<arch>\nshort.o/        0           0     0     644     1         `\n1\n"))
	f.Add([]byte("!<arch>\n/5              0           0     0     644     99999999999999`\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if names, err := arMembers(bytes.NewReader(b)); err == nil && len(names)*60 > len(b) {
			t.Errorf("%d members in %d bytes", len(names), len(b))
		}
	})
}

func TestHasDirective(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "inc": false, ".incbin": true, ".InCBin \"x\"": true, "x.include": true, ".INCLUDE": true,
		"include": false, "incbi": false, ".incl": false, "iincbin": true,
	} {
		if got := hasDirective([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	for text, want := range map[string]bool{"asm!": true, "x asm !(": true, "wasm asm": false, "asmasm!": true, "asm": false} {
		if got := hasAsmMacro([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
