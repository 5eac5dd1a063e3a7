package filestate

import (
	"os"
	"sort"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
)

// search looks for every name of t in the spelled directory p.
func (e *evaluation) search(p string, t *trie) error {
	real, err := e.walk(p, 0)
	if err != nil || real == "" {
		return err
	}
	return e.searchIn(real, t)
}

func (e *evaluation) searchIn(dir string, t *trie) error {
	d, err := e.dirOf(dir)
	if err != nil {
		return err
	}
	d.counts = true
	present, err := e.presentNames(d, t)
	if err != nil {
		return err
	}
	d.probes = append(d.probes, probe{t, present})
	for _, name := range present {
		if err := e.searchName(dir, name, t.children[name]); err != nil {
			return err
		}
	}
	return nil
}

// searchName goes on below an entry that exists.
func (e *evaluation) searchName(dir, name string, t *trie) error {
	if t.ends {
		if err := e.lookIn(dir, name, 0); err != nil {
			return err
		}
	}
	if len(t.children) == 0 {
		return nil
	}
	real, err := e.walk(join(dir, name), 0)
	if err != nil || real == "" {
		return err
	}
	return e.searchIn(real, t)
}

// presentNames returns which first components of t's names exist in d, in order.
func (e *evaluation) presentNames(d *dirSeen, t *trie) ([]string, error) {
	l, err := e.view.list(d.path.String(), d.id)
	if os.IsPermission(err) {
		return present(d.path.String(), t), nil
	}
	if err != nil {
		return nil, err
	}
	if l.id != d.id {
		d.id = l.id // changed since it was first seen in this pass
	}
	return l.present(t), nil
}

// present is listing.present for a directory that may be searched but not listed.
func present(dir string, t *trie) []string {
	var out []string
	for _, name := range t.firsts {
		if _, err := stat(makeCPath(join(dir, name)), true); err == nil {
			out = append(out, name)
		}
	}
	return out
}

func (l *listing) present(t *trie) []string {
	var out []string
	if len(l.names) < len(t.children) {
		for name := range l.names {
			if t.children[name] != nil {
				out = append(out, name)
			}
		}
		for _, dots := range []string{".", ".."} {
			if t.children[dots] != nil {
				out = append(out, dots)
			}
		}
		sort.Strings(out)
		return out
	}
	for _, name := range t.firsts {
		if _, ok := l.names[name]; ok || name == ".." || name == "." {
			out = append(out, name)
		}
	}
	return out
}

// listing looks at every entry of a directory that l's predicate takes.
func (e *evaluation) listing(l action.Listing) error {
	real, err := e.walk(l.Dir, 0)
	if err != nil || real == "" {
		return err
	}
	d, err := e.dirOf(real)
	if err != nil {
		return err
	}
	d.counts = true
	names, err := e.view.list(real, d.id)
	if err != nil {
		return err
	}
	d.id = names.id
	match := names.matching(l)
	d.listings = append(d.listings, listingSeen{l, match})
	for _, name := range match {
		if err := e.lookIn(real, name, 0); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) matching(q action.Listing) []string {
	var out []string
	for name := range l.names {
		if len(name) >= len(q.Prefix)+len(q.Suffix) && strings.HasPrefix(name, q.Prefix) && strings.HasSuffix(name, q.Suffix) {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// trie holds the names of a search by their components.
type trie struct {
	firsts   []string // keys of children, sorted
	children map[string]*trie
	ends     bool // a name ends here
}

func newTrie(names []string) *trie {
	t, leaf := &trie{}, &trie{ends: true}
	for _, n := range names {
		t.add(n, leaf)
	}
	t.sort()
	return t
}

// add puts name into t. Names that nothing goes on below share one leaf: most
// do, and a big C++ unit has a thousand of them.
func (t *trie) add(name string, leaf *trie) {
	first, rest, more := strings.Cut(name, "/")
	if first == "" {
		if more {
			t.add(rest, leaf)
		}
		return
	}
	if t.children == nil {
		t.children = make(map[string]*trie)
	}
	sub := t.children[first]
	rest = strings.TrimLeft(rest, "/")
	switch {
	case sub == nil && rest == "":
		t.children[first] = leaf
	case rest == "":
		sub.ends = true
	case sub == nil || sub == leaf:
		sub = &trie{ends: sub == leaf}
		t.children[first] = sub
		fallthrough
	default:
		sub.add(rest, leaf)
	}
}

func (t *trie) sort() {
	for name, sub := range t.children {
		t.firsts = append(t.firsts, name)
		if len(sub.children) > 0 {
			sub.sort()
		}
	}
	sort.Strings(t.firsts)
}
