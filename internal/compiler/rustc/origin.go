package rustc

import (
	"encoding/binary"
	"errors"

	"github.com/cachepot/cachepot/internal/digest"
)

// Origin says how a library file (.rlib, .rmeta or .so) came about. rustc finds the
// dependencies of a dependency by names that are recorded inside the file, in a
// form that only the same rustc can read; an Origin holds those names, taken
// from the command line that made the file.
type Origin struct {
	// Stem is crate name and -C extra-filename: rustc searches for "lib"+Stem.
	Stem string
	// Dir is the working directory of the call and DepInfo its dependency list,
	// both absolute; DepInfo is "" where it was not asked for one.
	Dir, DepInfo string
	// Foreign: the crate, or one that it depends on, is a shared library of the
	// build: a proc-macro, which rustc loads and which may read anything.
	Foreign bool
	// Natives are the values of -l that the call was given: a link of the crate looks for
	// these libraries, too.
	Natives []string
	// Deps are the libraries that were given with --extern, used or not. A
	// proc-macro has none: rustc looks for nothing that one depends on.
	Deps []Dep
}

// Dep is a library that another was compiled against.
type Dep struct {
	Stem   string
	Digest digest.Digest // of the file that was given
}

// Origins knows how library files came about.
type Origins interface {
	// Origin returns the digest of what lies at the absolute path file and the
	// Origin of that content. False means that it is not known.
	//
	// cargo starts a dependent as soon as the .rmeta of a dependency is there,
	// while the call that wrote it still runs. So a file counts as made by a
	// running call that Produces names it for, where it has a change time after
	// the start of that call; the Origin of a finished call is kept by content.
	Origin(file string) (Origin, digest.Digest, bool)
}

// An Origin is encoded as
//
//	origin = ("OR2" | "OR3") flags text(stem) text(dir) text(depinfo) [natives] count dep*
//	flags  = byte                       ; bit 0: Foreign
//	natives = count text*               ; in "OR3" only, at least one
//	dep    = text(stem) text(digest)    ; digest as digest.Digest.String
//	text(x) = count byte*               ; count bytes
//	count  = uvarint                    ; shortest form
const (
	originMagic  = "OR2"
	nativesMagic = "OR3"
)

var errOrigin = errors.New("not an origin")

// Encode returns the encoding of o.
func (o Origin) Encode() []byte {
	magic := originMagic
	if len(o.Natives) > 0 {
		magic = nativesMagic
	}
	b := append([]byte(magic), 0)
	if o.Foreign {
		b[len(magic)] = 1
	}
	for _, s := range []string{o.Stem, o.Dir, o.DepInfo} {
		b = appendText(b, s)
	}
	if len(o.Natives) > 0 {
		b = binary.AppendUvarint(b, uint64(len(o.Natives)))
		for _, s := range o.Natives {
			b = appendText(b, s)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(o.Deps)))
	for _, d := range o.Deps {
		b = appendText(b, d.Stem)
		b = appendText(b, d.Digest.String())
	}
	return b
}

// DecodeOrigin reads what Encode wrote. Anything else is an error.
func DecodeOrigin(b []byte) (Origin, error) {
	rest, ok := cutPrefix(b, originMagic)
	natives := false
	if !ok {
		rest, natives = cutPrefix(b, nativesMagic)
	}
	if !ok && !natives || len(rest) == 0 || rest[0] > 1 {
		return Origin{}, errOrigin
	}
	o := Origin{Foreign: rest[0] == 1}
	r := textReader{b: rest[1:]}
	o.Stem, o.Dir, o.DepInfo = r.text(), r.text(), r.text()
	if natives {
		for n := r.count(); n > 0 && !r.bad; n-- {
			o.Natives = append(o.Natives, r.text())
		}
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		d := Dep{Stem: r.text()}
		var err error
		if d.Digest, err = digest.Parse(r.text()); err != nil {
			return Origin{}, errOrigin
		}
		o.Deps = append(o.Deps, d)
	}
	if r.bad || len(r.b) != 0 || string(o.Encode()) != string(b) {
		return Origin{}, errOrigin
	}
	return o, nil
}

func cutPrefix(b []byte, prefix string) ([]byte, bool) {
	if len(b) < len(prefix) || string(b[:len(prefix)]) != prefix {
		return nil, false
	}
	return b[len(prefix):], true
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// textReader takes fields off the front of b; bad sticks once anything is amiss.
type textReader struct {
	b   []byte
	bad bool
}

// count reads a number of things that take at least one byte each.
func (r *textReader) count() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 || n > uint64(len(r.b)-w) {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *textReader) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
