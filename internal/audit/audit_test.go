package audit

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/tree"
)

// sources are a small project in C, C++ and Rust.
func sources() map[string]string {
	return map[string]string{
		"inc/x.h":    "#define X 3\n",
		"a.c":        "#include <stdio.h>\n#include \"x.h\"\nint f(void) { return printf(\"%d\\n\", X); }\n",
		"b.cc":       "#include <string>\n#include <vector>\n#include \"x.h\"\nsize_t g() { std::vector<std::string> v(X); return v.size(); }\n",
		"s.S":        "#include \"x.h\"\n\t.data\nn:\t.long X\n\t.incbin \"blob\"\n",
		"blob":       "binary",
		"warns.c":    "int f(void) { int unused; return 0; }\n",
		"dep.rs":     "pub fn one() -> u32 { 1 }\n",
		"lib.rs":     "mod part;\npub fn two() -> u32 { dep::one() + part::one() }\n",
		"part.rs":    "pub fn one() -> u32 { 1 }\n",
		"inc/only.h": "",
	}
}

// TestHonestEntries: what the product stored of real compiles passes both audits,
// and no file that the user has is touched by them.
func TestHonestEntries(t *testing.T) {
	p := newProject(t, sources())
	rustc := p.rustc()
	lib := []string{rustc, "--crate-type", "lib", "--emit", "dep-info,metadata,link", "--out-dir", "out"}
	for _, call := range [][]string{
		{"gcc", "-g", "-Inone", "-Iinc", "-MD", "-MF", "out/a.d", "-c", "a.c", "-o", "out/a.o"},
		{"g++", "-O1", "-Iinc", "-c", "b.cc", "-o", "out/b.o"},
		{"gcc", "-Iinc", "-c", "s.S", "-o", "out/s.o"},
		{"gcc", "-Wall", "-c", "warns.c", "-o", "out/warns.o"},
		{"clang", "-g", "-Inone", "-Iinc", "-MMD", "-c", "a.c", "-o", "out/ca.o"},
		{"clang++", "-Iinc", "-c", "b.cc", "-o", "out/cb.o"},
		append(slices.Clone(lib), "--crate-name", "dep", "dep.rs"),
		append(slices.Clone(lib), "--crate-name", "two", "-L", "dependency=out", "--extern", "dep=out/libdep.rlib", "lib.rs"),
	} {
		p.compile(call...)
	}
	a := p.auditor()
	keys := p.entries(a, 8)
	before := contents(t, p.dir)
	for _, key := range keys {
		r := p.check(a, key)
		if len(r.Faults) > 0 || r.Gone != "" {
			t.Errorf("%s: gone %q, faults\n%s", r.Label, r.Gone, strings.Join(r.Faults, "\n"))
		}
	}
	if d := cmp.Diff(before, contents(t, p.dir)); d != "" {
		t.Errorf("the audits changed files of the user: %s", d)
	}
	status, stdout, stderr := p.verify()
	if status != 0 || !strings.Contains(stdout, "Entries passed") || strings.Contains(stderr, "verifying") {
		t.Errorf("verify: status %d, stdout %s, stderr %s", status, stdout, stderr)
	}
	if status, stdout, _ := p.verify("--sample", "1"); status != 0 || !hasLine(stdout, "Entries passed", "1") {
		t.Errorf("verify --sample 1: status %d, stdout %s", status, stdout)
	}
}

// hasLine reports whether text has a line with this label and value.
func hasLine(text, label, value string) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(l string) bool {
		return strings.HasPrefix(l, label) && strings.TrimSpace(strings.TrimPrefix(l, label)) == value
	})
}

// contents returns all files below dir with mode, time stamp and content.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text := ""
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = digest.Of(b).Hex()
		}
		out[path] = info.Mode().String() + info.ModTime().String() + text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// writer writes inputs into a recipe.
type writer struct{ r *action.Recipe }

func (w writer) File(path string, d digest.Digest, executable bool) {
	w.r.Files = append(w.r.Files, action.RecipeFile{Path: path, Digest: d, Executable: executable})
}

