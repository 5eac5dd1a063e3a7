package rustc

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

var _ compiler.Scout = (*Language)(nil)

// scoutList is the dependency list of a scout.
const scoutList = "scout.d"

// Scout implements compiler.Scout: rustc that is asked for nothing but the list of
// dependencies runs all macros and stops, after a tenth of the time. What a linker looks at it does not tell.
func (l *Language) Scout(call *compiler.Call, inv *compiler.Invocation, scratch string) (*compiler.Plan, error) {
	d := inv.Detail.(*detail)
	if !d.foreign {
		return nil, compiler.NotCacheable("loads no macros")
	}
	plan, err := l.Plan(call, inv, scratch)
	if err != nil {
		return nil, err
	}
	// Replaced in its place: arguments that map paths go where they do in the call.
	list, found := "dep-info="+filepath.Join(scratch, scoutList), 0
	for i, a := range plan.Args {
		switch {
		case a == "-o" || strings.HasPrefix(a, "-o") && len(a) > 2:
			return nil, compiler.NotCacheable("names its output")
		case a == "--emit" && i+1 < len(plan.Args):
			plan.Args[i+1] = list
			found++
		case strings.HasPrefix(a, "--emit="):
			plan.Args[i] = "--emit=" + list
			found++
		}
	}
	if found != 1 {
		return nil, compiler.NotCacheable("says more than once what to emit")
	}
	return plan, nil
}

// Scouted implements compiler.Scout.
func (l *Language) Scouted(call *compiler.Call, inv *compiler.Invocation, seen *compiler.Observed) (*action.PathSet, error) {
	text, err := os.ReadFile(filepath.Join(seen.Scratch, scoutList))
	if err != nil {
		return nil, compiler.NotCacheable("dep-info missing")
	}
	as := *seen
	as.Looks = slices.Clone(seen.Looks)
	as.Looks = slices.DeleteFunc(as.Looks, func(k compiler.Look) bool {
		return strings.HasPrefix(k.Path, seen.Scratch+"/") || k.Path == seen.Scratch
	})
	as.Output = func(string) (*io.SectionReader, error) {
		return io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text))), nil
	}
	set, err := l.Inputs(call, inv, &as)
	if err != nil {
		return nil, err
	}
	deps, err := parseDepInfo(string(text))
	if err != nil {
		return nil, err
	}
	set.Paths = append(set.Paths, sourcePaths(call.Dir, deps.files)...)
	return set, nil
}
