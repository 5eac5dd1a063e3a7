package cfamily

import (
	"os"
	"sort"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Class is what a variable of the caller means to a compile.
type Class uint8

// The classes. A variable in no class is removed.
const (
	Keyed   Class = iota + 1 // the compiler sees it and the key holds it
	Message                  // as Keyed, where there was text; else only passed
	Forbid                   // it writes or reads files of its own: the call runs uncached
	WorkDir                  // PWD: Keyed where it spells the working directory in another way
)

// EnvClasses gives each variable its class by name.
type EnvClasses map[string]EnvRule

// EnvRule is a class and why a variable is in it.
type EnvRule struct {
	Class Class
	Why   string
}

// Split sorts the variables of a call. localised is set where an output holds
// text in the language of messages, so that it is keyed always.
func (classes EnvClasses) Split(env compiler.Environ, dir string, localised bool) (keyed, messages []string, err error) {
	seen := map[string]bool{}
	for _, kv := range env {
		name := compiler.Name(kv)
		if seen[name] {
			continue // getenv sees the first
		}
		seen[name] = true
		switch class := classes.of(name); {
		case class == Forbid:
			return nil, nil, compiler.NotCacheable("environment: %s", name)
		case class == Keyed, class == Message && localised:
			keyed = append(keyed, kv)
		case class == WorkDir:
			if spellsDir(kv[len(name)+1:], dir) {
				keyed = append(keyed, kv)
			}
		case class == Message:
			messages = append(messages, kv)
		}
	}
	sort.Strings(keyed)
	sort.Strings(messages)
	return keyed, messages, nil
}

func (classes EnvClasses) of(name string) Class {
	if rule, ok := classes[name]; ok {
		return rule.Class
	}
	if strings.HasPrefix(name, "LC_") {
		return Message
	}
	return 0
}

// spellsDir reports whether pwd is another spelling of the working directory.
// Compilers use PWD for the directory they record only then; where it is equal
// to what getcwd gives, or stale, its absence changes nothing.
func spellsDir(pwd, dir string) bool {
	if pwd == dir || !strings.HasPrefix(pwd, "/") {
		return false
	}
	a, errA := os.Stat(pwd)
	b, errB := os.Stat(dir)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// SharedEnv returns the classes that hold for all compilers of the family.
func SharedEnv() EnvClasses {
	classes := EnvClasses{}
	classes.Add(Keyed, "searched for headers", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "OBJC_INCLUDE_PATH", "OBJCPLUS_INCLUDE_PATH")
	classes.Add(Keyed, "searched for the compiler's helpers", "PATH", "LIBRARY_PATH")
	classes.Add(Forbid, "moves the compiler's helpers", "COMPILER_PATH", "GCC_EXEC_PREFIX")
	classes.Add(Keyed, "chooses the libraries that the compiler itself runs with", "LD_LIBRARY_PATH", "GLIBC_TUNABLES")
	classes.Add(Keyed, "value of __DATE__ and __TIME__", "SOURCE_DATE_EPOCH")
	classes.Add(Keyed, "default object format of the assembler", "GNUTARGET")
	classes.Add(Keyed, "chooses the character sets that can be converted", "GCONV_PATH", "LOCPATH", "NLSPATH")
	classes.Add(WorkDir, "recorded as the directory of compilation", "PWD")
	classes.Add(Message, "language of diagnostics", "LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LC_CTYPE")
	classes.Add(Message, "colour, links and width of diagnostics", "TERM", "COLUMNS", "COLORTERM", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE")
	classes.Add(Forbid, "a foreign library runs inside the compiler", "LD_PRELOAD", "LD_AUDIT", "LD_PROFILE", "LD_DEBUG_OUTPUT", "LD_DEBUG")
	classes.Add(Forbid, "asks for a dependency file of its own", "DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES")
	return classes
}

// Add puts variables into a class.
func (classes EnvClasses) Add(class Class, why string, names ...string) {
	for _, name := range names {
		classes[name] = EnvRule{class, why}
	}
}
