package cfamilytest

import (
	_ "embed"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler"
)

//go:embed testdata/survey.txt
var survey string

// Survey reads command lines of well-known build systems and fails where one is
// declined that should be cached, or the other way round. The lines of a suite are
// those that begin with its letters: "g" or "c", with "+" for the C++ driver.
func (s *Suite) Survey(t *testing.T, letters string) {
	calls := 0
	for _, line := range strings.Split(survey, "\n") {
		who, rest, ok := strings.Cut(line, " ")
		if !ok || who != letters {
			continue
		}
		calls++
		args, want, _ := strings.Cut(rest, " ! ")
		if got := s.declined(t, strings.Fields(args)); got != want {
			t.Errorf("%s: declined for %q, want %q", line, got, want)
		}
	}
	if calls == 0 {
		t.Errorf("no command line for %q", letters)
	}
}

// declined returns the reason why a call is not cached, "" where it is. The
// files that the call names are made first.
func (s *Suite) declined(t *testing.T, args []string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	work := filepath.Join(dir, "out", "work")
	must(t, os.MkdirAll(work, 0o777))
	call := s.call(t, work, args, nil)
	for i, a := range call.Args {
		previous := ""
		if i > 0 {
			previous = call.Args[i-1]
		}
		if p := named(work, previous, a); strings.HasPrefix(p, dir) {
			must(t, os.MkdirAll(filepath.Dir(p), 0o777))
			must(t, os.WriteFile(p, nil, 0o666))
		}
	}
	_, err = s.Language.Parse(call)
	var bare *compiler.Bare
	if err != nil && !errors.As(err, &bare) {
		t.Fatalf("%v: error %v is no *Bare", args, err)
	}
	if bare != nil {
		return bare.Reason
	}
	return ""
}

// named returns the file that an argument names as an input, "" where it names
// none: what is no option and has an extension, unless it is the value of an
// option that writes, and the values of options that read.
func named(dir, previous, arg string) string {
	name, value, valued := strings.Cut(arg, "=")
	switch {
	case valued && (strings.HasSuffix(name, "list") || strings.Contains(name, "profile") || strings.HasSuffix(name, "specs")):
		arg = value
	case strings.HasPrefix(arg, "@"):
		arg = arg[1:]
	case strings.HasPrefix(arg, "-"):
		return ""
	}
	switch previous {
	case "-o", "-MF", "-MT", "-MQ", "-MJ", "-I", "-Xclang", "-D", "-target":
		return ""
	}
	if filepath.Ext(arg) == "" || strings.Trim(arg, "./") == "" {
		return ""
	}
	if !filepath.IsAbs(arg) {
		arg = filepath.Join(dir, arg)
	}
	return filepath.Clean(arg)
}
