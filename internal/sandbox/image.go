package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The last step before the command is a program that is made for each job: a
// static ELF image that makes a list of system calls and has the command line and
// the environment as data. To start any program of Go for it would take longer
// than all else that the sandbox does.
//
//	image = ELF header, program header, code, data
//	code  = call* failed          ; the last call is execve
//	failed = write step and errno to replyFD, exit
type image struct {
	calls []call
	data  []byte
}

// call is one system call, and what it is for in words.
type call struct {
	what string
	nr   uint32
	args [4]word
}

// word is a number, or the place of something in the data.
type word struct {
	value uint64
	place bool
}

func number(v uint64) word { return word{value: v} }

const (
	imageBase = 0x400000
	elfHeader = 64
	elfOne    = 56 // a program header
)

func (p *image) call(what string, nr uint32, args ...word) {
	c := call{what: what, nr: nr}
	copy(c.args[:], args)
	p.calls = append(p.calls, c)
}

// put adds b to the data, aligned for numbers, and returns its place.
func (p *image) put(b []byte) word {
	for len(p.data)%8 != 0 {
		p.data = append(p.data, 0)
	}
	at := word{uint64(len(p.data)), true}
	p.data = append(p.data, b...)
	return at
}

func (p *image) text(s string) word { return p.put(append([]byte(s), 0)) }

// list puts a list of strings, as execve takes it.
func (p *image) list(texts []string) []word {
	var out []word
	for _, s := range texts {
		out = append(out, p.text(s))
	}
	return append(out, number(0))
}

// bytes returns the image. The pointers of lists have been put as words; at is
// where the data will lie.
func (p *image) bytes(lists map[word][]word) []byte {
	at := uint64(imageBase + elfHeader + elfOne + len(p.calls)*callSize + len(appendFailed(nil)))
	at += (8 - at%8) % 8
	resolve := func(w word) uint64 {
		if w.place {
			return at + w.value
		}
		return w.value
	}
	for place, words := range lists {
		for i, w := range words {
			binary.LittleEndian.PutUint64(p.data[place.value+uint64(8*i):], resolve(w))
		}
	}
	size := at - imageBase + uint64(len(p.data))
	b := make([]byte, 0, size)
	b = append(b, 0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little endian */, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	le := binary.LittleEndian
	b = le.AppendUint16(b, 2) // an executable
	b = le.AppendUint16(b, machine)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, imageBase+elfHeader+elfOne) // entry
	b = le.AppendUint64(b, elfHeader)                  // program headers
	b = le.AppendUint64(b, 0)                          // no sections
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{elfHeader, elfOne, 1, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // load
	b = le.AppendUint32(b, 5) // read and execute
	for _, v := range []uint64{0, imageBase, imageBase, size, size, 0x1000} {
		b = le.AppendUint64(b, v)
	}
	for i := range p.calls {
		b = p.calls[i].code(b, i, (len(p.calls)-i-1)*callSize, resolve)
	}
	b = appendFailed(b)
	for uint64(len(b)) < at-imageBase {
		b = append(b, 0)
	}
	return append(b, p.data...)
}

// begun is the first byte that the image writes to replyFD. If a call fails, the
// number of the call and its result follow, 8 bytes each.
const begun = '+'

// stepImage makes the image that becomes the command of j: it says that it has
// begun, takes the limits on, goes to the directory, and leaves descriptors 0 to 2
// alone open. The names of the calls, for failure, come with it.
func stepImage(j *jobSpec) ([]byte, []string, error) {
	if len(j.Args) == 0 || !path.IsAbs(j.Args[0]) && !j.Own {
		return nil, nil, errors.New("command without an absolute path")
	}
	for _, s := range append(append([]string{j.Dir}, j.Args...), j.Env...) {
		if strings.IndexByte(s, 0) >= 0 {
			return nil, nil, errors.New("command line with a NUL")
		}
	}
	p := &image{}
	p.call("tell of start", unix.SYS_WRITE, number(replyFD), p.put([]byte{begun}), number(1))
	if !j.Without.has(measureDescriptors) {
		p.call("close descriptors", unix.SYS_CLOSE_RANGE, number(3), number(math.MaxUint32), number(unix.CLOSE_RANGE_CLOEXEC))
	}
	p.call("change to "+j.Dir, unix.SYS_CHDIR, p.text(j.Dir))
	if !j.Without.has(measureLimits) {
		for _, l := range j.resources() {
			b := binary.LittleEndian.AppendUint64(nil, l.soft)
			p.call("set limits", unix.SYS_PRLIMIT64, number(0), number(uint64(l.which)), p.put(binary.LittleEndian.AppendUint64(b, l.hard)))
		}
	}
	p.call("set umask", unix.SYS_UMASK, number(0o022))
	program := j.Args[0]
	if j.Own {
		program = fmt.Sprintf("/proc/self/fd/%d", programFD)
	}
	argv, envp := p.list(j.Args), p.list(j.Env)
	args, env := p.put(make([]byte, 8*len(argv))), p.put(make([]byte, 8*len(envp)))
	p.call("execute "+program, unix.SYS_EXECVE, p.text(program), args, env)
	names := make([]string, len(p.calls))
	for i, c := range p.calls {
		names[i] = c.what
	}
	return p.bytes(map[word][]word{args: argv, env: envp}), names, nil
}

// started interprets what the image wrote.
func started(said []byte, names []string) error {
	switch {
	case len(said) == 0:
		return errors.New("bubblewrap did not start the command")
	case len(said) == 1:
		return nil
	case len(said) != 17:
		return errors.New("the start of the command cannot be understood")
	}
	step := binary.LittleEndian.Uint64(said[1:])
	result := syscall.Errno(-int64(binary.LittleEndian.Uint64(said[9:])))
	if step >= uint64(len(names)) {
		return errors.New("the start of the command cannot be understood")
	}
	return fmt.Errorf("%s: %w", names[step], result)
}

// resource is one limit that the kernel keeps watch of.
type resource struct {
	which      int
	soft, hard uint64
}

func (j *jobSpec) resources() []resource {
	l := &j.Limits
	list := []resource{
		{unix.RLIMIT_CPU, l.CPU, l.CPU + 5}, // first comes a signal that tells
		{unix.RLIMIT_FSIZE, l.FileSize, l.FileSize},
		{unix.RLIMIT_NOFILE, l.Files, l.Files},
		{unix.RLIMIT_CORE, 1, 1}, // at 0, all that is left under ulimit -c 0, the kernel still starts a program that takes core files
		{unix.RLIMIT_MEMLOCK, 64 << 10, 64 << 10},
		{unix.RLIMIT_MSGQUEUE, 0, 0},
	}
	if j.CountProcesses {
		list = append(list, resource{unix.RLIMIT_NPROC, l.Processes, l.Processes})
	}
	if j.BoundData {
		list = append(list, resource{unix.RLIMIT_DATA, l.Memory, l.Memory})
	}
	for i := range list { // nobody is given more than this process has
		var own unix.Rlimit
		if err := unix.Getrlimit(list[i].which, &own); err == nil {
			list[i].soft, list[i].hard = min(list[i].soft, own.Max), min(list[i].hard, own.Max)
		}
	}
	return list
}