func (w writer) Symlink(path, target string) {
	w.r.Links = append(w.r.Links, action.RecipeLink{Path: path, Target: target})
}

func (w writer) Dir(path string) { w.r.Dirs = append(w.r.Dirs, path) }

// forge stores the entry that a coordinator with a hole in its rules would have:
// change takes something out of the path set, and recipe and key follow from what
// is left. It returns the new key.
func forge(t *testing.T, a *Auditor, key digest.Digest, change func(*action.PathSet)) digest.Digest {
	t.Helper()
	s, in := subjectOf(t, a, key)
	old := s.paths.ID()
	change(s.paths)
	if s.paths.ID() == old {
		t.Fatal("nothing was taken out of the path set")
	}
	here := s.paths
	if s.places != nil {
		here = s.paths.Here(s.places)
	}
	snap, err := a.view.Evaluate(here)
	if err != nil {
		t.Fatal(err)
	}
	s.recipe.PathSet, s.recipe.Files, s.recipe.Links, s.recipe.Dirs = s.paths.ID(), nil, nil, nil
	snap.AddTo(s.fixed(writer{s.recipe}))
	var b tree.Builder
	in.tool.AddTo(s.fixed(&b))
	addRecipe(&b, s.recipe)
	built, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	c, err := action.New(&s.recipe.Command, built.Root, a.isa)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Put(t.Context(), a.store, storage.PathSet, s.paths.ID(), s.paths.Encode()); err != nil {
		t.Fatal(err)
	}
	put(t, a, c.Digest, s)
	return c.Digest
}

func subjectOf(t *testing.T, a *Auditor, key digest.Digest) (*subject, *inputs) {
	t.Helper()
	var r Report
	s, err := a.load(t.Context(), key, &r)
	if err != nil || s == nil {
		t.Fatalf("load: %v, %v", r.Faults, err)
	}
	in, err := a.inputs(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return s, in
}

// put stores s under key, in place of what is there.
func put(t *testing.T, a *Auditor, key digest.Digest, s *subject) {
	t.Helper()
	var err error
	if s.result.Recipe, err = storage.WriteBlob(t.Context(), a.store, s.recipe.Encode()); err != nil {
		t.Fatal(err)
	}
	b, err := s.result.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.store.(storage.Dropper).DropRecord(t.Context(), storage.Entry, key); err != nil {
		t.Fatal(err)
	}
	if err := storage.Put(t.Context(), a.store, storage.Entry, key, b); err != nil {
		t.Fatal(err)
	}
}

// without takes every path and name that match out of a path set.
func without(match func(string) bool) func(*action.PathSet) {
	return func(p *action.PathSet) {
		p.Paths = slices.DeleteFunc(p.Paths, match)
		for i := range p.Searches {
			p.Searches[i].Dirs = slices.DeleteFunc(p.Searches[i].Dirs, match)
			p.Searches[i].Names = slices.DeleteFunc(p.Searches[i].Names, match)
		}
		p.Listings = slices.DeleteFunc(p.Listings, func(l action.Listing) bool { return match(l.Dir) })
	}
}

func wantFaults(t *testing.T, r *Report, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !slices.ContainsFunc(r.Faults, func(f string) bool { return strings.Contains(f, text) }) {
			t.Errorf("no fault tells of %q; gone %q, faults\n%s", text, r.Gone, strings.Join(r.Faults, "\n"))
		}
	}
}

