package cfamily

import (
	"path"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Dialect is what tells one compiler's command line from another's.
type Dialect struct {
	Options *Table
	Env     EnvClasses
	// Outputs names all that a successful call writes.
	Outputs func(c *Command) ([]compiler.Output, error)
	// CC1 judges the values of -Xclang, in order, and LLVM one of -mllvm: the result
	// is the option that makes the call uncacheable, "" for none. Both are nil where
	// there are no such options.
	CC1  func(values []string) (bad string)
	LLVM func(value string) (bad string)
	// DashDash: after "--" all arguments are source files.
	DashDash bool
	// IntegratedAs: the compiler assembles by itself unless told otherwise.
	IntegratedAs bool
	// HeaderSuffix are the extensions under which a header is looked for
	// precompiled.
	HeaderSuffix []string
	// Candidates are directories of system headers that the driver leaves out
	// without a word where they do not exist.
	Candidates []string
	// Epoch: SOURCE_DATE_EPOCH stands in for the time of day.
	Epoch bool

	ext   map[string]string
	langs map[string]Lang
}

// Temps says where -save-temps leaves its files.
type Temps uint8

// The places for temporary files that are kept.
const (
	TempsGone Temps = iota
	TempsHere       // in the working directory, or beside the object where the compiler so decides
	TempsCwd        // in the working directory
	TempsObj        // beside the object
)

// Command is a call understood. Paths in it are as spelled.
type Command struct {
	Lang     Lang
	CPlus    bool // the driver presumes C++
	Epoch    bool // as in Dialect
	Expanded bool // a response file was put in its place
	Source   string
	Object   string // value of -o, "" where there is none
	// Assembly and Bitcode are -S and -emit-llvm.
	Assembly, Bitcode bool

	User, Quote, System, After []string // include directories in order
	AsDirs                     []string // directories given to the assembler alone
	Forced                     []string // -include and -imacros
	Read                       []string // files that options name and whose content matters
	Defines                    []string // values of -D
	FixedTime                  Time     // macros of time that -D or -U has replaced
	Probe                      []string // options that move the compiler's own include directories

	Target bool // --target given
	Native bool // the CPU of this machine decides what is compiled
	// Watched: some option makes the compiler read files by rules that are not
	// modelled. All that its processes do is then watched and taken as it is.
	Watched bool
	Specs   []string // names of files with options for gcc's driver
	Prefix  []string // values of -B

	Dep Dep

	SplitDwarf bool
	Debug      string // the last -g option, "" for none
	Notes      bool
	NotesFile  string
	StackUsage bool
	CallGraph  bool
	Temps      Temps
	Serialize  string
	TextFiles  []string // further text outputs, truncated in place
	LTO        bool
	// ExternalAs: the assembler is a program of its own, found by search.
	ExternalAs bool
	// Localised: an output holds text in the language of messages.
	Localised bool
}

// Dep is what a call says of dependency files.
type Dep struct {
	On     bool
	User   bool   // system headers are left out of the file
	File   string // -MF or the file of -Wp,-MD
	Target bool   // -MT or -MQ given
}

// reader walks over a command line.
type reader struct {
	d       *Dialect
	cmd     *Command
	lang    string // current -x
	sources []string
	langs   []string
	object  bool // -c
	modes   int  // dependency modes seen
	preproc bool // -fpreprocessed
	wpFile  string
	cc1     []string        // values of -Xclang
	cpp     []string        // values of -Xpreprocessor
	pathAt  []compiler.Span // as Invocation.PathAt
}

// read understands the expanded arguments of a call.
func (d *Dialect) read(args []string, cplus bool) (*Command, []compiler.Span, error) {
	r := &reader{d: d, cmd: &Command{CPlus: cplus, ExternalAs: !d.IntegratedAs, Epoch: d.Epoch}, pathAt: make([]compiler.Span, len(args))}
	err := r.walk(args)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.finish()
	return c, r.pathAt, err
}

func (r *reader) walk(args []string) error {
	for i := 0; i < len(args); {
		arg := args[i]
		if r.d.DashDash && arg == "--" {
			for i++; i < len(args); i++ {
				r.addSource(args[i])
				r.pathAt[i] = compiler.Span{To: len(args[i])}
			}
			break
		}
		if arg == "-" {
			return compiler.NotCacheable("-")
		}
		if len(arg) == 0 || arg[0] != '-' {
			r.addSource(arg)
			r.pathAt[i] = compiler.Span{To: len(arg)}
			i++
			continue
		}
		m, ok, missing := r.d.Options.lookup(args[i:])
		if !ok {
			return compiler.NotCacheable("unknown option: %s", optionName(arg))
		}
		if missing {
			return compiler.NotCacheable("option without its value: %s", m.Name)
		}
		if err := r.apply(m); err != nil {
			return err
		}
		r.placed(i, m, args)
		i += m.width
	}
	return nil
}

func (r *reader) addSource(name string) {
	r.sources = append(r.sources, name)
	r.langs = append(r.langs, r.lang)
}

// finish judges what was read as a whole.
func (r *reader) finish() (*Command, error) {
	c, err := r.compilation()
	if err != nil {
		return nil, err
	}
	if err := r.finishForwarded(); err != nil {
		return nil, err
	}
	return c, r.finishDeps()
}

// compilation checks that what was read is one compilation.
func (r *reader) compilation() (*Command, error) {
	c := r.cmd
	switch {
	case !r.object && !c.Assembly:
		return nil, compiler.NotCompilation("link")
	case len(r.sources) == 0:
		return nil, compiler.NotCompilation("no input file")
	case len(r.sources) > 1:
		return nil, compiler.NotCacheable("multiple input files")
	}
	c.Source = r.sources[0]
	name := r.langs[0]
	if name == "" {
		name = r.d.langOf(c.Source, c.CPlus)
	}
	if strings.HasSuffix(name, "-header") {
		return nil, compiler.NotCacheable("precompiled header creation")
	}
	lang, ok := r.d.langs[name]
	if !ok {
		return nil, compiler.NotCacheable("unknown source language")
	}
	c.Lang = lang
	if r.preproc {
		if !lang.Compile || lang.Preprocess && c.Dep.On {
			return nil, compiler.NotCacheable("-fpreprocessed")
		}
		c.Lang.Preprocess, c.Lang.Temp = false, ""
	}
	return c, nil
}

// finishForwarded judges what is handed on to other programs in several options.
func (r *reader) finishForwarded() error {
	if err := r.preprocessor("-Xpreprocessor ", r.cpp); err != nil {
		return err
	}
	if len(r.cc1) == 0 {
		return nil
	}
	if bad := r.d.CC1(r.cc1); bad != "" {
		return compiler.NotCacheable("unknown option: -Xclang %s", optionName(bad))
	}
	return nil
}

func (r *reader) finishDeps() error {
	dep := &r.cmd.Dep
	if r.wpFile != "" {
		if dep.File != "" || r.modes > 1 {
			return compiler.NotCacheable("several dependency options")
		}
		dep.File = r.wpFile
	}
	if dep.File == "-" {
		return compiler.NotCacheable("dependencies to standard output")
	}
	return nil
}

// stem is a file's name without directory and last extension, which may be all
// of it (".o").
func stem(name string) string {
	base := path.Base(name)
	if i := strings.LastIndexByte(base, '.'); i >= 0 {
		return base[:i]
	}
	return base
}
