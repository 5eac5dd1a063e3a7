package wire

// Place tells which file system a process sees: two processes with equal Places
// find the same file under the same path.
//
//	place = text uint uint
type Place struct {
	MountNS string // what /proc/self/ns/mnt links to; empty where it can't be read
	RootDev uint64 // device and inode of "/"
	RootIno uint64
	// RootMount is the kernel's number of the mount that "/" is on, 0 where it does
	// not tell: a root may be a second mount of a file system, with others below it.
	RootMount uint64
}

// Request asks for a compilation.
//
//	request = uint(protocol) text(build) place uint(umask) bool(same) bool(device) uint(columns)
//	          text(dir) text(path) list(argv) list(env)
type Request struct {
	Protocol uint64
	Build    string
	Place    Place
	Umask    uint32
	// SameFile: the caller's descriptors 1 and 2 are one file, so the order
	// between the two streams can be seen.
	SameFile bool
	// Device: descriptor 1 or 2 is a device other than a terminal and the null
	// device. How writing to it fails, only the compiler itself can show.
	Device bool
	// Columns is the width of the terminal on descriptor 2, 0 where there is none.
	Columns uint64
	Dir     string
	Path    string   // the compiler's executable, absolute, symbolic links kept
	Argv    []string // the compiler's, its name included
	Env     []string
}

// Append adds r as a whole frame to b.
func (r *Request) Append(b []byte) []byte {
	start := len(b)
	b = Begin(b, KindCompile)
	b = appendUint(b, r.Protocol)
	b = appendText(b, r.Build)
	b = appendText(b, r.Place.MountNS)
	b = appendUint(b, r.Place.RootDev)
	b = appendUint(b, r.Place.RootIno)
	b = appendUint(b, r.Place.RootMount)
	b = appendUint(b, uint64(r.Umask))
	b = appendBool(b, r.SameFile)
	b = appendBool(b, r.Device)
	b = appendUint(b, r.Columns)
	b = appendText(b, r.Dir)
	b = appendText(b, r.Path)
	b = appendList(b, r.Argv)
	b = appendList(b, r.Env)
	return End(b, start)
}

// DecodeRequest reads the payload of a KindCompile frame. Where the protocol is
// another, only Protocol is set, and where the build is another, only that besides:
// the rest may have any form.
func DecodeRequest(p []byte) (*Request, error) {
	f := fields{b: p}
	r := &Request{Protocol: f.uint()}
	if f.bad {
		return nil, ErrMalformed
	}
	if r.Protocol != Protocol {
		return r, nil
	}
	r.Build = f.text()
	if !f.bad && r.Build != BuildID {
		return r, nil
	}
	r.Place = Place{MountNS: f.text(), RootDev: f.uint(), RootIno: f.uint(), RootMount: f.uint()}
	r.Umask = uint32(f.uint())
	r.SameFile = f.bool()
	r.Device = f.bool()
	r.Columns = f.uint()
	r.Dir = f.text()
	r.Path = f.text()
	r.Argv = f.list()
	r.Env = f.list()
	return r, f.end()
}

// Decline tells the wrapper to run the compiler as the caller called it.
//
//	decline = text(warning)
type Decline struct {
	Warning string // one line for the user, or empty
}

// Append adds d as a whole frame to b.
func (d *Decline) Append(b []byte) []byte {
	start := len(b)
	return End(appendText(Begin(b, KindDecline), d.Warning), start)
}

// DecodeDecline reads the payload of a KindDecline frame.
func DecodeDecline(p []byte) (*Decline, error) {
	f := fields{b: p}
	d := &Decline{Warning: f.text()}
	return d, f.end()
}

// Fail tells the wrapper to fail without running the compiler: the user wants that
// where a call that can run elsewhere could not.
//
//	fail = text(reason) text(stderr)
type Fail struct {
	Reason string // one line for the user
	Stderr []byte // what the compiler printed elsewhere
}