// TestHoles: for each compiler, an entry whose rules left something out fails the
// audit that is there for it.
func TestHoles(t *testing.T) {
	p := newProject(t, sources())
	suffix := func(s string) func(string) bool {
		return func(p string) bool { return p == s || strings.HasSuffix(p, "/"+s) }
	}
	for _, c := range []struct {
		name   string
		call   []string
		hole   func(string) bool
		faults []string
	}{
		{"gcc: absent directory of headers", []string{"gcc", "-Inone", "-Iinc", "-c", "a.c", "-o", "out/1.o"},
			suffix("none"), []string{"watched run: " + p.dir + "/none is looked for and missing"}},
		{"gcc: header", []string{"gcc", "-Iinc", "-O1", "-c", "a.c", "-o", "out/2.o"},
			suffix("x.h"), []string{"x.h: No such file", "watched run: " + p.dir + "/inc/x.h is read and is not in the input tree"}},
		{"clang: header", []string{"clang", "-Iinc", "-c", "a.c", "-o", "out/3.o"},
			suffix("x.h"), []string{"'x.h' file not found", "/inc/x.h is read and is not in the input tree"}},
		{"clang: absent directory of headers", []string{"clang", "-O1", "-Inone", "-Iinc", "-c", "a.c", "-o", "out/4.o"},
			suffix("none"), []string{"/none is looked for and missing"}},
		{"assembler: data", []string{"gcc", "-Iinc", "-c", "s.S", "-o", "out/5.o"},
			suffix("blob"), []string{"blob", "/blob is read and is not in the input tree"}},
		{"rustc: module", []string{p.rustc(), "--crate-type", "lib", "--emit", "metadata,dep-info", "--out-dir", "out", "--crate-name", "part", "part.rs"},
			suffix("part.rs"), []string{"couldn't read", "/part.rs is read and is not in the input tree"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			a := p.auditor()
			before, err := a.Entries(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p.compile(c.call...)
			key := added(before, p.entries(a, len(before)+1))
			if r := p.check(a, key); len(r.Faults) > 0 || r.Gone != "" {
				t.Fatalf("the honest entry: gone %q, faults %q", r.Gone, r.Faults)
			}
			wantFaults(t, p.check(a, forge(t, a, key, without(c.hole))), c.faults...)
		})
	}
}

// added returns the key that is not in before.
func added(before, after []digest.Digest) digest.Digest {
	return after[slices.IndexFunc(after, func(d digest.Digest) bool { return !slices.Contains(before, d) })]
}

// TestRecipeAlone: an entry whose recipe lost an input without its key following
// fails, and so does one whose path set lost it.
func TestRecipeAlone(t *testing.T) {
	p := newProject(t, sources())
	p.compile("gcc", "-Iinc", "-c", "a.c", "-o", "out/a.o")
	a := p.auditor()
	key := p.entries(a, 1)[0]
	s, _ := subjectOf(t, a, key)
	isHeader := func(f action.RecipeFile) bool { return strings.HasSuffix(f.Path, "/x.h") }
	honest := slices.Clone(s.recipe.Files)
	s.recipe.Files = slices.DeleteFunc(slices.Clone(honest), isHeader)
	put(t, a, key, s)
	wantFaults(t, p.check(a, key), "the recipe is of another action")

	s.recipe.Files = honest
	without(func(p string) bool { return strings.HasSuffix(p, "x.h") })(s.paths)
	if err := storage.Put(t.Context(), a.store, storage.PathSet, s.paths.ID(), s.paths.Encode()); err != nil {
		t.Fatal(err)
	}
	s.recipe.PathSet = s.paths.ID()
	put(t, a, key, s)
	wantFaults(t, p.check(a, key), "the path set does not lead to "+p.dir+"/inc/x.h", "looked for and missing")
}

// TestWrongBytes: an entry with other bytes than the compile gives fails, and the
// fault says where they differ.
func TestWrongBytes(t *testing.T) {
	p := newProject(t, sources())
	p.compile("gcc", "-Iinc", "-MD", "-c", "a.c", "-o", "out/a.o")
	a := p.auditor()
	key := p.entries(a, 1)[0]
	s, _ := subjectOf(t, a, key)
	object, err := storage.ReadBlob(t.Context(), a.store, s.result.Outputs[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	object[0x40] ^= 0xff // the first byte of .text, after the header
	if s.result.Outputs[0].Digest, err = storage.WriteBlob(t.Context(), a.store, object); err != nil {
		t.Fatal(err)
	}
	put(t, a, key, s)
	wantFaults(t, p.check(a, key), "out/a.o differs: byte 0x40 in section .text is 0x55, stored is 0xaa")
	status, stdout, stderr := p.verify()
	if status != 2 || !strings.Contains(stdout, "out/a.o out/a.d in "+p.dir+": replay: out/a.o differs") || !hasLine(stdout, "Entries failed", "1") ||
		!strings.Contains(stderr, "1 of 1 entries failed") {
		t.Errorf("verify: status %d, stdout %s, stderr %s", status, stdout, stderr)
	}

	s.result.Outputs = s.result.Outputs[:1]
	put(t, a, key, s)
	wantFaults(t, p.check(a, key), "out/a.d was written, and the entry does not have it")
	s.result.Outputs = append(s.result.Outputs, result.Output{Path: "out/b.o", Digest: digest.Empty()})
	put(t, a, key, s)
	wantFaults(t, p.check(a, key), "out/b.o is stored and is no output")
}

// chance is a compiler that gives other bytes each time: it defines CHANCE as a
// random number.
const chance = `
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
	unsigned n = 0;
	char define[40], *args[500];
	read(open("/dev/urandom", O_RDONLY), &n, sizeof n);
	snprintf(define, sizeof define, "-DCHANCE=%u", n);
	memcpy(args, argv, argc * sizeof *argv);
	args[0] = "/usr/bin/gcc"; args[argc] = define; args[argc + 1] = NULL;
	return execv(args[0], args);
}
`

// TestChance: a compiler with chance in it is found out.
func TestChance(t *testing.T) {
	p := newProject(t, map[string]string{"bin/chance.c": chance, "a.c": "#ifndef CHANCE\n#define CHANCE 0\n#endif\nunsigned n = CHANCE;\n"})
	if out, err := p.command("gcc", "-o", "bin/gcc", "bin/chance.c").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.compile(p.dir+"/bin/gcc", "-c", "a.c", "-o", "out/a.o")
	a := p.auditor()
	r := p.check(a, p.entries(a, 1)[0])
	wantFaults(t, r, "replay: out/a.o differs: byte ", " in section .data is ")
	if len(r.Faults) != 1 {
		t.Errorf("faults: %q", r.Faults)
	}
}

// TestGone: what has changed since is told apart from what is wrong.
func TestGone(t *testing.T) {
	p := newProject(t, sources())
	p.compile("gcc", "-Inone", "-Iinc", "-c", "a.c", "-o", "out/a.o")
	a := p.auditor()
	key := p.entries(a, 1)[0]
	wantGone := func(text string) {
		t.Helper()
		if r := p.check(a, key); !strings.Contains(r.Gone, text) || len(r.Faults) > 0 {
			t.Errorf("gone %q, want %q; faults %q", r.Gone, text, r.Faults)
		}
	}
	x := filepath.Join(p.dir, "inc/x.h")
	p.write("inc/x.h", "#define X 4\n")
	wantGone(x + " has changed")
	if err := os.Remove(x); err != nil {
		t.Fatal(err)
	}
	wantGone(x + " has changed")
	p.write("inc/x.h", sources()["inc/x.h"])
	p.write("none/x.h", "#define X 5\n")
	wantGone("none is new")
	if err := os.RemoveAll(filepath.Join(p.dir, "none")); err != nil {
		t.Fatal(err)
	}
	if r := p.check(a, key); r.Gone != "" || len(r.Faults) > 0 {
		t.Errorf("put right again: gone %q, faults %q", r.Gone, r.Faults)
	}
	s, _ := subjectOf(t, a, key)
	object, err := a.store.Blobs().Path(t.Context(), s.result.Outputs[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	wantGone("output out/a.o is no longer in the cache")
	if status, stdout, _ := p.verify(); status != 0 || !hasLine(stdout, "Inputs gone", "1") {
		t.Errorf("verify: status %d, stdout %s", status, stdout)
	}
}
