package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Process is how the process of a server of cachepot-dist behaves. All of it comes
// from the environment.
type Process struct {
	Log            string // filter of internal/logging; "" is its default
	Foreground     bool   // CACHEPOT_NO_DAEMON
	AllowCoreDumps bool
}

// Address is where somebody listens or is reached.
type Address struct {
	Scheme     string // "http", "https", or "" where none was given
	Host, Port string // Port is a number, never 0
}

// HostPort returns the address as host:port.
func (a Address) HostPort() string { return net.JoinHostPort(a.Host, a.Port) }

// Loopback reports whether the host is one of the loopback interface, by its number or as
// localhost: nobody on another machine reaches it.
func (a Address) Loopback() bool {
	ip := net.ParseIP(a.Host)
	return a.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// Auth types of the files of cachepot-dist, besides AuthToken and AuthMozilla.
const (
	AuthJWT      AuthType = "jwt_hs256" // the scheduler's, of its workers
	AuthJWTToken AuthType = "jwt_token" // a worker's, for its scheduler
	AuthInsecure AuthType = "DANGEROUSLY_INSECURE"
)

// KeyPair are files in PEM: a certificate and its key.
type KeyPair struct{ Certificate, Key string }

// servers is what the files of cachepot-dist are read into; one file fills one of them.
type servers struct {
	scheduler Scheduler
	worker    Worker
}

// loadServer reads the file at path, for which settings is the table, and what a server
// takes from the environment.
func loadServer(path string, env []string, host Host, settings []Setting) (*loader, Process) {
	l := newLoader(host, newSchema(settings))
	path, problem := host.resolve(value{text: path, form: formVariable, host: host})
	l.sections[""] = origin{file: path}
	if problem != "" {
		l.problem(&Error{Key: "--config", Text: problem})
	} else if f := l.open(path, true); f != nil {
		defer f.Close()
		l.read(path, f)
	}
	l.defaults()
	return l, l.process(env)
}

// process reads what a server takes from the environment.
func (l *loader) process(env []string) Process {
	c := l.config
	for _, s := range processSettings() {
		switch s.Env {
		case "CACHEPOT_LOG", "RUST_LOG", "CACHEPOT_NO_DAEMON", "CACHEPOT_ALLOW_CORE_DUMPS":
		default:
			continue
		}
		if text := lookup(env, s.Env); text != "" {
			if problem := s.assign(l.target(), value{text: text, form: formVariable, host: l.host}); problem != "" {
				l.problem(&Error{Key: s.Env, Text: problem})
			}
		}
	}
	if c.Log == "" {
		c.Log = c.rustLog
	}
	return Process{Log: c.Log, Foreground: c.Coordinator.Foreground, AllowCoreDumps: c.Coordinator.AllowCoreDumps}
}

// needsSection notes that a table without which a file makes no sense is missing.
func (l *loader) needsSection(name string) (at origin, ok bool) {
	at, ok = l.sections[name]
	if !ok {
		l.problem(l.sections[""].error("needs [" + name + "]"))
	}
	return at, ok
}

// checkToken looks at a section that has a type and a token. Types in with have one.
func (l *loader) checkToken(section string, typ AuthType, with ...AuthType) {
	at, given := l.set[l.schema.keys[section+".token"]]
	for _, w := range with {
		if w == typ {
			if !given {
				l.problem(l.sections[section].error("of type " + string(typ) + " needs " + section + ".token too"))
			}
			return
		}
	}
	if given {
		l.problem(at.error("goes with type " + string(with[0]) + " only"))
	}
}

// checkPair looks at a section of a certificate and a key.
func (l *loader) checkPair(section string, p *KeyPair) {
	if p != nil && (p.Certificate == "") != (p.Key == "") {
		l.problem(l.sections[section].error("needs both " + section + ".certificate and " + section + ".key"))
	}
}

// address understands host:port, and http:// or https:// with a host and perhaps a port.
func address(text string) (Address, string) {
	var a Address
	rest := text
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		u, err := url.Parse(text)
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
			return Address{}, "is no address"
		}
		if scheme != "http" && scheme != "https" {
			return Address{}, shown(text) + " has another scheme"
		}
		a.Scheme, rest = scheme, strings.TrimRight(after, "/")
		if u.Port() == "" {
			rest = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[scheme])
		}
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil || host == "" || len(host) > 253 || strings.ContainsAny(host, "/@ \x00") {
		return Address{}, shown(text) + " is not host and port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Address{}, shown(text) + " has no valid port"
	}
	a.Host, a.Port = host, port
	return a, ""
}

// ServerLogs returns the directory for the logs of servers in the background: the system's for
// root, and the user's own for others.
func ServerLogs(env []string, host Host) (string, error) {
	if host.UID == 0 && lookup(env, "XDG_STATE_HOME") == "" {
		return "/var/log/cachepot", nil
	}
	p, err := host.places(env)
	if p.state == "" {
		return "", err
	}
	return p.state, nil
}
