package cfamily

import (
	"path"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// placed notes where paths begin in the arguments that m stands for, the first of
// which is number i.
func (r *reader) placed(i int, m match, args []string) {
	at := pathIn(m)
	if at < 0 {
		return
	}
	if m.width == 2 {
		i, at = i+1, 0
	}
	end := len(args[i])
	if isMap(args[i]) { // what comes behind the sign is in the object
		end = at + strings.IndexByte(args[i][at:]+"=", '=')
	}
	r.pathAt[i] = compiler.Span{From: at, To: end}
}

// isMap reports whether arg replaces the beginnings of paths.
func isMap(arg string) bool {
	return strings.HasPrefix(arg, "-fdebug-prefix-map=") || strings.HasPrefix(arg, "-ffile-prefix-map=") || strings.HasPrefix(arg, "-fmacro-prefix-map=")
}

// pathIn returns where in the argument of an option a path begins, 0 where it is the
// next one; negative where its value is no path.
func pathIn(m match) int {
	switch m.Effect {
	case Output, DirUser, DirQuote, DirSystem, DirAfter, Force, DepFile, DepTarget, ReadFile, NotesFile, AuxInfo, Serialize, Prefix, Specs:
		return len(m.Name)
	case ToPreprocessor:
		if i := strings.LastIndexByte(m.value, ','); i >= 0 && (strings.HasPrefix(m.value, "-MD,") || strings.HasPrefix(m.value, "-MMD,")) {
			return len(m.Name) + i + 1
		}
	case Search, Pure:
		switch m.Name {
		case "--sysroot", "--sysroot=", "-isysroot", "-L":
			return len(m.Name)
		}
		if isMap(m.raw) {
			return strings.IndexByte(m.raw, '=') + 1
		}
	}
	return -1
}

// places tells what it takes to name the call by other places.
func (c *Command) places(call *compiler.Call, inv *compiler.Invocation, pathAt []compiler.Span) *compiler.Places {
	headers := []string{"CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH"}
	p := &compiler.Places{
		PathAt:  pathAt,
		Spelled: slices.Concat([]string{c.Source}, c.User, c.Quote, c.System, c.After, c.Forced), Located: c.located(inv.Args),
		Wraps: slices.ContainsFunc(inv.Args, func(a string) bool { return strings.HasPrefix(a, "-fmessage-length=") && a != "-fmessage-length=0" }),
	}
	for _, o := range inv.Outputs {
		if path.IsAbs(o.Path) || strings.HasPrefix(o.Path, "../") {
			p.Also = Abs(call.Dir, path.Dir(o.Path)) // a build script of cargo's compiles what lies elsewhere
			break
		}
	}
	for _, name := range headers {
		p.Spelled = append(p.Spelled, pathList(compiler.Environ(inv.Env), name)...)
	}
	debug := compiler.Map{Own: ownMaps(inv.Args, "-fdebug-prefix-map=", "-ffile-prefix-map=")}
	if slices.ContainsFunc(inv.Args, func(a string) bool { return strings.HasPrefix(a, "-g") && a != "-g0" }) {
		debug.Args = func(real, name string) []string { return []string{"-fdebug-prefix-map=" + real + "=" + name} }
		if c.Lang.Compile && !slices.Contains(inv.Args, "-gsplit-dwarf") { // .dwo files are looked for from the directory
			debug.Standing = standing
		}
	}
	macros := compiler.Map{Own: ownMaps(inv.Args, "-fmacro-prefix-map=", "-ffile-prefix-map="), Macros: true}
	if c.Lang.Preprocess {
		macros.Args = func(real, name string) []string { return []string{"-fmacro-prefix-map=" + real + "=" + name} }
	}
	p.Maps = []compiler.Map{debug, macros}
	return p
}

// standing has names in debug information begin at the root that dir lies in, below it.
// Readers put the name of the working directory before others that are relative, some of
// them twice, so that it has to be ".", and those that are relative to dir need another
// beginning. What is in angle brackets is no file.
func standing(dir, below string) (before, behind []string) {
	const option = "-fdebug-prefix-map="
	return []string{option + "=" + below + "/", option + "/=/", option + "<=<"}, []string{option + dir + "=.", option + dir + "/=./" + below + "/"}
}

// ownMaps returns the beginnings of paths that some of the options replace.
func ownMaps(args []string, options ...string) []string {
	var own []string
	for _, a := range args {
		for _, o := range options {
			if value, ok := strings.CutPrefix(a, o); ok {
				old, _, _ := strings.Cut(value, "=")
				own = append(own, old)
			}
		}
	}
	return own
}

// located returns why a call has to name its real directories, as far as its words
// tell.
func (c *Command) located(args []string) string {
	switch {
	case c.Notes:
		return "coverage data has its directory"
	case c.LTO, c.Bitcode:
		return "bitcode cannot be searched for directories"
	case c.Watched:
		return "options whose files are found by watching"
	}
	for _, a := range args {
		switch {
		case strings.HasPrefix(a, "-fprofile-"):
			return "profiles are found by directory"
		case strings.HasPrefix(a, "-frecord-"), strings.HasPrefix(a, "-grecord-command-line"):
			return "the command line is recorded"
		case a == "-funique-internal-linkage-names":
			return "names of symbols are made from that of the file"
		}
	}
	return ""
}
