package cfamily

import (
	"bytes"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Exists reports whether there is something at p.
func Exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

// Opened takes in a file that the process tree opened: as a header where it is
// text, else as it is. What the tree wrote, directories and the machinery of the
// C library are left out.
func (c *Claims) Opened(p string) error {
	p, ok, err := c.input(p)
	if !ok || err != nil {
		return err
	}
	c.opened = append(c.opened, p)
	if !c.cmd.Lang.Preprocess || isProgram(p) {
		c.paths[p] = true
		return nil
	}
	return c.Header(p)
}

// OpenedText is Opened for a compiler that says by itself what it read beside
// headers: programs and libraries are left out.
func (c *Claims) OpenedText(p string) error {
	p, ok, err := c.input(p)
	if !ok || err != nil || isProgram(p) || isTemporary(p) {
		return err
	}
	if slices.Contains(c.headerSuffix, path.Ext(p)) {
		c.paths[p] = true
		return nil
	}
	return c.Header(p)
}

// input makes a path that was opened absolute and reports whether it is an input.
func (c *Claims) input(p string) (abs string, ok bool, err error) {
	abs = Abs(c.call.Dir, p)
	skip, err := machinery(path.Clean(abs))
	if skip || err != nil {
		return abs, false, err
	}
	for _, o := range c.inv.Outputs {
		if path.Clean(Abs(c.call.Dir, o.Path)) == path.Clean(abs) {
			return abs, false, nil
		}
	}
	info, err := os.Stat(abs)
	if err != nil { // what the tree made itself, and removed, is not reported
		return abs, false, compiler.NotCacheable("input removed during the compile")
	}
	if info.IsDir() {
		return abs, false, nil
	}
	if !info.Mode().IsRegular() {
		return abs, false, compiler.NotCacheable("reads what is no file")
	}
	return abs, true, nil
}

// machinery recognises what processes read of their system and what decides
// nothing: the list is closed, other such files make a call uncacheable.
func machinery(p string) (skip bool, err error) {
	for _, exact := range []string{"/etc/ld.so.cache", "/etc/ld.so.preload", "/dev/null", "/dev/tty", "/dev/urandom",
		"/proc/meminfo", "/proc/cpuinfo", "/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage/enabled",
		"/usr/share/locale/locale.alias", "/etc/locale.alias"} {
		if p == exact {
			return true, nil
		}
	}
	for _, tree := range []string{"/usr/lib/locale/", "/usr/share/locale/", "/proc/self/", "/sys/devices/system/", "/sys/fs/cgroup/"} {
		if strings.HasPrefix(p, tree) {
			return true, nil
		}
	}
	for _, tree := range []string{"/proc/", "/sys/", "/dev/"} {
		if strings.HasPrefix(p, tree) {
			return false, compiler.NotCacheable("reads %s", strings.Trim(tree, "/"))
		}
	}
	return false, nil
}

// isProgram recognises objects, programs and libraries, which no preprocessor
// reads as text.
func isProgram(p string) bool {
	f, err := os.Open(p)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	n, _ := f.Read(head)
	return bytes.Equal(head[:n], []byte("\x7fELF"))
}

// AssembledRest claims, for all opened files that no include explains, the
// places where an assembler looks for them (.incbin, .include).
func (c *Claims) AssembledRest() {
	explained := map[string]bool{}
	for here, names := range c.beside {
		for name := range names {
			explained[Abs(here, name)] = true
		}
	}
	for name := range c.searched {
		for _, d := range c.chain {
			explained[Abs(d.path, name)] = true
		}
	}
	for _, p := range slices.Compact(c.opened) {
		if !explained[p] {
			c.assembled(p)
		}
	}
}
