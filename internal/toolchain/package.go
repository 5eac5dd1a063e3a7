package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/archive"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
)

// packing finds out what a compiler needs for all that it may be asked to do.
type packing struct {
	r     *Registry
	env   []string
	paths action.PathSet
}

// sample is a run of a compiler on a small source.
type sample struct {
	compiler, source, content string
	args                      []string
	needed                    bool // it must succeed; the others may be beyond an installation
}

// Package writes an archive of the compiler at exe, an absolute path, to w: the compiler
// with all that it starts and reads to compile and to link, found by watching it, and its
// own headers. name says how it is packed, as in archive.NewWriter. It returns the path of
// the compiler in the archive. Equal files give equal bytes.
func (r *Registry) Package(ctx context.Context, w io.Writer, name, exe string, env compiler.Environ, show Progress) (string, error) {
	p := &packing{r: r, env: choose(env, []string{"PATH", "LD_LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX", "HOME", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"})}
	exe, err := p.behindProxy(ctx, exe)
	if err != nil {
		return "", err
	}
	tool, err := identify(ctx, exe, p.env, "/")
	if err != nil {
		return "", fmt.Errorf("%s: %w", exe, err)
	}
	samples := rustSamples(exe)
	if tool.Family != "rustc" {
		if samples, err = p.cSamples(ctx, tool, exe); err != nil {
			return "", err
		}
	}
	for _, t := range samples {
		if err := p.try(ctx, t); err != nil {
			return "", fmt.Errorf("%s %s: %w", t.compiler, strings.Join(t.args, " "), err)
		}
	}
	if tool.Sysroot != "" {
		listings, err := sysrootListings(tool.Sysroot)
		if err != nil {
			return "", fmt.Errorf("read sysroot: %w", err)
		}
		p.paths.Listings = append(p.paths.Listings, listings...)
	}
	p.paths.Paths = append(p.paths.Paths, "/bin/true") // by which icecream tries an archive
	p.paths.Normalize()
	ahead := newReader(r.view, show)
	ahead.wantAll(&p.paths)
	ahead.wait()
	snap, err := r.view.Evaluate(&p.paths)
	if err != nil {
		return "", fmt.Errorf("read toolchain: %w", err)
	}
	return exe, writeArchive(w, name, snap, p.icecreamLinks(ctx, tool, exe))
}

// behindProxy returns the compiler that rustup's proxy at exe runs, or exe.
func (p *packing) behindProxy(ctx context.Context, exe string) (string, error) {
	real, err := filepath.EvalSymlinks(exe)
	if err != nil {
		return "", err
	}
	if !isRustup(real) {
		return exe, nil
	}
	out, err := spawn.Run(ctx, spawn.Command{Path: exe, Args: []string{exe, "--print", "sysroot"}, Env: p.env, Dir: "/"})
	if err != nil {
		return "", err
	}
	return filepath.Join(strings.TrimSpace(string(out.Stdout)), "bin", filepath.Base(exe)), nil
}

func rustSamples(exe string) []sample {
	crate := func(kind, content string, needed bool) sample {
		return sample{exe, "r.rs", content, []string{"--crate-type", kind, "--crate-name", "r", "-g", "r.rs"}, needed}
	}
	return []sample{
		crate("lib", "", true),
		crate("bin", "fn main() {}", true),
		crate("proc-macro", "extern crate proc_macro;", true),
		crate("cdylib", "", false),
		crate("staticlib", "", false),
	}
}

// cSamples returns what shows all of gcc or clang, and names its own headers.
func (p *packing) cSamples(ctx context.Context, tool compiler.Tool, exe string) ([]sample, error) {
	var out []sample
	add := func(driver, lang, content string, needed bool, args ...string) {
		out = append(out, sample{driver, "source", content, slices.Concat([]string{"-x", lang}, args), needed})
	}
	compile := []string{"-g", "-O2", "-c", "source", "-o", "object"}
	for _, lang := range []string{"c", "c++", "assembler-with-cpp", "assembler", "objective-c"} {
		content := "int x;\n"
		if strings.HasPrefix(lang, "assembler") {
			content = "\t.text\n"
		}
		add(exe, lang, content, lang == "c", compile...)
	}
	add(exe, "c", "int x;\n", false, append([]string{"-gsplit-dwarf"}, compile...)...)
	add(exe, "c", "int x;\n", false, append([]string{"-flto"}, compile...)...)
	add(exe, "c", "int main(void) { return 0; }\n", false, "source", "-o", "program")
	add(exe, "c", "int x;\n", false, "-shared", "-fPIC", "source", "-o", "library.so")
	if plus := besides(exe); plus != "" {
		add(plus, "c++", "int x;\n", true, compile...)
		add(plus, "c++", "int main() {}\n", false, "source", "-o", "program")
	}
	dirs := []string{p.ask(ctx, exe, "-print-file-name=include"), p.ask(ctx, exe, "-print-file-name=include-fixed")}
	if tool.Family == "clang" {
		add(exe, "c", "int x;\n", false, append([]string{"-fno-integrated-as"}, compile...)...)
		resources := p.ask(ctx, exe, "-print-resource-dir")
		dirs = []string{resources + "/include", resources + "/share"}
	}
	for _, d := range dirs {
		if err := p.headers(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ask returns what the compiler answers to a question, "" where it does not.
func (p *packing) ask(ctx context.Context, exe, question string) string {
	out, err := spawn.Run(ctx, spawn.Command{Path: exe, Args: []string{exe, question}, Env: p.env, Dir: "/"})
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out.Stdout))
}

// besides returns the C++ driver that belongs to a C driver, "" where there is none.
func besides(exe string) string {
	dir, name := filepath.Split(exe)
	for _, pair := range [][2]string{{"gcc", "g++"}, {"clang", "clang++"}} {
		i := strings.LastIndex(name, pair[0])
		if i < 0 || strings.Contains(name, "++") {
			continue
		}
		plus := dir + name[:i] + pair[1] + name[i+len(pair[0]):]
		if _, err := os.Stat(plus); err == nil {
			return plus
		}
	}
	return ""
}

// headers takes in all files below a directory of the compiler's own.
func (p *packing) headers(dir string) error {
	if !filepath.IsAbs(dir) {
		return nil // the compiler has none
	}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			p.paths.Paths = append(p.paths.Paths, at)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// try runs a sample, watched, and takes in what it found.
func (p *packing) try(ctx context.Context, t sample) error {
	scratch, err := scratchDirectory()
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := os.WriteFile(filepath.Join(scratch, t.source), []byte(t.content), 0o600); err != nil {
		return err
	}
	o, err := p.r.watch(ctx, spawn.Command{Path: t.compiler, Args: append([]string{t.compiler}, t.args...), Env: append([]string{"TMPDIR=" + scratch}, p.env...), Dir: scratch})
	switch {
	case err != nil:
		return err
	case o.Failed && t.needed:
		return errors.New("it fails at a source with next to nothing in it")
	case o.Failed:
		return nil
	case o.Incomplete != "":
		return errors.New("it cannot be watched: " + o.Incomplete)
	}
	seen := sighting{paths: &action.PathSet{Paths: []string{t.compiler}}}
	seen.add(o, scratch)
	for _, l := range seen.looks {
		if l.Found {
			p.paths.Paths = append(p.paths.Paths, l.Path)
		}
	}
	p.paths.Paths = append(p.paths.Paths, t.compiler)
	return nil
}

// icecreamLinks returns links at the places where icecream's daemon looks for a compiler
// and its programs.
func (p *packing) icecreamLinks(ctx context.Context, tool compiler.Tool, exe string) map[string]string {
	links := map[string]string{}
	add := func(name, to string) {
		if at := "/usr/bin/" + name; filepath.IsAbs(to) && to != at {
			links[at] = to
		}
	}
	switch tool.Family {
	case "gcc":
		add("gcc", exe)
		add("g++", besides(exe))
		for _, name := range []string{"cc1", "cc1plus", "as", "objcopy"} {
			add(name, p.ask(ctx, exe, "-print-prog-name="+name))
		}
	case "clang":
		add("clang", exe)
		add("as", p.ask(ctx, exe, "-print-prog-name=as"))
	}
	return links
}

// contents sorts what a snapshot holds.
type contents struct {
	files map[string]content
	links map[string]string
	dirs  map[string]bool
}

type content struct {
	digest     digest.Digest
	executable bool
}

func (c *contents) File(p string, d digest.Digest, executable bool) {
	c.files[p] = content{d, executable}
}
func (c *contents) Symlink(p, target string) { c.links[p] = target }
func (c *contents) Dir(p string)             { c.dirs[p] = true }

// writeArchive writes the archive of what is in snap, and of links where that has nothing.
func writeArchive(w io.Writer, name string, snap *filestate.Snapshot, links map[string]string) error {
	c := &contents{make(map[string]content), make(map[string]string), make(map[string]bool)}
	snap.AddTo(c)
	for p, target := range links {
		if _, file := c.files[p]; !file && c.links[p] == "" {
			c.links[p] = target
		}
	}
	var all []string
	for p := range c.files {
		all = append(all, p)
	}
	for p := range c.links {
		all = append(all, p)
	}
	for p := range c.dirs {
		all = append(all, p)
	}
	slices.Sort(all)
	out, err := archive.NewWriter(w, name)
	if err != nil {
		return err
	}
	for _, p := range slices.Compact(all) {
		if err := c.put(out, p); err != nil {
			return err
		}
	}
	return out.Close()
}

func (c *contents) put(out *archive.Writer, p string) error {
	if f, ok := c.files[p]; ok {
		return c.putFile(out, p, f)
	}
	if target := c.links[p]; target != "" {
		return out.Symlink(p, inside(p, target))
	}
	if p == "/" {
		return nil
	}
	return out.Directory(p)
}

// inside spells the target of a link at p so that it holds wherever the archive is laid
// out.
func inside(p, target string) string {
	if !path.IsAbs(target) {
		return target
	}
	rel, err := filepath.Rel(path.Dir(p), target)
	if err != nil {
		return target
	}
	return rel
}

func (c *contents) putFile(out *archive.Writer, p string, was content) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	h := digest.NewHasher()
	if err := out.File(p, was.executable, was.digest.Size, io.TeeReader(f, h)); err != nil {
		return err
	}
	if h.Digest() != was.digest {
		return fmt.Errorf("write archive: %s changes", p)
	}
	return nil
}
