// Package rendezvous says where a wrapper and its coordinator meet: the
// directory, the socket and the lock files of one user and one port. Both sides
// compute the same names from the same few facts and never tell each other.
//
// The thin wrapper pays for every import, so this is a leaf: strconv and syscall
// only. It makes no file and no directory. Every package may import it.
package rendezvous

import "strconv"

// DefaultPort names the instance of a caller that asks for none.
const DefaultPort = "4226"

// maxSocketPath is the longest socket path in bytes that every supported system
// binds: sun_path holds 104 bytes on macOS (108 on Linux), the last one zero.
const maxSocketPath = 103

// longestName is what Socket adds to the directory, at most.
const longestName = len("/65535.sock")

// Dir returns the directory of the sockets of the user uid. getenv has the shape
// of os.Getenv. It is $XDG_RUNTIME_DIR/cachepot where that variable names a
// private directory of uid and leaves room for a socket's name, and else
// /tmp/cachepot-<uid>, which the caller must make with mode 0700 and check with
// Private: anyone may have put something there before.
func Dir(getenv func(string) string, uid int) string {
	base := getenv("XDG_RUNTIME_DIR")
	dir := base + "/cachepot"
	if base != "" && base[0] == '/' && len(dir)+longestName <= maxSocketPath && Private(base, uid) {
		return dir
	}
	return "/tmp/cachepot-" + strconv.Itoa(uid)
}

// Port returns the port number that s spells, in its one spelling: decimal, 1
// to 65535, without sign or leading zeros. The empty string is DefaultPort.
func Port(s string) (port string, ok bool) {
	if s == "" {
		return DefaultPort, true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' {
		return "", false
	}
	return s, true
}

// Socket returns the path of the socket of the coordinator called port, which
// must come from Port.
func Socket(dir, port string) string { return dir + "/" + port + ".sock" }

// StartLock returns the path of the file that a wrapper locks while it starts
// the coordinator called port, so that of many that find none only one starts it.
func StartLock(dir, port string) string { return dir + "/" + port + ".start" }

// RunLock returns the path of the file that the coordinator called port keeps
// locked for its whole life: who holds it owns the socket and may replace a
// stale one.
func RunLock(dir, port string) string { return dir + "/" + port + ".run" }

// Absolute returns env with those variables made absolute by dir that hold paths
// and are read by a process that runs elsewhere. Both starters of a coordinator
// call it.
func Absolute(env []string, dir string) []string {
	out := make([]string, len(env))
	for i, kv := range env {
		out[i] = absolute(kv, dir)
	}
	return out
}

func absolute(kv, dir string) string {
	for _, name := range [...]string{"CACHEPOT_DIR=", "CACHEPOT_CONF=", "CACHEPOT_CACHED_CONF=", "CACHEPOT_STARTUP_NOTIFY="} {
		if len(kv) > len(name) && kv[:len(name)] == name && kv[len(name)] != '/' {
			return name + dir + "/" + kv[len(name):]
		}
	}
	return kv
}
