// Package gcc reads the command lines of gcc and g++. What it shares with other
// C compilers is in cfamily. Only the coordinator's composition may import it.
package gcc

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// The files that a miss leaves in its scratch directory.
const (
	headerList    = "cpp.d" // headers, where the caller asked for no list
	assemblerList = "as.d"  // what the assembler read
)

type language struct {
	dialect *cfamily.Dialect
	memo    *cfamily.Memo
}

// New returns the language of gcc 11 and later.
func New() compiler.Language {
	return &language{
		dialect: cfamily.New(cfamily.Dialect{
			Options:      Options(),
			Env:          Env(),
			Outputs:      outputs,
			HeaderSuffix: []string{".gch"},
			Epoch:        true,
		}),
		memo: cfamily.NewMemo(),
	}
}

func (l *language) Parse(call *compiler.Call) (*compiler.Invocation, error) {
	inv, err := l.dialect.Parse(call)
	if err != nil {
		return nil, err
	}
	for _, a := range inv.Args {
		// Without -M or -MM gcc refuses these, unless the environment asks for
		// dependencies, as a miss would.
		if !inv.Detail.(*cfamily.Command).Dep.On && (strings.HasPrefix(a, "-MT") || strings.HasPrefix(a, "-MQ") || a == "-MP" || a == "-MG" || strings.HasPrefix(a, "-MF")) {
			return nil, compiler.NotCacheable("%s without -MD", a[:3])
		}
	}
	return inv, nil
}

// Plan has gcc list what it reads. The list of headers is written beside the
// caller's own files, and neither list changes a byte of the object. Where the
// caller's list leaves system headers out there can be no other; then the process
// tree is watched.
func (l *language) Plan(_ *compiler.Call, inv *compiler.Invocation, scratch string) (*compiler.Plan, error) {
	if strings.Contains(scratch, " ") {
		return nil, compiler.NotCacheable("scratch directory with a space")
	}
	cmd := inv.Detail.(*cfamily.Command)
	if cmd.Watched {
		return &compiler.Plan{Args: inv.Args, Looks: true}, l.checkSpecs(cmd.Specs)
	}
	plan := &compiler.Plan{Args: inv.Args, Watch: cmd.LTO || cmd.Dep.On && cmd.Dep.User && cmd.Lang.Preprocess}
	if cmd.Lang.Preprocess && !cmd.Dep.On {
		// The word behind the space is the target of the rule.
		plan.Env = []string{"SUNPRO_DEPENDENCIES=" + filepath.Join(scratch, headerList) + " x"}
	}
	// Bitcode records the assembler's options.
	if !cmd.Assembly && !cmd.LTO {
		plan.Args = slices.Concat(inv.Args, []string{"-Xassembler", "--MD", "-Xassembler", filepath.Join(scratch, assemblerList)})
	}
	return plan, nil
}

// Inputs puts the lists together with the rules of the searches.
func (l *language) Inputs(call *compiler.Call, inv *compiler.Invocation, seen *compiler.Observed) (*action.PathSet, error) {
	cmd := inv.Detail.(*cfamily.Command)
	claims, err := l.dialect.Claims(l.memo, call, inv)
	if err != nil {
		return nil, err
	}
	if err := claims.Source(); err != nil {
		return nil, err
	}
	if cmd.Watched {
		return l.watched(claims, cmd, seen)
	}
	if cmd.Lang.Preprocess {
		if err := headers(claims, call, cmd, seen); err != nil {
			return nil, err
		}
	}
	switch {
	case cmd.LTO:
		if err := opened(claims, seen); err != nil {
			return nil, err
		}
	case !cmd.Assembly:
		deps, err := cfamily.ReadDepFile(seen, assemblerList)
		if err != nil {
			return nil, compiler.NotCacheable("no list of the assembler's files")
		}
		claims.Assembler(deps)
	}
	if err := helpers(claims, cmd); err != nil {
		return nil, err
	}
	return claims.PathSet()
}

// opened takes in all that a watched run opened.
func opened(claims *cfamily.Claims, seen *compiler.Observed) error {
	if len(seen.Opened) == 0 {
		return compiler.NotCacheable("link-time optimisation was not watched")
	}
	for _, p := range seen.Opened {
		if err := claims.Opened(p); err != nil {
			return err
		}
	}
	claims.AssembledRest()
	return nil
}

// helpers claims the programs that the driver runs.
func helpers(claims *cfamily.Claims, cmd *cfamily.Command) error {
	own, libraries, err := claims.DriverDirs()
	if err != nil {
		return err
	}
	var names []string
	if cmd.Lang.Compile || cmd.Lang.Preprocess {
		names = append(names, compilerProper(cmd.Lang))
	}
	if !cmd.Assembly {
		names = append(names, "as")
	}
	if cmd.SplitDwarf {
		names = append(names, "objcopy")
	}
	for _, name := range names {
		claims.Program(name, own)
	}
	// specs files are looked for before the driver knows of directories that are
	// not its own.
	for _, d := range own {
		claims.Data(d + "/specs")
	}
	for _, d := range libraries {
		if strings.HasPrefix(d, own[0]) {
			claims.Data(d + "/specs")
		}
	}
	return nil
}

// compilerProper names the program that compiles or preprocesses a language.
func compilerProper(lang cfamily.Lang) string {
	objective := strings.HasPrefix(lang.Name, "objective-c")
	switch {
	case objective && lang.CPlus:
		return "cc1objplus"
	case objective:
		return "cc1obj"
	case lang.CPlus:
		return "cc1plus"
	}
	return "cc1"
}

// headers takes in the headers that were read.
func headers(claims *cfamily.Claims, call *compiler.Call, cmd *cfamily.Command, seen *compiler.Observed) error {
	// gcc includes this one by itself, where it exists.
	claims.Implicit("stdc-predef.h")
	deps, err := headerDeps(cmd, seen)
	if err != nil {
		return compiler.NotCacheable("no list of headers")
	}
	source := cfamily.Abs(call.Dir, cmd.Source)
	for _, dep := range deps {
		if cfamily.Abs(call.Dir, dep) == source {
			continue
		}
		if err := claims.Header(dep); err != nil {
			return err
		}
	}
	if !cmd.Dep.On || !cmd.Dep.User {
		return nil
	}
	if len(seen.Opened) == 0 { // not watched: whatever may have been read
		return claims.Closure()
	}
	for _, p := range seen.Opened {
		if err := claims.OpenedText(p); err != nil {
			return err
		}
	}
	return nil
}

// headerDeps reads the list of headers: the caller's, of which the caller's next
// command may already have made something else, or our own.
func headerDeps(cmd *cfamily.Command, seen *compiler.Observed) ([]string, error) {
	if !cmd.Dep.On {
		deps, err := cfamily.ReadDepFile(seen, headerList)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // no header was read: gcc writes no list
		}
		return deps, err
	}
	name := cmd.Dep.File
	if name == "" {
		name = cmd.Beside(".d")
	}
	text, err := seen.ReadOutput(name)
	if err != nil {
		return nil, fmt.Errorf("read dependencies: %w", err)
	}
	return cfamily.ParseDeps(string(text))
}
