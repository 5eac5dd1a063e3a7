package action

import (
	"encoding/binary"
	"errors"
)

// A path set is encoded as
//
//	pathset  = "PS1" list(path) count search* count listing* list(env)
//	search   = list(dir) list(name)
//	listing  = text(dir) text(prefix) text(suffix)
//	list(x)  = count text(x)*
//	text(x)  = count byte*          ; count bytes
//	count    = uvarint              ; as encoding/binary writes it, shortest form
//
// with every list sorted and without duplicates (PathSet.Normalize).
const pathSetMagic = "PS1"

var errPathSet = errors.New("not a path set")

// Encode normalizes the set and returns its encoding.
func (p *PathSet) Encode() []byte {
	p.Normalize()
	b := []byte(pathSetMagic)
	b = appendList(b, p.Paths)
	b = binary.AppendUvarint(b, uint64(len(p.Searches)))
	for _, s := range p.Searches {
		b = appendList(b, s.Dirs)
		b = appendList(b, s.Names)
	}
	b = binary.AppendUvarint(b, uint64(len(p.Listings)))
	for _, l := range p.Listings {
		b = appendText(b, l.Dir)
		b = appendText(b, l.Prefix)
		b = appendText(b, l.Suffix)
	}
	return appendList(b, p.EnvNames)
}

// DecodePathSet reads what Encode wrote. Whatever else b may hold, the result
// is an error, never a set that encodes to other bytes.
func DecodePathSet(b []byte) (*PathSet, error) {
	if len(b) < len(pathSetMagic) || string(b[:len(pathSetMagic)]) != pathSetMagic {
		return nil, errPathSet
	}
	r := reader{b: b[len(pathSetMagic):]}
	p := &PathSet{Paths: r.list()}
	for n := r.count(); n > 0 && !r.bad; n-- {
		p.Searches = append(p.Searches, Search{Dirs: r.list(), Names: r.list()})
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		p.Listings = append(p.Listings, Listing{Dir: r.text(), Prefix: r.text(), Suffix: r.text()})
	}
	p.EnvNames = r.list()
	if r.bad || len(r.b) != 0 || string(p.Encode()) != string(b) {
		return nil, errPathSet
	}
	return p, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendList(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// reader takes fields off the front of b; bad sticks once anything is amiss.
type reader struct {
	b   []byte
	bad bool
}

// count reads a number of things that take at least one byte each, so that a
// lying count cannot make the caller allocate more than the input is long.
func (r *reader) count() uint64 {
	n, w := binary.Uvarint(r.b)
	if w <= 0 || n > uint64(len(r.b)-w) {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[w:]
	return n
}

func (r *reader) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) list() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	out := make([]string, 0, n)
	for ; n > 0 && !r.bad; n-- {
		out = append(out, r.text())
	}
	return out
}
