package compiler

import "strings"

// Variables are the classes that the user and the project put variables in,
// beside those that a language has of its own. An element is a name, or "*"
// after the beginning of names.
type Variables struct {
	Keyed    []string // seen, and in the key
	Removed  []string // not seen by code that may read any variable
	Plumbing []string // seen, and not in the key; the user's own word only
}

// Names is a set of names of variables, for looking up.
type Names struct {
	exact    map[string]bool
	prefixes []string
}

// Add adds the names that patterns stand for.
func (n *Names) Add(patterns ...string) {
	if n.exact == nil {
		n.exact = make(map[string]bool, len(patterns))
	}
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			n.prefixes = append(n.prefixes, prefix)
		} else {
			n.exact[p] = true
		}
	}
}

// Has reports whether name is in the set.
func (n *Names) Has(name string) bool {
	if n.exact[name] {
		return true
	}
	for _, p := range n.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// Patterns returns what the set was made of, in no order.
func (n *Names) Patterns() (exact map[string]bool, prefixes []string) { return n.exact, n.prefixes }