// Append adds f as a whole frame to b.
func (f *Fail) Append(b []byte) []byte {
	start := len(b)
	return End(appendBytes(appendText(Begin(b, KindFail), f.Reason), f.Stderr), start)
}

// DecodeFail reads the payload of a KindFail frame.
func DecodeFail(p []byte) (*Fail, error) {
	f := fields{b: p}
	r := &Fail{Reason: f.text(), Stderr: f.bytes()}
	return r, f.end()
}

// Progress is how far a long piece of work has come.
//
//	progress = text(what) uint(done) uint(total)
type Progress struct {
	What        string
	Done, Total uint64 // bytes
}

// Append adds p as a whole frame to b.
func (p *Progress) Append(b []byte) []byte {
	start := len(b)
	b = appendText(Begin(b, KindProgress), p.What)
	return End(appendUint(appendUint(b, p.Done), p.Total), start)
}

// DecodeProgress reads the payload of a KindProgress frame.
func DecodeProgress(b []byte) (*Progress, error) {
	f := fields{b: b}
	p := &Progress{What: f.text(), Done: f.uint(), Total: f.uint()}
	return p, f.end()
}

// Notice is something that the user should know; an answer follows.
//
//	notice = text(line)
type Notice struct{ Text string }

// Append adds n as a whole frame to b.
func (n *Notice) Append(b []byte) []byte {
	start := len(b)
	return End(appendText(Begin(b, KindNotice), n.Text), start)
}

// DecodeNotice reads the payload of a KindNotice frame.
func DecodeNotice(b []byte) (*Notice, error) {
	f := fields{b: b}
	n := &Notice{Text: f.text()}
	return n, f.end()
}

// Run tells the wrapper to run the compiler, to keep a copy of what it prints,
// and to report with an Exited.
//
//	run = bool(scout) bool(bare) bool(watch) bool(looks) bool(direct) text(path) list(argv) list(env)
type Run struct {
	// Scout: what runs only finds out what the compiler will read. Nothing that it
	// prints is handed on, and another answer follows the Exited.
	Scout bool
	Bare  bool // the caller's own descriptors, no copies: only the end is reported
	Watch bool // report the files that the process tree opens
	Looks bool // report instead everything that it looks at or changes
	// Direct: with Looks, leave out how realpath(3) resolves paths.
	Direct bool
	Path   string // the executable
	Argv   []string
	Env    []string // the whole environment
}

// Append adds r as a whole frame to b.
func (r *Run) Append(b []byte) []byte {
	start := len(b)
	b = Begin(b, KindRun)
	for _, v := range []bool{r.Scout, r.Bare, r.Watch, r.Looks, r.Direct} {
		b = appendBool(b, v)
	}
	b = appendText(b, r.Path)
	return End(appendList(appendList(b, r.Argv), r.Env), start)
}

// DecodeRun reads the payload of a KindRun frame.
func DecodeRun(p []byte) (*Run, error) {
	f := fields{b: p}
	r := &Run{Scout: f.bool(), Bare: f.bool(), Watch: f.bool(), Looks: f.bool(), Direct: f.bool(), Path: f.text(), Argv: f.list(), Env: f.list()}
	return r, f.end()
}

// Exited reports a compile that has ended.
//
//	exited = uint(status) uint(nanoseconds) bool(lost) text(stdout) text(stderr)
//	         text(unwatched) list(opened) list(programs) uint look*
//	look   = uint(deed) bool(found) text(path)
type Exited struct {
	Status      uint32 // as wait(2) gives it
	Nanoseconds uint64 // wall time of the compile
	// Lost: more was printed than is kept, or a stream broke; Stdout and Stderr
	// are not all of it.
	Lost           bool
	Stdout, Stderr []byte // one pipe for both: all of it is in Stdout
	Unwatched      string // why Opened is not complete; empty where it is
	Opened         []string
	Programs       []string // with Run.Looks: what was executed, interpreters included
	Looks          []Look
}

// Look is what a process tree did with one path.
type Look struct {
	Deed  Deed
	Found bool
	Path  string
}

