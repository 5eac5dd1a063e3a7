package archive

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/cachepot/cachepot/internal/digest"
)

// Take takes in the content of one file and says what it is called.
type Take func(content io.Reader, size int64) (digest.Digest, error)

// Read returns the members of the archive in r, sorted by path, and gives the content
// of each file to take, in the order of the archive. A *Refused says what is wrong with
// it; then some contents may have been taken in vain.
func Read(ctx context.Context, r io.Reader, limits Limits, take Take) ([]Member, error) {
	u, err := unpack(r, limits)
	if err != nil {
		return nil, err
	}
	defer u.close()
	c := &collection{limits: limits, members: make(map[string]*Member)}
	t := tar.NewReader(u)
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		before := u.out
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			// Two blocks of zeros end an archive; less than one block fills up a member.
			if u.out-before < 2*block {
				return nil, refuse("", "ends early")
			}
			break
		}
		if err != nil {
			return nil, broken(err)
		}
		if err := c.add(h, t, take); err != nil {
			return nil, err
		}
	}
	if err := rest(u); err != nil {
		return nil, err
	}
	return c.finish()
}

// rest reads what is behind the end of the archive: zeros, with which tar fills up a
// record.
func rest(u *unpacked) error {
	u.zeros = true
	if _, err := io.Copy(io.Discard, u); err != nil {
		return err
	}
	if !u.zeros {
		return refuse("", "goes on behind its end")
	}
	return nil
}

func broken(err error) error {
	if _, ok := errors.AsType[*Refused](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("", "ends early")
	}
	return refuse("", "is damaged: %v", err)
}

// collection is what was read of an archive so far.
type collection struct {
	limits  Limits
	members map[string]*Member // by path; directories that are implied are among them
	count   int
	text    int // bytes of all names and targets
	steps   int // made along links
}

func (c *collection) add(h *tar.Header, content io.Reader, take Take) error {
	if c.count++; c.count > c.limits.Members {
		return refuse("", "has more than %d members", c.limits.Members)
	}
	if c.text += len(h.Name) + len(h.Linkname); c.text > maxText {
		return refuse("", "has more than %d MiB of names", maxText>>20)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return checkRecords("", h.PAXRecords)
	}
	name := h.Name
	p, err := c.path(name, h.Typeflag == tar.TypeDir)
	if err != nil {
		return err
	}
	if err := checkRecords(name, h.PAXRecords); err != nil {
		return err
	}
	kind, err := kindOf(h)
	if err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg && h.Size != 0 {
		return refuse(name, "is no file and has %d bytes", h.Size)
	}
	if kind == Regular && h.Mode&0o6000 != 0 {
		return refuse(name, "runs as another user (setuid or setgid)")
	}
	if mount, below := mountPoint(p); mount {
		if kind == Directory || kind == Regular && below {
			return nil // left out: what lies there comes of the kernel
		}
		return refuse(name, "is no directory where one is mounted")
	}
	m := &Member{Path: p, Kind: kind}
	switch {
	case h.Typeflag == tar.TypeLink:
		err = c.hardLink(m, h)
	case kind == Symlink:
		m.Target = h.Linkname
		err = checkText(name, "leads to a name that", m.Target)
	case kind == Regular:
		m.Executable = h.Mode&0o111 != 0
		if m.Digest, err = take(faulty{content}, h.Size); err != nil {
			return err
		}
		if m.Digest.Size != h.Size {
			return refuse(name, "has %d bytes and says %d", m.Digest.Size, h.Size)
		}
	}
	if err != nil {
		return err
	}
	return c.put(name, m)
}

// faulty reads content, and says of an error that it is the archive's.
type faulty struct{ r io.Reader }

func (f faulty) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err)
	}
	return n, err
}

func kindOf(h *tar.Header) (Kind, error) {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return 0, refuse(h.Name, "is sparse")
		}
	}
	what := map[byte]string{
		tar.TypeChar: "is a device", tar.TypeBlock: "is a device", tar.TypeFifo: "is a pipe",
		tar.TypeGNUSparse: "is sparse", 's': "is a socket",
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeLink:
		return Regular, nil
	case tar.TypeSymlink:
		return Symlink, nil
	case tar.TypeDir:
		return Directory, nil
	}
	if why := what[h.Typeflag]; why != "" {
		return 0, refuse(h.Name, "%s", why)
	}
	return 0, refuse(h.Name, "is of an unknown kind (%q)", h.Typeflag)
}

