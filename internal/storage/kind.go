package storage

// Kind says what a record is and so how it may change. The set is closed: the
// constants below are the only kinds.
type Kind uint8

const (
	// Entry: the digest of an action leads to its result. Immutable.
	Entry Kind = iota + 1
	// Request: the digest of a request leads to the path sets that calls like it
	// turned out to need. Mutable, and at most MaxRequest bytes.
	Request
	// PathSet: an encoded path set under the digest of its encoding. Immutable;
	// Get and Put check that the key is the digest of the payload.
	PathSet
	// Toolchain: a compiler under an environment leads to what it was found to be
	// made of. Mutable: compilers are replaced.
	Toolchain
	// Subject: what was compiled leads to how it was compiled last, so that a
	// miss can be explained. Mutable.
	Subject
	// Origin: the content of a library that a compiler made leads to the command
	// that made it. Mutable: equal content may come of several.
	Origin
	// Witness: something that was seen of macros. Mutable, though nothing changes it.
	Witness
)

const (
	// MaxRequest is the longest payload of a Request, in bytes: eight path set
	// digests need 1 KiB, and whoever reads a request has to wait for all of it.
	MaxRequest = 64 << 10
	// MaxRecord is the longest payload of any other record, in bytes. The path
	// set of a C++ file that reads 10,000 headers takes about 1 MiB.
	MaxRecord = 8 << 20
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Entry, Request, PathSet, Toolchain, Subject, Origin, Witness} }

// String returns the two letters that stand for k in file and object names, or
// "?" where k is not a kind.
func (k Kind) String() string {
	switch k {
	case Entry:
		return "ac"
	case Request:
		return "rq"
	case PathSet:
		return "ps"
	case Toolchain:
		return "tc"
	case Subject:
		return "sj"
	case Origin:
		return "or"
	case Witness:
		return "wi"
	}
	return "?"
}

// Mutable reports whether a later record replaces an earlier one.
func (k Kind) Mutable() bool { return k != Entry && k != PathSet }

// MaxSize returns the longest payload that a record of kind k may have, in bytes.
func (k Kind) MaxSize() int64 {
	if k == Request {
		return MaxRequest
	}
	return MaxRecord
}
