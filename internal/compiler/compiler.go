// Package compiler is the waist between the coordinator, which knows how a
// cache works, and the languages of compiler command lines, which know what a
// call reads and writes. One package below it speaks one command-line language.
// It holds data and one interface, and may import only leaves.
package compiler

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
)

// Call is one invocation as the caller made it.
type Call struct {
	Arg0 string   // argv[0] as the caller spelled the compiler
	Path string   // the executable that Arg0 led to: absolute, symbolic links kept
	Args []string // argv[1:]
	Dir  string   // working directory, absolute, as getcwd(2) gives it
	Env  Environ
	Tool Tool // what Path turned out to be
	// Here returns where on this machine lies what the compiler sees at an absolute path;
	// nil: there. The compiler may be one of an archive, which has files of its own, or
	// hides some of this machine.
	Here func(path string) string
	// Probe runs the compiler itself with other arguments (search directories,
	// built-in names) in Dir and with env, and returns what it printed. The
	// answer is remembered by toolchain, arguments and env.
	Probe func(args, env []string) (stdout, stderr []byte, err error)
	// Variables returns the classes that the user's configuration, and the project
	// that one of dirs belongs to, give variables; nil: none. The error is a *Bare.
	Variables func(dirs []string) (Variables, error)
	// Programs says what of PATH matters to a compiler and a linker; nil: all of it.
	Programs func() Programs
	// Try makes a trial, unless one like it is remembered and would show the same. The
	// error is a *Bare where it shows nothing; nil: there are none here.
	Try func(t *Trial) (*Sight, error)
}

// At returns what Here does.
func (c *Call) At(path string) string {
	if c.Here == nil {
		return path
	}
	return c.Here(path)
}

// Programs is where a compiler finds the programs that it starts.
type Programs struct {
	Path string // the directories of PATH that hold such programs, in their order
	// Plain: the first linker, assembler and compiler driver there are programs of their
	// own, no scripts that may need any other.
	Plain bool
}

// Tool is the identity of an executable that was recognised as a compiler.
type Tool struct {
	Family  string // "gcc", "clang", "rustc" or "clippy"
	Version string // what it says of itself, one line ("gcc 12.2.0", "rustc 1.95.0 (59807616e 2026-04-14)")
	Target  string // the triple it compiles for by default
	CPlus   bool   // C family: links and presumes C++ (g++, c++, clang++)
	Sysroot string // rustc: absolute path of the sysroot
}

// Environ is a process environment: "NAME=value" strings.
type Environ []string

// Lookup returns the value of the first variable called name, as getenv does.
func (e Environ) Lookup(name string) (string, bool) {
	for _, kv := range e {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			return kv[len(name)+1:], true
		}
	}
	return "", false
}

// Get returns the value of name, or "" where it is not set.
func (e Environ) Get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// With returns the environment with another value of name, in the place of the first.
func (e Environ) With(name, value string) Environ {
	out := slices.Clone(e)
	for i, kv := range out {
		if Name(kv) == name {
			out[i] = name + "=" + value
			break
		}
	}
	return out
}

// Name returns the part of kv before its first equals sign.
func Name(kv string) string {
	name, _, _ := strings.Cut(kv, "=")
	return name
}

// Plumbing returns the names of variables that connect a compiler with the build
// around it and cannot shape its outputs: they are passed and not keyed.
func Plumbing() []string {
	return []string{
		"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_MAKEFLAGS", // the jobserver
		"TMPDIR", "TMP", "TEMP", // where temporary files go
	}
}

// Bare says why a call is run as it is, outside the cache. It is the error of
// Parse and the reason that statistics show.
type Bare struct {
	Reason string // short and without names of files: it is a statistics label
	// NotCompilation marks calls that no cache would serve (--version, linking of
	// objects, preprocessing to the terminal), as against calls that compile but
	// cannot be cached soundly.
	NotCompilation bool
}

func (b *Bare) Error() string { return b.Reason }

// NotCompilation returns a *Bare for a call that compiles nothing.
func NotCompilation(reason string) error { return &Bare{Reason: reason, NotCompilation: true} }

// NotCacheable returns a *Bare for a compilation that must run every time.
func NotCacheable(format string, a ...any) error { return &Bare{Reason: fmt.Sprintf(format, a...)} }

