package audit

import (
	"path"
	"strings"

	"github.com/cachepot/cachepot/internal/tree"
	"github.com/cachepot/cachepot/internal/watch"
)

// resolvedOnly reports whether e is rustc following the name of a crate's library
// where it is content with the metadata beside it. rustc resolves every name of a
// crate that it finds in a directory of -L dependency, and opens the .rmeta alone
// where that has the wanted hash. cargo builds the .rlib after crates that depend
// on it have been compiled, so the entry does not say whether it is there:
// it claims the names that end with .rmeta (see docs/spec/inputs.md).
func (j *judge) resolvedOnly(e *watch.Event) bool {
	if e.Op != watch.Link && e.Op != watch.Probe {
		return false
	}
	dir, name := path.Split(path.Clean(e.Path))
	ext := path.Ext(name)
	if ext != ".rlib" && ext != ".so" {
		return false
	}
	stem := strings.TrimSuffix(name, ext)
	real, _ := resolve(dir)
	if j.nodes[path.Join(real, stem+".rmeta")].Kind != tree.Regular {
		return false
	}
	for _, set := range j.paths {
		for _, l := range set.Listings {
			if at, _ := resolve(l.Dir); at == real && l.Suffix == ".rmeta" && stem == l.Prefix {
				return true
			}
		}
	}
	return false
}
