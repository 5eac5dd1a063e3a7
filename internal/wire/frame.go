package wire

// A frame is
//
//	frame   = kind length payload
//	kind    = byte
//	length  = 4 bytes, big endian ; of the payload
//
// and a payload consists of fields:
//
//	uint    = uvarint             ; 7 bits a byte, low bits first
//	text    = uint byte*          ; that many bytes
//	list    = uint text*          ; that many texts
const headerLen = 5

// Kind tells what a frame's payload is.
type Kind byte

// The frames, by who sends them.
const (
	KindCompile Kind = 'c' // wrapper: a Request; the first frame of a conversation
	KindExited  Kind = 'e' // wrapper: an Exited, answer to KindRun
	KindControl Kind = 'k' // command line: a request in JSON; the first frame

	KindWorking  Kind = 'w' // coordinator: alive, no answer yet; no payload
	KindProgress Kind = 'p' // coordinator: a Progress
	KindNotice   Kind = 'n' // coordinator: a Notice; an answer follows
	KindDecline  Kind = 'd' // coordinator: a Decline; the last frame
	KindRun      Kind = 'r' // coordinator: a Run
	KindRestore  Kind = 's' // coordinator: a Restore; the last frame
	KindFail     Kind = 'f' // coordinator: a Fail; the last frame
	KindAck      Kind = 'a' // coordinator: outputs are safe; no payload; the last frame
	KindReply    Kind = 'l' // coordinator: answer to KindControl, in JSON
)

// Error is a fault in the conversation.
type Error string

func (e Error) Error() string { return string(e) }

// Faults of the stream itself.
const (
	ErrTooLong   = Error("frame longer than the limit")
	ErrMalformed = Error("malformed frame")
	ErrClosed    = Error("connection closed")
)

// Reader is what frames are read from; (0, nil) is not a valid answer.
type Reader interface{ Read(p []byte) (int, error) }

// DefaultMaxFrame is the longest payload accepted, in bytes, unless configured.
const DefaultMaxFrame = 64 << 20

// ReadFrame reads one frame whose payload has at most limit bytes. buf is used
// for the payload where it is large enough.
func ReadFrame(r Reader, limit int, buf []byte) (Kind, []byte, error) {
	var head [headerLen]byte
	if err := readFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])<<24 | int(head[2])<<16 | int(head[3])<<8 | int(head[4])
	if n > limit {
		return 0, nil, ErrTooLong
	}
	buf = buf[:0]
	for len(buf) < n { // memory is taken as bytes come: a length may lie
		have := len(buf)
		step := min(n-have, max(have, 64<<10))
		buf = append(buf, make([]byte, step)...)
		if err := readFull(r, buf[have:]); err != nil {
			return 0, nil, err
		}
	}
	return Kind(head[0]), buf, nil
}

func readFull(r Reader, p []byte) error {
	for len(p) > 0 {
		n, err := r.Read(p)
		p = p[n:]
		if len(p) > 0 && err != nil {
			return err
		}
		if n <= 0 && err == nil {
			return ErrClosed
		}
	}
	return nil
}

// Begin starts a frame at the end of b; End fills in its length.
func Begin(b []byte, k Kind) []byte { return append(b, byte(k), 0, 0, 0, 0) }

// End completes the frame that starts at b[start].
func End(b []byte, start int) []byte {
	n := len(b) - start - headerLen
	b[start+1], b[start+2], b[start+3], b[start+4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return b
}

// Frame returns a whole frame around payload.
func Frame(k Kind, payload []byte) []byte {
	return End(append(Begin(nil, k), payload...), 0)
}

func appendUint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendText(b []byte, s string) []byte {
	return append(appendUint(b, uint64(len(s))), s...)
}

func appendBytes(b, s []byte) []byte {
	return append(appendUint(b, uint64(len(s))), s...)
}

func appendList(b []byte, list []string) []byte {
	b = appendUint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// fields takes fields off the front of b. bad sticks once anything is amiss, so
// a decoder checks once, at its end.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) uint() uint64 {
	var v uint64
	for i := 0; i < len(f.b) && i < 10; i++ {
		c := f.b[i]
		if i == 9 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			f.b = f.b[i+1:]
			return v
		}
	}
	f.bad, f.b = true, nil
	return 0
}

func (f *fields) bytes() []byte {
	n := f.uint()
	if n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return nil
	}
	s := f.b[:n:n]
	f.b = f.b[n:]
	return s
}

func (f *fields) text() string { return string(f.bytes()) }

func (f *fields) bool() bool { return f.uint() != 0 }

func (f *fields) list() []string {
	n := f.uint()
	if n > uint64(len(f.b)) { // an element takes a byte at least
		f.bad, f.b = true, nil
		return nil
	}
	out := make([]string, 0, n)
	for ; n > 0 && !f.bad; n-- {
		out = append(out, f.text())
	}
	return out
}

func (f *fields) end() error {
	if f.bad || len(f.b) != 0 {
		return ErrMalformed
	}
	return nil
}