// Deed is what was done with a path. Either side has words of its own for these
// (watch.Op, compiler.Deed) and translates.
type Deed uint8

// The deeds.
const (
	Read    Deed = iota + 1 // opened for its content, or executed
	Probed                  // looked at without its content
	Listed                  // a directory whose names were asked for
	Wrote                   // made, emptied or written to
	Removed                 // unlinked or renamed away
)

// Append adds e as a whole frame to b.
func (e *Exited) Append(b []byte) []byte {
	start := len(b)
	b = appendUint(Begin(b, KindExited), uint64(e.Status))
	b = appendBool(appendUint(b, e.Nanoseconds), e.Lost)
	b = appendBytes(appendBytes(b, e.Stdout), e.Stderr)
	b = appendList(appendList(appendText(b, e.Unwatched), e.Opened), e.Programs)
	b = appendUint(b, uint64(len(e.Looks)))
	for i := range e.Looks {
		l := &e.Looks[i]
		b = appendText(appendBool(appendUint(b, uint64(l.Deed)), l.Found), l.Path)
	}
	return End(b, start)
}

// DecodeExited reads the payload of a KindExited frame. The streams share p's
// memory.
func DecodeExited(p []byte) (*Exited, error) {
	f := fields{b: p}
	e := &Exited{Status: uint32(f.uint()), Nanoseconds: f.uint(), Lost: f.bool(),
		Stdout: f.bytes(), Stderr: f.bytes(), Unwatched: f.text(), Opened: f.list(), Programs: f.list()}
	n := f.uint()
	if n > uint64(len(f.b)) {
		return nil, ErrMalformed
	}
	if n > 0 {
		e.Looks = make([]Look, n)
	}
	for i := range e.Looks {
		e.Looks[i] = Look{Deed: f.deed(), Found: f.bool(), Path: f.text()}
	}
	return e, f.end()
}

func (f *fields) deed() Deed {
	d := f.uint()
	f.bad = f.bad || d < uint64(Read) || d > uint64(Removed)
	return Deed(d)
}

// Restore gives the wrapper a stored result to put in place.
//
//	restore = text(stdout) text(stderr) uint file*
//	file    = text(blob) text(path) uint(mode) uint(how)
type Restore struct {
	Stdout, Stderr []byte
	Files          []RestoreFile
}

// RestoreFile is one output.
type RestoreFile struct {
	Blob string // path of the stored content; with Inline the content itself
	Path string // where it goes, as the compiler would open it
	Mode uint32 // permissions, before the umask
	How  How
}

// How says how a file is put in place.
type How uint32

// The bits of How.
const (
	InPlace   How = 1 << iota // truncate and write where the file exists: mode and inode stay
	HardLink                  // link to the blob; Mode is the blob's own
	ExactMode                 // Mode is not subject to the umask
	Inline                    // the content is in the frame
)

// Append adds r as a whole frame to b.
func (r *Restore) Append(b []byte) []byte {
	start := len(b)
	b = appendBytes(appendBytes(Begin(b, KindRestore), r.Stdout), r.Stderr)
	b = appendUint(b, uint64(len(r.Files)))
	for i := range r.Files {
		f := &r.Files[i]
		b = appendText(appendText(b, f.Blob), f.Path)
		b = appendUint(appendUint(b, uint64(f.Mode)), uint64(f.How))
	}
	return End(b, start)
}

// DecodeRestore reads the payload of a KindRestore frame. The streams share p's
// memory.
func DecodeRestore(p []byte) (*Restore, error) {
	f := fields{b: p}
	r := &Restore{Stdout: f.bytes(), Stderr: f.bytes()}
	n := f.uint()
	if n > uint64(len(f.b)) {
		return nil, ErrMalformed
	}
	r.Files = make([]RestoreFile, n)
	for i := range r.Files {
		r.Files[i] = RestoreFile{Blob: f.text(), Path: f.text(), Mode: uint32(f.uint()), How: How(f.uint())}
	}
	return r, f.end()
}
