package archive

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// maxHops is how many links one look-up may go through, as in Linux.
const maxHops = 40

// maxSteps bounds the work that all links together make, in parts of paths.
const maxSteps = 20_000_000

// finish checks what only the whole archive tells, and returns its members.
func (c *collection) finish() ([]Member, error) {
	out := make([]Member, 0, len(c.members))
	for _, p := range slices.Sorted(maps.Keys(c.members)) {
		m := c.members[p]
		if m.Kind == Symlink {
			if err := c.follow(m); err != nil {
				return nil, err
			}
		}
		if p != "/" {
			out = append(out, *m)
		}
	}
	return out, nil
}

// follow refuses a link that leads out of the root, to what the kernel has there, or
// in a circle. One that leads nowhere is none of our business: what it is for may be
// no part of the toolchain.
func (c *collection) follow(m *Member) error {
	name := m.Path[1:]
	at, todo := path.Dir(m.Path), strings.Split(m.Target, "/")
	if path.IsAbs(m.Target) {
		at = "/"
	}
	for hops := 1; len(todo) > 0; {
		if c.steps++; c.steps > maxSteps {
			return refuse("", "has too many long links")
		}
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "/" {
				return refuse(name, "is a link that leads out of the archive (%.200q)", m.Target)
			}
			at = path.Dir(at)
			continue
		}
		at = path.Join(at, part)
		if mount, _ := mountPoint(at); mount {
			return refuse(name, "is a link to what is no file of the archive (%.200q)", m.Target)
		}
		next := c.members[at]
		if next == nil || next.Kind != Symlink {
			continue
		}
		if hops++; hops > maxHops {
			return refuse(name, "is a link that leads in a circle")
		}
		todo = append(strings.Split(next.Target, "/"), todo...)
		if at = path.Dir(at); path.IsAbs(next.Target) {
			at = "/"
		}
	}
	return nil
}