// Output is a file that a successful call writes.
type Output struct {
	Path string // relative to Call.Dir or absolute, as the compiler opens it
	// Optional outputs may be missing after success (a dep file that -MF named
	// for an assembler source, an empty .dwo).
	Optional bool
	// InPlace: where the file exists the compiler truncates and rewrites it, so
	// its mode and inode stay. Otherwise the compiler puts a new file there.
	InPlace bool
	// Unlinks: the new file comes in whatever other names the old one has, which
	// keep it. cargo gives names of its own to what is linked.
	Unlinks bool
	// Unwritten: the compiler looks there as it does at an output, and writes nothing;
	// Parse has found nothing there. Its directory may be gone once the call has
	// ended, so it is no input.
	Unwritten bool
	// Text: it is text that names files as they were called. The function returns it with
	// move applied to all words that it holds, laid out as the compiler would have done;
	// false where the text is not as it lays one out.
	Text func(text []byte, move func([]byte) []byte) ([]byte, bool)
}

// Invocation is a call understood: all that its key and its replay need, less
// the contents of what it reads.
type Invocation struct {
	Language string // statistics label: "C/C++", "Rust", "Assembler", ...
	Source   string // main source as spelled
	// Part is the part of the toolchain that the source needs: for the C family the
	// language as -x names it, else empty.
	Part string
	Args []string // canonical argv[1:]: response files expanded, order kept
	// Env is the environment the compiler is run with and keyed by: sorted
	// "NAME=value". Variables of the caller in neither Env, Messages nor the
	// plumbing are removed before the compiler starts.
	Env []string
	// Messages are variables that only change the text of diagnostics (language,
	// colour, width). They are passed, and keyed only when there was text that they
	// may have shaped.
	Messages []string
	// MessageArgs are arguments of the same kind: Args does not hold them, Plan adds
	// them.
	MessageArgs []string
	Outputs     []Output
	// SameMessages: what the compiler prints depends on Args, MessageArgs, Env and the
	// inputs alone, not on Messages or a terminal (rustc with JSON diagnostics).
	SameMessages bool
	// Shaped reports whether Messages, MessageArgs or a terminal may have shaped
	// what was printed; nil: they may have shaped any text.
	Shaped func(stdout, stderr []byte) bool
	// Known are input files that are certain before the start; they are digested
	// then, so a change during the compile is seen. Plan may add to them.
	Known []string
	// Resumes says why a miss is compiled for the cache only the first time that
	// the request is seen, "" where it always is. Later ones, and all while Resumed
	// is set, run as the caller called them and are not stored: the caller keeps
	// something between runs that makes the next one quick (rustc's incremental
	// sessions) and that Args leaves out.
	Resumes string
	Resumed bool // there is something of an earlier run to go on from
	// Places tells what it takes to name the call by other places; nil: the language
	// does not know, and the call is not moved. It is asked only where calls are.
	Places func() *Places
	// Detail is the language's own reading of the call, for Plan and Inputs.
	Detail any
}

// Shapes reports whether what was printed is text that Messages, MessageArgs or a
// terminal may have shaped.
func (inv *Invocation) Shapes(stdout, stderr []byte) bool {
	return len(stdout)+len(stderr) > 0 && (inv.Shaped == nil || inv.Shaped(stdout, stderr))
}

// Places is what it takes to name a call by other places than the real ones: see
// docs/adr/0009.
type Places struct {
	// PathAt says for each of Args where in it a path stands. Variables are taken for
	// lists of paths with colons between, as far as they name any.
	PathAt []Span
	// Spelled are the files and directories by which inputs are named, as they are
	// spelled.
	Spelled []string
	// Located is why the call has to name its real directories, "" where its words do
	// not tell.
	Located string
	// Also is a further directory that belongs to the project or its build, absolute, or "".
	Also string
	// Macros: code of the build may run in the compiler, and see the home directory.
	Macros bool
	// Whose are the names of variables, set or not, that tell who the user is. Nothing but
	// that code sees them, and Env has those that are set. Inputs names those that it asks
	// for by name.
	Whose []string
	// Wraps: lines of messages end where the command says, which depends on how long names are.
	Wraps bool
	// Maps are the ways to have the compiler write other names for directories; their
	// arguments go into Args at MapsAt.
	Maps   []Map
	MapsAt int
}

