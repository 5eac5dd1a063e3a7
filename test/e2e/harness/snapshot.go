package harness

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// File is one entry of a directory tree as a test compares it.
type File struct {
	Mode   fs.FileMode
	Nlink  uint64
	Data   string // contents, or a symbolic link's target
	Device uint64
	// Kept: the same inode was there before the command. Fresh: it was not there
	// with this time stamp, so the command has written it.
	Kept, Fresh bool
	id          identity
	written     time.Time
}

type identity struct {
	ino   uint64
	birth unix.StatxTimestamp // inode numbers are used again at once
}

// Tree is a directory by names relative to it.
type Tree map[string]File

// Scan reads the tree below root. before is the tree as it was before a command.
func Scan(root string, before Tree) (Tree, error) {
	out := Tree{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		name, _ := filepath.Rel(root, p)
		f, err := look(p)
		if err != nil {
			return err
		}
		f.Kept = before[name].id == f.id
		f.Fresh = f.Mode.IsRegular() && !before[name].written.Equal(f.written)
		out[name] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan %s: %w", root, err)
	}
	return out, nil
}

func look(p string) (File, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, p, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return File{}, err
	}
	info, err := os.Lstat(p)
	if err != nil {
		return File{}, err
	}
	f := File{Mode: info.Mode(), Nlink: uint64(st.Nlink), Device: uint64(st.Rdev_major)<<32 | uint64(st.Rdev_minor),
		id: identity{st.Ino, st.Btime}, written: info.ModTime()}
	switch {
	case info.Mode().IsRegular():
		b, err := os.ReadFile(p)
		if err != nil && !os.IsPermission(err) {
			return File{}, err
		}
		f.Data = string(b)
	case info.Mode()&fs.ModeSymlink != 0:
		f.Data, err = os.Readlink(p)
	case info.IsDir():
		f.Nlink = 0 // says how many directories are in it, which are compared anyway
	}
	return f, err
}

// Result is what a command did.
type Result struct {
	Status         string // as os.ProcessState says it
	Stdout, Stderr string
	Tree           Tree
}

// Diff says how b, got through cachepot, differs from the bare a; "" is not at
// all. Where again is not nil it is a second bare run from the same start: what
// differs between the two is random, and is not compared.
func Diff(a, b, again *Result) string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if again == nil {
		again = a
	}
	if a.Status != b.Status {
		say("status: bare %s, cachepot %s", a.Status, b.Status)
	}
	if a.Stdout != b.Stdout && a.Stdout == again.Stdout {
		say("stdout: bare %s, cachepot %s", clip(a.Stdout), clip(b.Stdout))
	}
	if a.Stderr != b.Stderr && a.Stderr == again.Stderr {
		say("stderr: bare %s, cachepot %s", clip(a.Stderr), clip(b.Stderr))
	}
	for _, name := range names(a.Tree, b.Tree) {
		x, inA := a.Tree[name]
		y, inB := b.Tree[name]
		z, inAgain := again.Tree[name]
		switch {
		case inA && !inB && inAgain:
			say("%s: missing", name)
		case inB && !inA && len(again.Tree) == len(a.Tree) && !randomNames(a.Tree, again.Tree):
			say("%s: is not there after a bare run", name)
		case inA && inB:
			if d := x.diff(&y, x.Data != z.Data); d != "" {
				say("%s: %s", name, d)
			}
		}
	}
	return strings.Join(out, "\n")
}

// randomNames reports whether two bare runs made files of different names.
func randomNames(a, b Tree) bool {
	for name := range a {
		if _, there := b[name]; !there {
			return true
		}
	}
	return false
}

func (f *File) diff(g *File, loose bool) string {
	switch {
	case f.Mode != g.Mode:
		return fmt.Sprintf("mode: bare %s, cachepot %s", f.Mode, g.Mode)
	case f.Nlink != g.Nlink:
		return fmt.Sprintf("links: bare %d, cachepot %d", f.Nlink, g.Nlink)
	case f.Device != g.Device:
		return "another device"
	case f.Data != g.Data && !loose:
		return "bytes: " + firstDifference(f.Data, g.Data)
	case f.Kept != g.Kept && !f.Mode.IsDir():
		return fmt.Sprintf("same inode as before: bare %v, cachepot %v", f.Kept, g.Kept)
	case f.Fresh != g.Fresh:
		return fmt.Sprintf("written by this call: bare %v, cachepot %v", f.Fresh, g.Fresh)
	}
	return ""
}

// Either returns a with those files of b in place of its own whose bytes got has: where the
// bare compiler may be run in two ways, got is right if each file is what one of them makes.
func Either(a, b, got *Result) *Result {
	out := *a
	out.Tree = maps.Clone(a.Tree)
	for name, f := range b.Tree {
		if g, there := got.Tree[name]; there && g.Data == f.Data {
			out.Tree[name] = f
		}
	}
	return &out
}

// Same reports whether two results of the bare compiler are alike, as its user
// sees it: a change that leaves them alike proves nothing.
func Same(a, b *Result) bool {
	if a.Status != b.Status || a.Stdout != b.Stdout || a.Stderr != b.Stderr {
		return false
	}
	for _, name := range names(a.Tree, b.Tree) {
		x, y := a.Tree[name], b.Tree[name]
		if x.Fresh != y.Fresh || x.Fresh && (x.Mode != y.Mode || x.Data != y.Data || x.Kept != y.Kept) {
			return false
		}
	}
	return true
}

func names(trees ...Tree) []string {
	all := map[string]bool{}
	for _, t := range trees {
		for name := range t {
			all[name] = true
		}
	}
	out := make([]string, 0, len(all))
	for name := range all {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

func clip(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%q... (%d bytes)", s[:300], len(s))
	}
	return fmt.Sprintf("%q", s)
}

func firstDifference(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	around := func(s string) string {
		return clip(string(bytes.ToValidUTF8([]byte(s[max(0, n-30):min(len(s), n+30)]), []byte("?"))))
	}
	return fmt.Sprintf("bare %d, cachepot %d bytes, first difference at %d: %s against %s", len(a), len(b), n, around(a), around(b))
}
