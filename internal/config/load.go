package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cachepot/cachepot/internal/rendezvous"
)

// maxFile is the longest configuration file in bytes. It holds 200 toolchains.
// The check for duplicate keys is quadratic in their number, so that a device or
// a data file named by mistake must not get far.
const maxFile = 64 << 10

// maxProblems is how many errors are told of at once: a screenful.
const maxProblems = 20

// Load reads the environment env ("NAME=value", the first of a name counts, an
// empty value is none) and the configuration file, of which what env says wins.
// A file that is not in the usual place is no error; one that CACHEPOT_CONF
// names and that is missing is. The error is an *Error, or wraps several.
func Load(env []string, host Host) (*Config, error) {
	l := newLoader(host, newSchema(Settings()))
	p, homeErr := host.places(env)
	file, named, problem := host.configFile(env, p)
	if problem != "" {
		l.problem(&Error{Key: confVariable, Text: problem})
	} else if file != "" {
		l.file(file, named, env, p)
	}
	if l.config.File == "" {
		l.config.Identity = identity(env, host, p, file, fileState{})
	}
	l.environment(env)
	l.complete(p, homeErr)
	home, err := host.home(env)
	l.expandHome(home, err)
	if host.GOOS != windows {
		getenv := func(name string) string { return lookup(env, name) }
		l.config.RuntimeDir = rendezvous.Dir(getenv, host.UID)
	}
	return l.result()
}

// ForCall reads the variables that each compile has of its own. The error is an
// *Error; the Call holds what could be understood.
func ForCall(env []string) (Call, error) {
	var call Call
	var problems []error
	for _, s := range processSettings() {
		if s.Scope != ScopeCall {
			continue
		}
		v := value{text: lookup(env, s.Env)}
		if v.text == "" {
			continue
		}
		if problem := s.assign(target{call: &call}, v); problem != "" {
			problems = append(problems, &Error{Key: s.Env, Text: problem})
		}
	}
	return call, errors.Join(problems...)
}

// loader gathers a Config and everything that is wrong with it.
type loader struct {
	host     Host
	schema   *schema
	config   *Config
	servers  servers             // of cachepot-dist
	set      map[*Setting]origin // settings that the user gave, the wrong ones too
	sections map[string]origin   // tables that the user wrote or gave a key of
	elements []element           // of [[dist.toolchains]]
	problems []error
}

type element struct {
	at  origin
	set map[*Setting]bool
}

func newLoader(host Host, s *schema) *loader {
	return &loader{
		host:     host,
		schema:   s,
		config:   new(Config),
		set:      map[*Setting]origin{},
		sections: map[string]origin{},
	}
}

func (l *loader) target() target { return target{config: l.config, servers: &l.servers} }

func (l *loader) problem(err *Error) { l.problems = append(l.problems, err) }

// mark notes that the table at path, and so each one above it, is configured.
func (l *loader) mark(path string, at origin) {
	for path != "" {
		if _, known := l.sections[path]; !known {
			l.sections[path] = at
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
}

func (l *loader) beginElement(at origin) {
	l.elements = append(l.elements, element{at: at, set: map[*Setting]bool{}})
	d := l.target().dist()
	d.Toolchains = append(d.Toolchains, Toolchain{})
}

// store gives the setting its value.
func (l *loader) store(s *Setting, v value, at origin) {
	l.set[s] = at
	l.mark(s.section(), at)
	if s.section() == toolchainSection {
		l.elements[len(l.elements)-1].set[s] = true
	}
	if problem := s.assign(l.target(), v); problem != "" {
		l.problem(at.error(problem))
	}
}

// complete fills in what was left out and looks at everything together.
func (l *loader) complete(p places, homeErr error) {
	l.defaults()
	l.places(p, homeErr)
	l.check()
}

func (l *loader) result() (*Config, error) {
	if len(l.problems) == 0 {
		return l.config, nil
	}
	if len(l.problems) == 1 {
		return nil, l.problems[0]
	}
	if more := len(l.problems) - maxProblems; more > 0 {
		l.problems = append(l.problems[:maxProblems], &Error{Text: fmt.Sprintf("and %d more errors", more)})
	}
	return nil, errors.Join(l.problems...)
}

// file reads the configuration file. The Identity is that of the file before it
// is read: if it changes meanwhile, callers find that they differ, and that is
// the safe side.
func (l *loader) file(path string, named bool, env []string, p places) {
	f := l.open(path, named)
	if f == nil {
		return
	}
	defer f.Close()
	l.config.File = path
	l.config.Identity = identity(env, l.host, p, path, stateOf(f))
	l.read(path, f)
}

// open opens a configuration file. It returns nil where there is none that may be
// read, which has been noted.
func (l *loader) open(path string, must bool) *os.File {
	f, err := os.Open(path)
	if missing(err) && !must {
		return nil
	}
	if err != nil {
		l.problem(&Error{File: path, Text: "cannot be read: " + reason(err)})
		return nil
	}
	if why := untrusted(f, l.host.UID); why != "" {
		f.Close()
		l.problem(&Error{File: path, Text: why})
		return nil
	}
	return f
}

// read understands what a configuration file holds.
func (l *loader) read(path string, f *os.File) {
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		l.problem(&Error{File: path, Text: "cannot be read: " + reason(err)})
		return
	}
	if len(text) > maxFile {
		l.problem(&Error{File: path, Text: fmt.Sprintf("is longer than %d bytes", maxFile)})
		return
	}
	readDocument(l, path, text)
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// reason returns the system's own words, without the path again.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// environment reads the variables and warns of those that only look like ours.
func (l *loader) environment(env []string) {
	seen := map[string]bool{}
	for _, kv := range env {
		name, text, _ := strings.Cut(kv, "=")
		s := l.schema.variables[name]
		if seen[name] || s == nil && !strings.HasPrefix(name, variablePrefix) {
			continue
		}
		seen[name] = true
		switch {
		case s == nil:
			l.warnUnknown(name)
		case s.Scope != ScopeCall && text != "" && name != confVariable:
			l.store(s, value{text: text, form: formVariable, host: l.host}, origin{name: name})
		}
	}
}

func (l *loader) warnUnknown(name string) {
	text := "unknown variable, ignored"
	if near := nearest(name[len(variablePrefix):], l.schema.names); near != "" {
		text += "; perhaps " + variablePrefix + near + " is meant"
	}
	e := &Error{Key: name[:min(len(name), maxShown)], Text: text}
	l.config.Warnings = append(l.config.Warnings, e.Error())
}
