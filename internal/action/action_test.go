package action_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
)

func sample() *action.Command {
	return &action.Command{
		Args:    []string{"/usr/bin/gcc", "-c", "a.c", "-o", "/w/b/a.o"},
		Env:     []string{"PATH=/usr/bin", "CPATH="},
		Dir:     "/w/src",
		Outputs: []string{"/w/b/a.o", "a.d"},
	}
}

// TestGoldenDigest pins the key. Where it fails, every cache in the world is
// lost: either undo the change, or count up action.Salt and the digest here.
func TestGoldenDigest(t *testing.T) {
	c, err := action.New(sample(), digest.Empty(), "x86-64")
	if err != nil {
		t.Fatal(err)
	}
	const want = "7cdb2f906bb08f3129ecce64d10275f577ce22ee1188356ba3e8c7c088032517/201"
	if got := c.Digest.String(); got != want {
		t.Errorf("digest = %s, want %s", got, want)
	}
}

func TestWhatChangesTheDigest(t *testing.T) {
	base, err := action.New(sample(), digest.Empty(), "x86-64")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*action.Command){
		"argument order":   func(c *action.Command) { c.Args[1], c.Args[2] = c.Args[2], c.Args[1] },
		"argument split":   func(c *action.Command) { c.Args[1] = "-ca.c"; c.Args = append(c.Args[:2], c.Args[3:]...) },
		"environment":      func(c *action.Command) { c.Env[1] = "CPATH=." },
		"variable not set": func(c *action.Command) { c.Env = c.Env[:1] },
		"directory":        func(c *action.Command) { c.Dir = "/w" },
		"output":           func(c *action.Command) { c.Outputs = c.Outputs[:1] },
	} {
		cmd := sample()
		change(cmd)
		c, err := action.New(cmd, digest.Empty(), "x86-64")
		if err != nil {
			t.Fatal(err)
		}
		if c.Digest == base.Digest {
			t.Errorf("%s: same digest", name)
		}
	}
	cmd := sample()
	cmd.Env[0], cmd.Env[1] = cmd.Env[1], cmd.Env[0]
	cmd.Outputs[0], cmd.Outputs[1] = cmd.Outputs[1], cmd.Outputs[0]
	if c, _ := action.New(cmd, digest.Empty(), "x86-64"); c.Digest != base.Digest {
		t.Error("order of environment or outputs changed the digest")
	}
	if c, _ := action.New(sample(), digest.Of([]byte("x")), "x86-64"); c.Digest == base.Digest {
		t.Error("another input root: same digest")
	}
}

func TestCovers(t *testing.T) {
	p := &action.PathSet{
		Paths:    []string{"/a/b/../x.h", "/usr/include/stdio.h"},
		Searches: []action.Search{{Dirs: []string{"/i", "/j/k"}, Names: []string{"x.h", "sys/y.h"}}},
		Listings: []action.Listing{{Dir: "/deps", Prefix: "libfoo-1", Suffix: ".rmeta"}},
	}
	root := &action.PathSet{Searches: []action.Search{{Dirs: []string{"/"}, Names: []string{"rustc"}}}}
	up := &action.PathSet{Searches: []action.Search{{Dirs: []string{"/a/b"}, Names: []string{"../c/x.h"}}}}
	if !up.Covers("/a/c/x.h") {
		t.Error("name that leads out of the directory")
	}
	if !root.Covers("/rustc") || root.Covers("/other") {
		t.Error("search in the root directory")
	}
	for path, want := range map[string]bool{
		"/a/x.h": true, "/a": true, "/usr/include": true, "/usr/include/stdlib.h": false,
		"/i/x.h": true, "/i/sys": true, "/i/sys/y.h": true, "/i/y.h": false, "/j": true, "/j/k/x.h": true, "/j/x.h": false,
		"/deps/libfoo-1.rmeta": true, "/deps/libfoo-2.rmeta": false, "/deps": true, "/other": false,
	} {
		if got := p.Covers(path); got != want {
			t.Errorf("Covers(%s) = %v, want %v", path, got, want)
		}
	}
}

// FuzzDecodePathSet: what decodes encodes to the same bytes.
func FuzzDecodePathSet(f *testing.F) {
	p := &action.PathSet{Paths: []string{"/b", "/a", "/a"}, EnvNames: []string{"X"},
		Searches: []action.Search{{Dirs: []string{"/i"}, Names: []string{"n"}}},
		Listings: []action.Listing{{Dir: "/d", Prefix: "p"}}}
	f.Add(p.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := action.DecodePathSet(b)
		if err != nil {
			return
		}
		if d := cmp.Diff(string(b), string(p.Encode())); d != "" {
			t.Error(d)
		}
	})
}
