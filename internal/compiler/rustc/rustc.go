// Package rustc reads the command line of rustc, and of clippy-driver, which
// speaks the same language: what a call reads, what it writes, and which calls
// cannot be cached. What a library crate reads follows from its dependency list
// and from rules; a call that links, or that loads code of the build into rustc (a
// proc-macro), is watched and sees no variable that its key does not hold.
//
// It reads files (sources, directories of crates, dependency lists) and runs
// nothing. The coordinator and the tests may import it; it imports the waist
// (compiler, action, digest) only.
package rustc

import (
	"bytes"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Language implements compiler.Language for the families "rustc" and "clippy".
type Language struct {
	origins Origins
	needed  neededMemo
	asm     assemblyMemo
	named   namesMemo
	natives nativesMemo
	removed compiler.Names // built in
	// strangers: a program that is not known has been started by a link.
	strangers atomic.Bool
}

var _ compiler.Language = (*Language)(nil)

// New returns the language. What it knows of the crates that a call depends on
// comes from origins.
func New(origins Origins) *Language { return &Language{origins: origins, removed: removedNames()} }

// Parse implements compiler.Language.
func (l *Language) Parse(call *compiler.Call) (*compiler.Invocation, error) {
	cmd, err := read(call)
	if err != nil {
		return nil, err
	}
	if err := cmd.verdict(); err != nil {
		return nil, err
	}
	via, err := starter(call)
	if err != nil {
		return nil, err
	}
	foreign, err := l.checkExterns(cmd)
	if err != nil {
		return nil, err
	}
	d := &detail{cmd: cmd, via: via, foreign: foreign, watched: foreign || cmd.links() || cmd.anyKind}
	env, err := l.environment(call, d)
	if err != nil {
		return nil, err
	}
	d.passed = env.passed
	inv := &compiler.Invocation{
		Language: "Rust",
		Source:   cmd.sources[0],
		Args:     cmd.args,
		Env:      env.keyed,
		Messages: env.messages, MessageArgs: cmd.width,
		Outputs: cmd.outputs(),
		Known:   cmd.known(),
		// JSON diagnostics have no colours of the terminal's, and as many columns
		// as it has unless they are told how many.
		SameMessages: cmd.json && len(cmd.width) > 0,
		Detail:       d,
	}
	if cmd.json {
		inv.Shaped = shapedJSON
	}
	if cmd.incremental != "" {
		inv.Resumes, inv.Resumed = "incremental", cmd.hasSession()
	}
	if err := cmd.checkOutputs(inv); err != nil {
		return nil, err
	}
	inv.Places = func() *compiler.Places { return d.places(inv) }
	return inv, nil
}

// shapedJSON reports whether anything but notices of artifacts was printed, which
// have no text for people.
func shapedJSON(stdout, stderr []byte) bool {
	for _, stream := range [][]byte{stdout, stderr} {
		for line := range bytes.Lines(stream) {
			if !bytes.HasPrefix(line, []byte(`{"$message_type":"artifact",`)) {
				return true
			}
		}
	}
	return false
}

// detail is what Parse leaves for Plan and Inputs.
type detail struct {
	cmd     *command
	via     starterKind
	watched bool
	foreign bool     // code of the build may be loaded into rustc
	direct  bool     // if watched, how paths are resolved is left out; set by Plan
	passed  []string // variables that rustc may see and that no key holds until Inputs names them
	classes *classes // of variables, where watched
	linking *linking // of a call that links and may run elsewhere; set by Away
	named   []string // removed variables, and those of the user, that the run sees, set or not: it may ask for them by name
}

// environment sorts the variables of a call.
func (l *Language) environment(call *compiler.Call, d *detail) (*environment, error) {
	if !d.watched {
		return classify(call.Env, d.cmd.clippy, d.via == startedByProxy)
	}
	var err error
	if d.classes, err = l.classesOf(call, d.cmd); err != nil {
		return nil, err
	}
	var p compiler.Programs // rustc and programs that link do not ask who the user is
	if !d.cmd.steersLinker && call.Programs != nil {
		p = call.Programs()
	}
	switch {
	case d.foreign:
		d.classes.macros = p.Plain || !d.cmd.links()
		return d.classes.reduce(call.Env)
	case !p.Plain:
		return d.classes.reduce(call.Env)
	}
	d.classes.removed.Add(personal()...)
	return d.classes.reduce(call.Env.With("PATH", p.Path))
}

// Plan implements compiler.Language. The run differs from the call in nothing
// but incremental sessions: another --emit, wherever it points to, changes the
// hash of the crate. Where no code of the build is loaded all variables of the
// caller are there, for env! may read any of them; the dependency list tells
// afterwards which it did. Elsewhere those that are removed are not, but for
// the ones that the build names.
func (l *Language) Plan(call *compiler.Call, inv *compiler.Invocation, _ string) (*compiler.Plan, error) {
	d := inv.Detail.(*detail)
	looks, passed := d.watched, slices.Clone(d.passed)
	if d.watched {
		// The crate that a build waited for last may be one that no --extern names.
		found, err := l.crates(call, d.cmd)
		if err != nil {
			return nil, err
		}
		inv.Known = append(inv.Known, found.files...)
		d.named = l.namedVariables(call, d, found.files)
		passed = append(passed, variables(call.Env, d.named)...)
		d.direct = !d.foreign && d.cmd.resolvesOnly(call.Env) && !l.strangers.Load()
		return &compiler.Plan{Args: d.runArgs(inv), Env: passed, Looks: looks, Direct: d.direct, Made: found.files}, nil
	}
	looks = l.mayAssemble(call, d.cmd)
	made, _ := l.crates(call, d.cmd) // what is not found is not excused
	return &compiler.Plan{Args: d.runArgs(inv), Env: passed, Looks: looks, Made: made.files}, nil
}

// runArgs are the arguments of a run.
func (d *detail) runArgs(inv *compiler.Invocation) []string {
	return append(slices.Clone(inv.Args), inv.MessageArgs...)
}

// under returns p, made absolute by dir where it is relative. It is not
// cleaned: x/../y leads elsewhere when x is a symbolic link.
func under(dir, p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return dir + "/" + p
}
