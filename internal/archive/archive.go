// Package archive reads and writes the tar archives that toolchains come in: plain,
// or packed by gzip, xz, zstd or bzip2, as icecream's icecc-create-env makes them. What
// it reads may come from anybody: nothing is laid out, only plain files, links and
// directories are taken, and whatever could mean another file than it says is refused
// with the member and the reason.
//
// Names of members stand for paths below a root "/". The toolchain package uses it; of
// ours it imports digest.
package archive

import (
	"fmt"

	"github.com/cachepot/cachepot/internal/digest"
)

// Kind says what a member is.
type Kind uint8

// The kinds of members.
const (
	Regular Kind = iota + 1
	Symlink
	Directory
)

// Member is one file, link or directory of an archive.
type Member struct {
	Path       string // absolute and clean
	Kind       Kind
	Digest     digest.Digest // of a Regular file's content
	Executable bool          // of a Regular file
	Target     string        // of a Symlink, as it is written
}

// Limits bound what an archive may hold.
type Limits struct {
	Bytes   int64 // of all that is unpacked, headers included
	Members int
	Depth   int // directories above a member, itself included
}

// Defaults are the limits for a toolchain that may take so many bytes: that of a
// Rust compiler for a dozen targets has 15,000 members.
func Defaults(bytes int64) Limits { return Limits{Bytes: bytes, Members: 200_000, Depth: 64} }

const (
	// maxRatio is how often larger than its packed form an archive may be, once more
	// than ratioFrom bytes are unpacked. Compilers pack 3 to 6 to 1.
	maxRatio  = 100
	ratioFrom = 64 << 20
	maxName   = 255  // bytes, as file systems have it
	maxPath   = 4000 // bytes, so that a directory may come before it
	maxText   = 64 << 20
	// maxWindow bounds the memory that an unpacker takes for what it has seen, in bytes:
	// as much as "xz -9" and "zstd --long" ask for.
	maxWindow = 128 << 20
)

// Refused says why an archive is not taken.
type Refused struct {
	Member string // as it is called; "" where it is the archive as a whole
	Why    string
}

func (r *Refused) Error() string {
	if r.Member == "" {
		return "archive " + r.Why
	}
	return fmt.Sprintf("archive member %.200q %s", r.Member, r.Why)
}

func refuse(member, format string, a ...any) error {
	return &Refused{member, fmt.Sprintf(format, a...)}
}
