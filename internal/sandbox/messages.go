package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Worker and keeper talk over two sockets, one of which is for kill alone:
//
//	message = length payload     ; length: 4 bytes, little endian; descriptors come with it
//	payload = request | reply    ; JSON
//
// Every request but those to kill and to end has one reply.

// request is what a keeper is asked for: one of its fields.
type request struct {
	Run  *jobSpec
	Kill string // why the job should end, if it still runs
	Job  int    // the number of the job to run or to kill
	Open string // a path that was told of: the reply comes with a descriptor
	Walk string // a directory that was told of
	Most int    // entries of a walk
	End  bool   // forget the job's files; there is no reply
}

// reply is a keeper's answer.
type reply struct {
	Error   string // why there is no answer
	Bounded bool   // because of a limit
	Limit   string // which limit ended the job; else it came to its own end
	Status  int
	Stdout  []byte
	Stderr  []byte
	Outputs []Output
}

// maxMessage bounds a message; a command line has 2 MiB at most.
const maxMessage = 64 << 20

// messenger is one end of the socket.
type messenger interface {
	io.ReadWriter
	ReadMsgUnix(b, rights []byte) (n, rightsN, flags int, from *net.UnixAddr, err error)
	WriteMsgUnix(b, rights []byte, to *net.UnixAddr) (n, rightsN int, err error)
}

func send(c messenger, v any, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	head := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b)))
	b = append(head, b...)
	n, _, err := c.WriteMsgUnix(b, rights, nil)
	if err == nil && n < len(b) {
		_, err = c.Write(b[n:])
	}
	if err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// receive returns the descriptors that came with the message. The error at the
// end of the connection is io.EOF.
func receive(c messenger, v any) ([]*os.File, error) {
	head, rights := make([]byte, 4), make([]byte, unix.CmsgSpace(4*4))
	n, used, _, _, err := c.ReadMsgUnix(head, rights)
	if err != nil || n == 0 {
		return nil, errors.Join(io.EOF, err)
	}
	files, err := received(rights[:used])
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, head[n:]); err != nil {
		return files, fmt.Errorf("receive message: %w", err)
	}
	size := binary.LittleEndian.Uint32(head)
	if size > maxMessage {
		return files, fmt.Errorf("message of %d bytes", size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(c, b); err != nil {
		return files, fmt.Errorf("receive message: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return files, fmt.Errorf("decode message: %w", err)
	}
	return files, nil
}

func received(rights []byte) ([]*os.File, error) {
	if len(rights) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, fmt.Errorf("receive descriptors: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// blocking is a socket whose thread waits in the kernel: one that is locked to its
// goroutine would be woken by another thread for every message.
type blocking int

func (c blocking) Read(b []byte) (int, error) {
	n, _, _, _, err := c.ReadMsgUnix(b, nil)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func (c blocking) Write(b []byte) (int, error) {
	for done := 0; ; {
		n, _, err := c.WriteMsgUnix(b[done:], nil, nil)
		if done += n; err != nil || done == len(b) {
			return done, err
		}
	}
}

// ReadMsgUnix is as that of net.UnixConn, but tells of no address.
func (c blocking) ReadMsgUnix(b, rights []byte) (n, rightsN, flags int, from *net.UnixAddr, err error) {
	for {
		n, rightsN, flags, _, err = unix.Recvmsg(int(c), b, rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), rightsN, flags, nil, err
		}
	}
}

// WriteMsgUnix is as that of net.UnixConn; the address has no meaning.
func (c blocking) WriteMsgUnix(b, rights []byte, _ *net.UnixAddr) (n, rightsN int, err error) {
	for {
		n, err = unix.SendmsgN(int(c), b, rights, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), len(rights), err
		}
	}
}

// connection makes a connection of the socket f, which is closed.
func connection(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("not a unix socket"), c.Close())
	}
	return u, nil
}
