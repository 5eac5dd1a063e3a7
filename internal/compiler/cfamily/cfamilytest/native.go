package cfamilytest

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Native checks that what -march=native stands for is part of a call's key and is
// no argument: two CPUs make two calls, one makes the same again, and a driver that
// does not tell makes none.
func (s *Suite) Native(t *testing.T) {
	c := Case{Files: files("a.c", "int f;\n")}
	dir := materialise(t, c)
	call := func() *compiler.Call {
		return s.call(t, dir, strings.Fields("-c a.c -march=native -mno-avx"), nil)
	}
	parse := func(call *compiler.Call) *compiler.Invocation {
		inv, err := s.Language.Parse(call)
		must(t, err)
		return inv
	}
	here, again, other := parse(call()), parse(call()), call()
	probe := other.Probe
	other.Probe = func(args, env []string) ([]byte, []byte, error) {
		if !slices.Contains(args, "-march=native") || !slices.Contains(args, "-mno-avx") {
			t.Errorf("asked with %v", args)
		}
		out, msg, err := probe(args, env)
		if !bytes.Contains(msg, []byte("sse2")) {
			t.Errorf("no feature of the CPU in the answer:\n%s", msg)
		}
		return out, bytes.ReplaceAll(msg, []byte("sse2"), []byte("sse9")), err
	}
	there := parse(other)
	if !slices.Equal(here.Env, again.Env) || slices.Equal(here.Env, there.Env) {
		t.Errorf("keyed %v, again %v, on another CPU %v", here.Env, again.Env, there.Env)
	}
	if !slices.Equal(here.Args, call().Args) {
		t.Errorf("compiler run with %v", here.Args)
	}
	plain, err := s.Language.Parse(s.call(t, dir, strings.Fields("-c a.c -mno-avx"), []string{"CACHEPOT_NATIVE=x"}))
	must(t, err)
	if len(plain.Env) != len(here.Env)-1 {
		t.Errorf("a call without native code is keyed with %v", plain.Env)
	}
	silent := call()
	silent.Probe = func(_, _ []string) ([]byte, []byte, error) { return nil, nil, errors.New("no") }
	var bare *compiler.Bare
	if _, err := s.Language.Parse(silent); !errors.As(err, &bare) {
		t.Errorf("a driver that does not tell: %v", err)
	}
}