// checkRecords refuses extended headers that change what a member is in ways that not
// every reader knows.
func checkRecords(name string, records map[string]string) error {
	for key := range records {
		switch key {
		case "path", "linkpath", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment":
			continue
		}
		// These are about what a tree of digests does not have.
		if strings.HasPrefix(key, "SCHILY.") || strings.HasPrefix(key, "LIBARCHIVE.") || strings.HasPrefix(key, "RHT.") || strings.HasPrefix(key, "GNU.sparse.") {
			continue
		}
		return refuse(name, "has an extended header that is not known (%.40q)", key)
	}
	return nil
}

func checkText(member, what, text string) error {
	switch {
	case text == "":
		return refuse(member, "%s is empty", what)
	case !utf8.ValidString(text):
		return refuse(member, "%s is not in UTF-8", what)
	case strings.ContainsRune(text, 0):
		return refuse(member, "%s holds a zero byte", what)
	case len(text) > maxPath:
		return refuse(member, "%s is longer than %d bytes", what, maxPath)
	}
	return nil
}

// path returns the path that a member's name stands for: "usr/bin/gcc" and
// "./usr/bin/gcc" for "/usr/bin/gcc".
func (c *collection) path(name string, directory bool) (string, error) {
	if err := checkText(name, "has a name that", name); err != nil {
		return "", err
	}
	if strings.HasPrefix(name, "/") {
		return "", refuse(name, "has an absolute name")
	}
	rel := strings.TrimPrefix(name, "./")
	if directory {
		rel = strings.TrimSuffix(rel, "/")
		if rel == "" || rel == "." {
			return "/", nil
		}
	}
	parts := strings.Split(rel, "/")
	if len(parts) > c.limits.Depth {
		return "", refuse(name, "lies below more than %d directories", c.limits.Depth)
	}
	for _, part := range parts {
		switch {
		case part == "..":
			return "", refuse(name, "leads out of its directory")
		case part == "" || part == ".":
			return "", refuse(name, "has a name with two spellings")
		case len(part) > maxName:
			return "", refuse(name, "has a name of more than %d bytes", maxName)
		}
	}
	return "/" + rel, nil
}

// mountPoint reports whether p is where the kernel's own file systems are mounted, or
// lies below.
func mountPoint(p string) (mount, below bool) {
	for _, m := range []string{"/dev", "/proc", "/sys"} {
		if p == m || strings.HasPrefix(p, m+"/") {
			return true, p != m
		}
	}
	return false, false
}

// hardLink makes m another name of a file that came before.
func (c *collection) hardLink(m *Member, h *tar.Header) error {
	p, err := c.path(h.Linkname, false)
	if r, ok := errors.AsType[*Refused](err); ok {
		return refuse(h.Name, "is a hard link to %.200q, which %s", h.Linkname, r.Why)
	}
	first := c.members[p]
	if first == nil || first.Kind != Regular {
		return refuse(h.Name, "is a hard link to %.200q, which is no file that came before", h.Linkname)
	}
	m.Digest, m.Executable = first.Digest, first.Executable
	return nil
}

// put adds m, and the directories above it.
func (c *collection) put(name string, m *Member) error {
	for dir := path.Dir(m.Path); dir != "/"; dir = path.Dir(dir) {
		switch above := c.members[dir]; {
		case above == nil:
			if len(c.members) >= c.limits.Members {
				return refuse("", "has more than %d members", c.limits.Members)
			}
			c.members[dir] = &Member{Path: dir, Kind: Directory}
		case above.Kind == Symlink:
			return refuse(name, "lies behind the link %s", dir)
		case above.Kind == Regular:
			return refuse(name, "lies below the file %s", dir)
		}
	}
	if old := c.members[m.Path]; old != nil && (old.Kind != Directory || m.Kind != Directory) {
		return refuse(name, "is there twice")
	}
	c.members[m.Path] = m
	return nil
}
