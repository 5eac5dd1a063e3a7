package cfamily

import (
	"sort"
	"strings"
)

// Arity is the way in which an option takes its value.
type Arity uint8

// The forms of options. A name with a trailing equals sign is Joined.
const (
	Alone    Arity = iota // the option is the whole argument
	Joined                // the value follows in the same argument, perhaps empty
	Separate              // the value is the next argument
	Either                // Joined where something follows the name, else Separate
)

// Effect is what an option does to the files that a call reads or writes. The
// tables say it for each option; what no table names is not cached.
type Effect uint8

// The effects. Only Pure and Search options leave the call's files alone.
const (
	Pure              Effect = iota // code or messages change, files do not
	Search                          // as Pure, and the compiler's own include directories may change
	Target                          // as Search: another target is compiled for
	Native                          // as Search: what it means depends on the CPU
	Prefix                          // -B: as Watched, and helpers may lie there
	Specs                           // -specs=: as Watched, and the file holds options
	Watched                         // files are read by rules that only a full watch tells
	Refuse                          // compiles, and cannot be cached soundly
	NotCompile                      // no object comes of it
	Output                          // -o
	Language                        // -x
	ToObject                        // -c
	ToAssembly                      // -S
	ToBitcode                       // -emit-llvm
	DirUser                         // -I
	DirQuote                        // -iquote
	DirSystem                       // -isystem
	DirAfter                        // -idirafter
	Force                           // -include, -imacros: a file read before the source
	Define                          // -D
	Undefine                        // -U
	DepAll                          // -MD
	DepUser                         // -MMD
	DepFile                         // -MF
	DepTarget                       // -MT, -MQ
	ToAssembler                     // -Wa,
	ToAssemblerArg                  // -Xassembler
	ToPreprocessor                  // -Wp,
	ToPreprocessorArg               // -Xpreprocessor
	ToCC1                           // -Xclang
	ToLLVM                          // -mllvm
	ReadFile                        // the value names a file that is read by content
	SplitDwarf                      // .dwo
	NoSplitDwarf                    // ends it
	Notes                           // --coverage, -ftest-coverage: .gcno
	NoNotes                         // ends it
	NotesFile                       // -fprofile-note=
	StackUsage                      // .su
	CallGraph                       // .ci
	SaveTempsCwd                    // -save-temps
	SaveTempsObj                    // -save-temps=obj
	AuxInfo                         // -aux-info
	Serialize                       // --serialize-diagnostics
	Preprocessed                    // -fpreprocessed
	IntegratedAs                    // -fintegrated-as
	ExternalAs                      // -fno-integrated-as
	LTO                             // -flto: what is written is bitcode or holds it
	NoLTO                           // ends it
	GenerateDeps                    // -MG
)

// Option is one row of a table.
type Option struct {
	Name   string
	Arity  Arity
	Effect Effect
}

// Table finds the row of an argument. It is immutable once made.
type Table struct {
	exact  map[string]Option // Alone, Separate, and the bare name of Either
	joined []Option          // Joined and Either, longest name first
	family func(arg string) (Effect, bool)
}

// NewTable makes a table of rows. A later row replaces an earlier one of its
// name. family is asked about an argument that no row matches.
func NewTable(family func(arg string) (Effect, bool), groups ...[]Option) *Table {
	t := &Table{exact: map[string]Option{}, family: family}
	joined := map[string]Option{}
	for _, group := range groups {
		for _, o := range group {
			if o.Arity != Joined {
				t.exact[o.Name] = o
			}
			if o.Arity == Joined || o.Arity == Either {
				joined[o.Name] = o
			}
		}
	}
	for _, o := range joined {
		t.joined = append(t.joined, o)
	}
	sort.Slice(t.joined, func(i, j int) bool {
		a, b := t.joined[i].Name, t.joined[j].Name
		if len(a) != len(b) {
			return len(a) > len(b)
		}
		return a < b
	})
	return t
}

// match is an option found on a command line.
type match struct {
	Option
	value string
	raw   string // where a family matched: the argument
	width int    // number of arguments it takes up
}

// lookup finds the option that args begins with. ok is false where it is
// unknown; missing is true where its value is not there.
func (t *Table) lookup(args []string) (m match, ok, missing bool) {
	arg := args[0]
	if o, found := t.exact[arg]; found {
		if o.Arity == Alone {
			return match{Option: o, width: 1}, true, false
		}
		if len(args) < 2 {
			return match{Option: o, width: 1}, true, true
		}
		return match{Option: o, value: args[1], width: 2}, true, false
	}
	for _, o := range t.joined {
		if strings.HasPrefix(arg, o.Name) {
			return match{Option: o, value: arg[len(o.Name):], width: 1}, true, false
		}
	}
	if e, found := t.family(arg); found {
		return match{Option: Option{Name: optionName(arg), Effect: e}, raw: arg, width: 1}, true, false
	}
	return match{}, false, false
}

// Knows reports whether the table has an opinion on arg, given that a value
// follows it where it wants one.
func (t *Table) Knows(arg string) bool {
	_, ok, _ := t.lookup([]string{arg, "value"})
	return ok
}

// Refuses reports whether arg, met elsewhere than on the command line, keeps a
// call from being cached, given that a value follows it where it wants one. Of what
// it does not know it says no.
func (t *Table) Refuses(arg string) bool {
	m, ok, _ := t.lookup([]string{arg, "value"})
	return ok && (m.Effect == Refuse || m.Effect == Native) // the key would not hold the CPU
}

// Rows makes rows of one form and effect from names separated by white space.
func Rows(arity Arity, effect Effect, names string) []Option {
	var rows []Option
	for _, name := range strings.Fields(names) {
		rows = append(rows, Option{name, arity, effect})
	}
	return rows
}

// optionName is the part of an argument that may be shown in statistics: values
// are the user's business.
func optionName(arg string) string {
	if i := strings.IndexAny(arg, "=,"); i > 0 {
		arg = arg[:i]
	}
	if i := strings.IndexAny(arg, "/ \t\n"); i > 0 {
		arg = arg[:i]
	}
	if len(arg) > 40 {
		arg = arg[:40]
	}
	return arg
}
