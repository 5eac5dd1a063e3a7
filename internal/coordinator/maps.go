package coordinator

import (
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/roots"
)

// keepMacros leaves the names that sources ask for as they are, unless the user wants
// other ones.
func (j *job) keepMacros() {
	for i := range j.places.Maps {
		if kind := &j.places.Maps[i]; kind.Macros && !j.s.MapMacros {
			kind.Args = nil
		}
	}
}

// mapArgs returns the arguments that have the compiler write the names of the roots in
// list, which are called as of tells. Where the command itself says what is written for
// one, that stands.
func (j *job) mapArgs(m *roots.Map, list []roots.Root, of func(roots.Root) string) []string {
	var args []string
	for _, kind := range j.places.Maps {
		if kind.Args == nil {
			continue
		}
		var before, maps, behind []string
		// A root's name may be the beginning of another's, and many compilers take the
		// last that fits: the longest, which is the first in the list.
		for _, r := range slices.Backward(list) {
			if slices.ContainsFunc(kind.Own, func(own string) bool { return m.Fixed(own) == r.Fixed }) {
				continue
			}
			maps = append(maps, kind.Args(of(r), r.Name)...)
			below, ok := strings.CutPrefix(m.Fixed(j.call.Dir), r.Fixed+"/")
			if ok && r.Name == "." && kind.Standing != nil && !slices.ContainsFunc(kind.Own, m.Within) {
				first, last := kind.Standing(of(r)+"/"+below, below)
				before, behind = first, append(behind, last...)
			}
		}
		args = slices.Concat(args, before, maps, behind)
	}
	return args
}

// withMaps returns arguments of a run with those that map the real roots.
func (j *job) withMaps(args []string) []string {
	if len(j.maps) == 0 {
		return args
	}
	return slices.Insert(slices.Clone(args), j.places.MapsAt, j.maps...)
}

// mapsBetray returns how what is written for directories would tell where the roots of m
// are, "" where it does not. Compilers compare the beginnings of names, not directories.
func (j *job) mapsBetray(m *roots.Map) string {
	for _, r := range m.Spellings() {
		if slices.ContainsFunc(j.places.Maps, func(kind compiler.Map) bool { return ownAbove(kind, r.Real) }) {
			return "a map of the command begins above the project"
		}
	}
	if j.mapsTouch(m, j.call.Dir) {
		return beside
	}
	return ""
}

const beside = "a directory beside the project begins with its name"

// mapsTouch reports whether compilers replace the beginning of p, which lies in no root.
func (j *job) mapsTouch(m *roots.Map, p string) bool {
	return slices.ContainsFunc(j.places.Maps, isUsed) && !m.Within(p) &&
		slices.ContainsFunc(m.Spellings(), func(r roots.Root) bool { return strings.HasPrefix(p, r.Real) })
}

// ownAbove reports whether the command replaces a part of the path dir.
func ownAbove(kind compiler.Map, dir string) bool {
	return slices.ContainsFunc(kind.Own, func(own string) bool { return own != dir && strings.HasPrefix(dir, own) })
}

func isUsed(kind compiler.Map) bool { return kind.Args != nil || len(kind.Own) > 0 }

// showsInMacros reports whether a file or directory that the call names by p shows the
// real places to a source that asks for the name of a file.
func (f *face) showsInMacros(p string) bool {
	covered := func(kind compiler.Map) bool {
		return kind.Macros && (kind.Args != nil || slices.ContainsFunc(kind.Own, func(own string) bool { return strings.HasPrefix(p, own) }))
	}
	return f.places.Within(p) && !slices.ContainsFunc(f.j.places.Maps, covered)
}
