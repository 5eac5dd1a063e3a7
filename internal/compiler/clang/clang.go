// Package clang reads the command lines of clang and clang++. What it shares
// with other C compilers is in cfamily. Only the coordinator's composition may
// import it.
package clang

import (
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

type language struct {
	dialect *cfamily.Dialect
	memo    *cfamily.Memo
}

// New returns the language of clang 11 and later.
func New() compiler.Language {
	return &language{
		dialect: cfamily.New(cfamily.Dialect{
			Options: Options(),
			Env:     Env(),
			Outputs: outputs,
			Candidates: []string{"/usr/include/x86_64-linux-gnu", "/usr/include/i386-linux-gnu", "/usr/include/x86_64-linux-gnux32",
				"/usr/include/aarch64-linux-gnu", "/usr/include/arm-linux-gnueabihf"},
			CC1:          badCC1,
			LLVM:         badLLVM,
			DashDash:     true,
			IntegratedAs: true,
		}),
		memo: cfamily.NewMemo(),
	}
}

func (l *language) Parse(call *compiler.Call) (*compiler.Invocation, error) {
	inv, err := l.dialect.Parse(call)
	if err != nil {
		return nil, err
	}
	for _, p := range precompiled(call, inv.Detail.(*cfamily.Command)) {
		// clang compares the time stamps of all headers in it with the files.
		if cfamily.Exists(p) {
			return nil, compiler.NotCacheable("precompiled header of clang")
		}
	}
	return inv, nil
}

// precompiled names the files that clang prefers to what -include names.
func precompiled(call *compiler.Call, cmd *cfamily.Command) []string {
	var paths []string
	for _, name := range cmd.Forced {
		p := cfamily.Abs(call.Dir, name)
		paths = append(paths, p+".pch", p+".gch")
	}
	return paths
}

// Plan has the process tree watched: clang assembles by itself and no list of it
// names what .incbin read. Where the rules of the searches do not hold, its failed
// looks are watched too.
func (l *language) Plan(_ *compiler.Call, inv *compiler.Invocation, _ string) (*compiler.Plan, error) {
	whole := inv.Detail.(*cfamily.Command).Watched
	return &compiler.Plan{Args: inv.Args, Watch: !whole, Looks: whole}, nil
}

// Inputs takes what was found from the watch, and what was not from the rules of
// the searches.
func (l *language) Inputs(call *compiler.Call, inv *compiler.Invocation, seen *compiler.Observed) (*action.PathSet, error) {
	cmd := inv.Detail.(*cfamily.Command)
	if seen.Away {
		return l.Forecast(call, inv)
	}
	if len(seen.Opened) == 0 && !cmd.Watched {
		return nil, compiler.NotCacheable("clang was not watched")
	}
	claims, err := l.dialect.Claims(l.memo, call, inv)
	if err != nil {
		return nil, err
	}
	if err := claims.Source(); err != nil {
		return nil, err
	}
	if cmd.Watched {
		if err := claims.Looks(seen.Looks); err != nil {
			return nil, err
		}
		return claims.PathSet()
	}
	for _, p := range precompiled(call, cmd) {
		claims.Data(p)
	}
	for _, p := range seen.Opened {
		if err := claims.Opened(p); err != nil {
			return nil, err
		}
	}
	claims.AssembledRest()
	return finish(claims, call, inv)
}

// finish claims what a compile looks for besides its sources.
func finish(claims *cfamily.Claims, call *compiler.Call, inv *compiler.Invocation) (*action.PathSet, error) {
	cmd := inv.Detail.(*cfamily.Command)
	if err := ignoreLists(claims, call, inv); err != nil {
		return nil, err
	}
	if cmd.ExternalAs {
		if call.Tool.Target == "" || cmd.Target {
			return nil, compiler.NotCacheable("another assembler for another target")
		}
		own, _, err := claims.DriverDirs()
		if err != nil {
			return nil, err
		}
		claims.Program("as", own)
		claims.Program(call.Tool.Target+"-as", own)
	}
	return claims.PathSet()
}

// ignoreLists claims the lists of functions that sanitizers leave out: clang looks for
// one of each sanitizer beside its own headers, as a rule in vain.
func ignoreLists(claims *cfamily.Claims, call *compiler.Call, inv *compiler.Invocation) error {
	if !slices.ContainsFunc(inv.Args, func(a string) bool { return strings.HasPrefix(a, "-fsanitize=") }) {
		return nil
	}
	cmd := inv.Detail.(*cfamily.Command)
	out, _, err := call.Probe(append(slices.Clone(cmd.Probe), "-print-resource-dir"), inv.Env)
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return compiler.NotCacheable("clang does not say where its resources are")
	}
	claims.Listing(dir+"/share", "list.txt")
	return nil
}
