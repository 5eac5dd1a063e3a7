package cfamily

import (
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// apply takes in one option.
func (r *reader) apply(m match) error {
	switch m.Effect {
	case Pure:
		if isDebugLevel(m.Name) {
			r.cmd.Debug = m.Name
		}
	case Refuse:
		return compiler.NotCacheable("%s", strings.TrimSuffix(m.Name, "="))
	case NotCompile:
		return compiler.NotCompilation(strings.TrimSuffix(m.Name, "="))
	case Search, Target, Native, Watched:
		r.cmd.search(m)
	case Output:
		if r.cmd.Object != "" {
			return compiler.NotCacheable("multiple -o")
		}
		r.cmd.Object = m.value
	case Language:
		r.lang = m.value
		if m.value == "none" {
			r.lang = ""
		}
	case ToObject:
		r.object = true
	case ToAssembly:
		r.cmd.Assembly = true
	case ToBitcode:
		r.cmd.Bitcode = true
	case Preprocessed:
		r.preproc = true
	case DepAll, DepUser, DepFile, DepTarget, GenerateDeps:
		return r.dependency(m)
	case ToAssembler:
		return r.assembler(strings.Split(m.value, ","))
	case ToAssemblerArg:
		return r.assembler([]string{m.value})
	case ToPreprocessor:
		return r.preprocessor("-Wp,", strings.Split(m.value, ","))
	case ToPreprocessorArg:
		r.cpp = append(r.cpp, m.value)
	case ToCC1:
		r.cc1 = append(r.cc1, m.value)
	case ToLLVM:
		if bad := r.d.LLVM(m.value); bad != "" {
			return compiler.NotCacheable("unknown option: -mllvm %s", optionName(bad))
		}
	default:
		return r.applyFile(m)
	}
	return nil
}

// applyFile takes in the options that change which files are read or written.
func (r *reader) applyFile(m match) error {
	c := r.cmd
	switch m.Effect {
	case DirUser, DirQuote, DirSystem, DirAfter:
		return c.directory(m)
	case Force:
		c.Forced = append(c.Forced, m.value)
	case Define:
		c.define(m.value)
	case Undefine:
		c.FixedTime |= fixesTime(m.value)
	case Specs:
		c.Watched = true
		c.Specs = append(c.Specs, m.value)
	case Prefix:
		c.Watched = true
		c.Prefix = append(c.Prefix, m.value)
	case ReadFile:
		c.Read = append(c.Read, m.value)
	case IntegratedAs, ExternalAs:
		c.ExternalAs = m.Effect == ExternalAs
	case LTO, NoLTO:
		c.LTO = m.Effect == LTO
	default:
		r.applyOutput(m)
	}
	return nil
}

// search takes in an option that the compiler is probed with.
func (c *Command) search(m match) {
	c.Target = c.Target || m.Effect == Target
	c.Native = c.Native || m.Effect == Native
	c.Watched = c.Watched || m.Effect == Watched
	c.Probe = append(c.Probe, spelled(m)...)
}

// define takes in a value of -D.
func (c *Command) define(value string) {
	c.Defines = append(c.Defines, value)
	c.FixedTime |= fixesTime(value)
}

// directory takes in an include directory.
func (c *Command) directory(m match) error {
	switch {
	case m.value == "-":
		return compiler.NotCacheable("-I-")
	case strings.HasPrefix(m.value, "="), strings.HasPrefix(m.value, "$SYSROOT"):
		c.Watched = true
		return nil
	}
	list := map[Effect]*[]string{DirUser: &c.User, DirQuote: &c.Quote, DirSystem: &c.System, DirAfter: &c.After}[m.Effect]
	*list = append(*list, m.value)
	return nil
}

// applyOutput takes in the options that ask for files beside the object.
func (r *reader) applyOutput(m match) {
	c := r.cmd
	switch m.Effect {
	case SplitDwarf, NoSplitDwarf:
		c.SplitDwarf = m.Effect == SplitDwarf
	case Notes, NoNotes:
		c.Notes = m.Effect == Notes
	case NotesFile:
		c.NotesFile = m.value
	case StackUsage:
		c.StackUsage = true
	case CallGraph:
		c.CallGraph = true
	case SaveTempsCwd:
		c.Temps = TempsHere
		if strings.HasSuffix(m.Name, "=cwd") {
			c.Temps = TempsCwd
		}
	case SaveTempsObj:
		c.Temps = TempsObj
	case AuxInfo:
		c.TextFiles = append(c.TextFiles, m.value)
		c.Localised = true
	case Serialize:
		c.Serialize = m.value
		c.Localised = true
	}
}

// isDebugLevel recognises the -g options that say how much is recorded, as
// against how.
func isDebugLevel(name string) bool {
	level, ok := strings.CutPrefix(name, "-g")
	if !ok {
		return false
	}
	switch level = strings.TrimLeft(strings.TrimPrefix(level, "gdb"), "0123"); level {
	case "", "line-tables-only", "line-directives-only", "mlt", "full", "used":
		return true
	}
	return strings.HasPrefix(level, "dwarf") || strings.HasPrefix(level, "stabs")
}

// spelled gives a match back as arguments.
func spelled(m match) []string {
	if m.raw != "" {
		return []string{m.raw}
	}
	if m.width == 2 {
		return []string{m.Name, m.value}
	}
	return []string{m.Name + m.value}
}
