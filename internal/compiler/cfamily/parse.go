package cfamily

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// New completes a dialect: the source languages are the same for all.
func New(d Dialect) *Dialect {
	d.ext, d.langs = extensions(), languages()
	return &d
}

// Parse reads a call. The Invocation's Detail is a *Command.
func (d *Dialect) Parse(call *compiler.Call) (*compiler.Invocation, error) {
	args, err := expand(call.Args, call.Dir)
	if err != nil {
		return nil, err
	}
	cmd, pathAt, err := d.read(args, call.Tool.CPlus)
	if err != nil {
		return nil, err
	}
	cmd.Expanded = !slices.Equal(args, call.Args)
	env, messages, err := d.Env.Split(call.Env, call.Dir, cmd.Localised)
	if err != nil {
		return nil, err
	}
	if err := timeInDefines(cmd, call.Env); err != nil {
		return nil, err
	}
	if err := checkPrefixes(call, cmd); err != nil {
		return nil, err
	}
	if env, err = withCPU(call, cmd, env); err != nil {
		return nil, err
	}
	outputs, err := d.Outputs(cmd)
	if err != nil {
		return nil, err
	}
	known, err := knownFiles(call.Dir, cmd)
	if err != nil {
		return nil, err
	}
	if err := checkOutputs(call.Dir, outputs, known); err != nil {
		return nil, err
	}
	inv := &compiler.Invocation{
		Language: cmd.Lang.Label,
		Source:   cmd.Source,
		Part:     cmd.Lang.Name,
		Args:     args,
		Env:      env,
		Messages: messages,
		Outputs:  outputs,
		Known:    known,
		Detail:   cmd,
	}
	inv.Places = func() *compiler.Places { return cmd.places(call, inv, pathAt) }
	return inv, nil
}

// knownFiles returns the source and the files that options name, absolute.
func knownFiles(dir string, cmd *Command) ([]string, error) {
	known := []string{Abs(dir, cmd.Source)}
	for _, f := range cmd.Read {
		known = append(known, Abs(dir, f))
	}
	for _, f := range known {
		info, err := os.Stat(f)
		if err != nil {
			return nil, compiler.NotCacheable("missing input file")
		}
		if !info.Mode().IsRegular() {
			return nil, compiler.NotCacheable("input is not a regular file")
		}
	}
	return known, nil
}

// checkOutputs refuses calls whose outputs are no files of their own: one that
// is an input under whatever name, a device, or the same file twice.
func checkOutputs(dir string, outputs []compiler.Output, inputs []string) error {
	seen := map[string]bool{}
	for _, o := range outputs {
		p := Abs(dir, o.Path)
		if o.Path == "" || o.Path == "-" || strings.HasSuffix(o.Path, "/") {
			return compiler.NotCacheable("output is not a file")
		}
		for _, special := range []string{"/dev/", "/proc/", "/sys/"} {
			if strings.HasPrefix(path.Clean(p), special) {
				return compiler.NotCacheable("output to a device")
			}
		}
		if clean := path.Clean(p); seen[clean] {
			return compiler.NotCacheable("two outputs in one file")
		} else {
			seen[clean] = true
		}
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		for _, in := range inputs {
			if other, err := os.Stat(in); err == nil && os.SameFile(info, other) {
				return compiler.NotCacheable("output is an input")
			}
		}
	}
	return nil
}

// timeInDefines refuses -DSTAMP=__TIME__ and the like.
func timeInDefines(cmd *Command, env compiler.Environ) error {
	for _, d := range cmd.Defines {
		if fixesTime(d) != 0 {
			_, d, _ = strings.Cut(d, "=")
		}
		if err := cmd.checkTime(timeMacros([]byte(d)), env); err != nil {
			return err
		}
	}
	return nil
}

// fixesTime returns the macro of time that a value of -D or -U takes the place of.
// The compiler's own is then gone for good: #undef and #pragma pop_macro bring back
// what the option made of it.
func fixesTime(define string) Time {
	name, _, _ := strings.Cut(define, "=")
	return timeBits()[name]
}

// timeBits gives each macro of time its bit.
func timeBits() map[string]Time {
	return map[string]Time{"__DATE__": TimeDate, "__TIME__": TimeClock, "__TIMESTAMP__": TimeStamp}
}

// checkTime refuses the macros that hold the time of day. SOURCE_DATE_EPOCH,
// which is keyed, fixes two of them for gcc; the third is a file's time stamp.
func (c *Command) checkTime(t Time, env compiler.Environ) error {
	epoch := env.Get("SOURCE_DATE_EPOCH")
	t &^= c.FixedTime
	if t&TimeStamp != 0 {
		return compiler.NotCacheable("__TIMESTAMP__")
	}
	if t&(TimeDate|TimeClock) != 0 && (!c.Epoch || epoch == "") {
		return compiler.NotCacheable("__DATE__ or __TIME__")
	}
	return nil
}

// Time is a set of the macros that yield another text on another day.
type Time uint8

// The macros of time.
const (
	TimeDate Time = 1 << iota
	TimeClock
	TimeStamp
)

// timeMacros finds the macros of time in text, or halves of their names that ##
// could join. It does not tell comments from code.
func timeMacros(text []byte) Time {
	var t Time
	for name, bit := range timeBits() {
		if hasToken(text, name[len("__"):]) || hasToken(text, name[:len(name)-len("__")]) {
			t |= bit
		}
	}
	return t
}

// hasToken reports whether name occurs in text where it is not the middle of a
// longer identifier, except that underscores may come before it and after.
func hasToken(text []byte, name string) bool {
	for {
		i := bytes.Index(text, []byte(name))
		if i < 0 {
			return false
		}
		before, after := i-1, i+len(name)
		for before >= 0 && text[before] == '_' {
			before--
		}
		for after < len(text) && text[after] == '_' {
			after++
		}
		if (before < 0 || !isWord(text[before])) && (after == len(text) || !isWord(text[after])) {
			return true
		}
		text = text[i+len(name):]
	}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// Abs makes a path as a compiler spells it absolute, without resolving links or
// "..": only "." elements and repeated slashes go.
func Abs(dir, p string) string {
	if !filepath.IsAbs(p) {
		p = dir + "/" + p
	}
	for strings.Contains(p, "/./") {
		p = strings.ReplaceAll(p, "/./", "/")
	}
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	if p = strings.TrimSuffix(p, "/."); len(p) > 1 {
		p = strings.TrimSuffix(p, "/")
	}
	if p == "" {
		return "/"
	}
	return p
}
