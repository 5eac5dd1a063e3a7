package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const events = `{"Action":"run","Package":"example.org/m/internal/a","Test":"TestGood"}
{"Action":"output","Package":"example.org/m/internal/a","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Package":"example.org/m/internal/a","Test":"TestGood"}
{"Action":"output","Package":"example.org/m/internal/a","Test":"TestLazy","Output":"no such tool\n"}
{"Action":"skip","Package":"example.org/m/internal/a","Test":"TestLazy"}
{"Action":"pass","Package":"example.org/m/internal/a","Elapsed":1.5}
`

const failure = `{"Action":"output","Package":"example.org/m/internal/b","Test":"TestBad","Output":"broken here\n"}
{"Action":"fail","Package":"example.org/m/internal/b","Test":"TestBad"}
{"Action":"fail","Package":"example.org/m/internal/b"}
`

const brokenBuild = `{"ImportPath":"example.org/m/c","Action":"build-output","Output":"c.go:1: oops\n"}
{"ImportPath":"example.org/m/c","Action":"build-fail"}
{"Action":"fail","Package":"example.org/m/c","FailedBuild":"example.org/m/c"}
`

func TestFollow(t *testing.T) {
	tests := []struct {
		name, events  string
		prints, hides string
		wantErr       string
	}{
		{name: "good", events: events, prints: "no such tool\npass example.org/m/internal/a 1.5 s\n", hides: "quiet"},
		{name: "failed test", events: events + failure, prints: "broken here\n", wantErr: "1 failed"},
		{name: "broken build", events: brokenBuild, prints: "c.go:1: oops\n", wantErr: "1 failed"},
		{name: "not events", events: "panic: x", wantErr: "decode event"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := follow(strings.NewReader(tt.events), &out)
			checkErr(t, err, tt.wantErr)
			if !strings.Contains(out.String(), tt.prints) {
				t.Errorf("output %q lacks %q", out.String(), tt.prints)
			}
			if tt.hides != "" && strings.Contains(out.String(), tt.hides) {
				t.Errorf("output %q shows %q", out.String(), tt.hides)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name, list, events string
		prints, wantErr    string
	}{
		{"met", "# why\n\ninternal/a TestGood\n", events, "1 passed, 0 failed, 1 skipped\n", ""},
		{"skipped", "internal/a TestLazy\n", events, "internal/a TestLazy: must pass, was skipped\n", "1 entries"},
		{"absent", "internal/a TestGone\n", events, "internal/a TestGone: must pass, did not run\n", "1 entries"},
		{"other package", "internal/b TestGood\n", events, "internal/b TestGood: must pass, did not run\n", "1 entries"},
		{"no part of a name", "ternal/a TestGood\n", events, "did not run", "1 entries"},
		{"whole package", "internal/a *\n", events, "internal/a TestLazy: must pass, was skipped\n", "1 entries"},
		{"empty package", "internal/z *\n", events, "internal/z: no test passed\n", "1 entries"},
		{"failed elsewhere", "internal/a TestGood\n", events + failure, "1 passed, 1 failed, 1 skipped\n", "1 failed"},
		{"bad list", "internal/a\n", events, "", "line 1: want PACKAGE TEST"},
		{
			"skipped in one of two stages", "internal/a TestGood\n",
			events + `{"Action":"skip","Package":"example.org/m/internal/a","Test":"TestGood"}`, "was skipped", "1 entries",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must, saved := filepath.Join(dir, "must"), filepath.Join(dir, "events")
			write(t, must, tt.list)
			write(t, saved, tt.events)
			var out bytes.Buffer
			checkErr(t, judge(must, []string{saved}, &out), tt.wantErr)
			if !strings.Contains(out.String(), tt.prints) {
				t.Errorf("output %q lacks %q", out.String(), tt.prints)
			}
		})
	}
}

func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