// Map is a kind of option that has the compiler write a name for a directory.
type Map struct {
	// Args returns the arguments that do it; nil: nothing is to be changed.
	Args func(real, name string) []string
	// Standing returns further arguments, to go before and behind all others, for a
	// working directory dir that lies in a root called ".", below it: with them every
	// name is one from the root. nil: names are not put together with directories.
	Standing func(dir, below string) (before, behind []string)
	// Own are the beginnings of paths for which the command itself says what is
	// written. Of several options the compiler takes the last, or the longest.
	Own []string
	// Macros: what is changed are the names of files that sources can ask for. That is
	// done only where the user wants it.
	Macros bool
}

// Span is a part of a text, from a byte to before another; the zero Span is none.
type Span struct{ From, To int }

// Plan says how a miss is run so that its inputs are known afterwards.
type Plan struct {
	Args []string // argv[1:] to run, Invocation.Args or an equivalent of it
	Env  []string // variables added to Invocation.Env for this run only
	// Watch asks the wrapper to report what the process tree opens.
	Watch bool
	// Looks asks for everything that it looks at or changes, found or not.
	Looks bool
	// Made are absolute paths of files that other calls made and that this one may
	// read: each was given its name when it was whole, and is replaced, never
	// rewritten. So one that is still the same file with the same content has not
	// changed during the run, whatever its time stamps say: cargo sets them.
	Made []string
	// Direct: with Looks, how realpath(3) resolves paths need not be reported. Who
	// asks for that answers for every program in Observed.Programs.
	Direct bool
}

// Look is what a watched process tree did with one path. What the tree itself
// had made before is not told, other than as Wrote.
type Look struct {
	Path string // absolute, as spelled; not cleaned
	Deed Deed
	// Found: something was there when the tree first did this; for Wrote, it was
	// there when the run had ended.
	Found bool
}

// Trace returns why a run that did this, to what is no output of it, cannot be
// stored: it left something changed that a hit would not change. nil: it did not.
func (l Look) Trace() error {
	switch {
	case l.Deed == Wrote && l.Found:
		return NotCacheable("writes a file that is no output")
	case l.Deed == Removed:
		return NotCacheable("removes a file")
	}
	return nil
}

// Deed is what was done with a path.
type Deed uint8

// The deeds.
const (
	Read    Deed = iota + 1 // opened for its content, or executed
	Probed                  // looked at without its content: stat, readlink, a directory opened
	Listed                  // a directory whose names were asked for
	Wrote                   // made, emptied or written to
	Removed                 // unlinked or renamed away, though the tree had not made it
)

// Observed is what is known after a successful run.
type Observed struct {
	Scratch string // the directory that Plan was given
	// Side are files of Scratch by name that are in memory instead.
	Side   map[string][]byte
	Opened []string // with Plan.Watch: absolute paths opened, in order of first sight
	Looks  []Look   // with Plan.Looks: everything, in order of first sight
	// Programs are, with Plan.Looks, the paths executed, interpreters included.
	Programs []string
	Away     bool   // the run was elsewhere, as Away has it, and not watched
	Stdout   []byte // what the compiler printed
	Stderr   []byte
	// Output returns what the run wrote to an output, by Output.Path: a copy made
	// before the caller could change the file. An error says that there is none.
	Output func(path string) (*io.SectionReader, error)
}

// ReadSide returns a file of Scratch, by its name; read reads a file on disk.
func (o *Observed) ReadSide(name string, read func(path string) ([]byte, error)) ([]byte, error) {
	if text, ok := o.Side[name]; ok {
		return text, nil
	}
	return read(o.Scratch + "/" + name)
}

// ReadOutput returns the whole of a small output.
func (o *Observed) ReadOutput(path string) ([]byte, error) {
	r, err := o.Output(path)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Language reads one language of command lines. Implementations hold no state
// that outlives a call other than memos of file contents, and are safe for
// concurrent use.
type Language interface {
	// Parse reads a call. The error is a *Bare where the call is to be run as it
	// is; any other error is treated alike and counted as a failure of ours.
	Parse(call *Call) (*Invocation, error)
	// Plan prepares a miss. scratch is an empty directory of the call's own,
	// given as an absolute path.
	Plan(call *Call, inv *Invocation, scratch string) (*Plan, error)
	// Inputs names everything the run looked at, found or not. The error is a
	// *Bare where that cannot be known, and then nothing is stored.
	Inputs(call *Call, inv *Invocation, seen *Observed) (*action.PathSet, error)
}
