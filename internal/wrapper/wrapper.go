package wrapper

import (
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/watch"
)

// Main runs one wrapper call and returns its exit status. argv and env are the
// process's own.
func Main(argv, env []string) int {
	w := &wrapper{env: env, self: executable()}
	argv = withoutRepetition(argv)
	if name := base(argv[0]); looksLikeCompiler(name) {
		return w.compile(append([]string{name}, argv[1:]...))
	}
	if len(argv) > 1 && !isCommand(argv[1]) {
		return w.compile(argv[1:])
	}
	if len(argv) == 2 && argv[1] == serveWatched {
		return exitOf(watch.Serve(3))
	}
	return w.command(argv)
}

// withoutRepetition drops this program's name where it stands twice: a launcher
// before a compiler that is "cachepot gcc" already.
func withoutRepetition(argv []string) []string {
	for len(argv) > 2 && base(argv[0]) == "cachepot" && base(argv[1]) == "cachepot" {
		argv = argv[1:]
	}
	return argv
}

func exitOf(err error) int {
	if err != nil {
		return 1
	}
	return 0
}

// wrapper is one call.
type wrapper struct {
	env  []string
	self string // this program's file, "" where the system does not tell
}

// getenv returns the value of the first variable called name, or "".
func (w *wrapper) getenv(name string) string {
	for _, kv := range w.env {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			return kv[len(name)+1:]
		}
	}
	return ""
}

// isCommand reports whether arg asks cachepot itself for something.
func isCommand(arg string) bool {
	return arg != "" && arg[0] == '-' || arg == "explain" || arg == "verify"
}

// command hands the command line over to the program beside this one.
func (w *wrapper) command(argv []string) int {
	program := w.coordinator()
	err := syscall.Exec(program, append([]string{"cachepot"}, argv[1:]...), w.env)
	w.warn("cannot run " + program + ": " + err.Error())
	return 2
}

// compile runs one compiler call; argv[0] names the compiler.
func (w *wrapper) compile(argv []string) int {
	c := &call{wrapper: w, argv: argv}
	var errno syscall.Errno
	var shadowed bool
	if c.path, shadowed, errno = w.find(argv[0]); errno != 0 {
		w.warn(argv[0] + ": " + errno.Error())
		if errno == syscall.ENOENT {
			return 127
		}
		return 126
	}
	if shadowed {
		// gcc looks for itself in PATH by this name, and would find us.
		c.argv = append([]string{c.path}, argv[1:]...)
	}
	byDefault(unix.SIGQUIT) // the runtime would print a trace of its own
	// Called by a compiler that is watched (rustc has its cc link): a conversation
	// with the coordinator would be taken for something that the compiler depends on.
	if w.getenv(watchedVariable) != "" || !c.connect() {
		return c.bare()
	}
	return c.converse()
}

// call is one compiler call.
type call struct {
	*wrapper
	path string // the compiler's executable
	argv []string
	conn conn
}

// bare becomes the compiler. It returns only if that cannot be done.
func (c *call) bare() int {
	err := syscall.Exec(c.path, c.argv, c.env)
	if err == syscall.ENOEXEC { // a script without "#!": what execvp does
		err = syscall.Exec("/bin/sh", append([]string{"sh", c.path}, c.argv[1:]...), c.env)
	}
	c.warn(c.argv[0] + ": " + err.Error())
	return 126
}

// warn tells the user something in one line.
func (w *wrapper) warn(text string) {
	line := "cachepot: " + strings.ReplaceAll(text, "\n", " ") + "\n"
	_ = writeAll(2, []byte(line)) // there is nobody else to tell
}

// trace tells why a call is run as it is, to who has asked for all there is to
// know. It is the one case in which more than the compiler's words come out.
func (w *wrapper) trace(text string) {
	filter := w.getenv("CACHEPOT_LOG")
	if filter == "" {
		filter = w.getenv("RUST_LOG")
	}
	if strings.Contains(filter, "trace") {
		w.warn(text)
	}
}

// executable returns the file of this program, symbolic links resolved.
func executable() string {
	p, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return ""
	}
	return p
}

// umask returns the file mode mask of the process.
func umask() uint32 {
	m := unix.Umask(0)
	unix.Umask(m)
	return uint32(m)
}

func base(p string) string { return p[strings.LastIndexByte(p, '/')+1:] }

func dir(p string) string {
	switch i := strings.LastIndexByte(p, '/'); i {
	case -1:
		return "."
	case 0:
		return "/"
	default:
		return p[:i]
	}
}
