package config

import "slices"

// Setting is one thing that can be configured: a key of the file, a variable of
// the environment, or both.
type Setting struct {
	Key      string // dotted key; "dist.toolchains[].x" is key x of each [[dist.toolchains]]; "" for none
	Env      string // variable; "" for none
	Kind     Kind
	Scope    Scope
	Default  string // as a user would write it; "" for none
	Computed string // where the default depends on the machine, what it is, in Markdown
	Choices  string // blank-separated: the words of KindChoice, the schemes of the address kinds
	Min, Max int64  // bounds of KindSize, KindSeconds and KindCount; Max 0 is none
	Required bool   // wherever its section is configured
	Doc      string // Markdown, one sentence or two

	field func(target) any // pointer to where the value goes
}

// Kind is what a setting's value looks like.
type Kind int

// The kinds.
const (
	KindText      Kind = iota
	KindSecret         // text that is never shown
	KindSecretURL      // address with a password
	KindURL            // address without one; host:port alone is http
	KindPath           // on this machine
	KindHomePath       // on this machine; may begin with "~/"
	KindInnerPath      // in an archive: absolute, with slashes
	KindSize           // bytes
	KindSeconds        // whole seconds
	KindBool
	KindChoice
	KindPort
	KindNames   // list of names of variables; "*" may end one
	KindRoots   // list of NAME=DIRECTORY
	KindPairs   // list of "name=value"
	KindHeaders // list of "name: value"; the values are never shown
	KindAddress // host:port, perhaps with http:// or https:// before it
	KindCount   // whole number
	KindWords   // list of strings
)

// Scope says which process reads a variable, and so whether a caller whose
// variable differs needs another coordinator.
type Scope int

// The scopes.
const (
	// ScopeInstance variables, like the file, are what a coordinator was started
	// with; callers with other values have another Identity.
	ScopeInstance Scope = iota
	// ScopeStart variables count when a coordinator starts. Callers of a running
	// one may differ: a service set to run for ever serves jobs that are not.
	ScopeStart
	// ScopeCall variables are read from the environment of each compile.
	ScopeCall
)

// target is what settings write to: config for ScopeInstance and ScopeStart,
// call for ScopeCall, servers for the files of cachepot-dist.
type target struct {
	config  *Config
	call    *Call
	servers *servers
}

// The accessors of optional sections make the section on first use.

func (t target) s3() *S3               { return made(&t.config.S3) }
func (t target) redis() *Redis         { return made(&t.config.Redis) }
func (t target) memcached() *Memcached { return made(&t.config.Memcached) }
func (t target) gcs() *GCS             { return made(&t.config.GCS) }
func (t target) azure() *Azure         { return made(&t.config.Azure) }
func (t target) dist() *Dist           { return made(&t.config.Dist) }
func (t target) auth() *Auth           { return made(&t.dist().Auth) }
func (t target) tls() *TLS             { return made(&t.dist().TLS) }

// toolchain returns the entry of [[dist.toolchains]] that is being read: the last.
func (t target) toolchain() *Toolchain {
	list := t.dist().Toolchains
	return &list[len(list)-1]
}

func made[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// Settings returns the table of everything that can be configured, in the order
// of the manual.
func Settings() []Setting {
	p := parts()
	return slices.Concat(p[:]...)
}

// parts returns the table in pieces, which spares Identity a copy of it.
func parts() [6][]Setting {
	return [...][]Setting{distSettings(), diskSettings(), pathSettings(), sharedSettings(), variableSettings(), processSettings()}
}

// section returns the key of the table that the setting is a key of, or would
// be: variables that have no key belong to none.
func (s *Setting) section() string {
	for i := len(s.Key) - 1; i >= 0; i-- {
		if s.Key[i] == '.' {
			return s.Key[:i]
		}
	}
	return ""
}
