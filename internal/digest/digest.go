// Package digest names content: the SHA-256 and the length of a sequence of
// bytes, as the Remote Execution API does. It is a leaf; every package may
// import it and it imports nothing of ours.
package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

// Digest is the name of a blob. Two blobs are the same content exactly when
// their digests are equal. The zero Digest names nothing; the empty blob has a
// digest of its own, Empty.
type Digest struct {
	Hash [sha256.Size]byte
	Size int64 // bytes, never negative
}

// Empty returns the digest of the blob without bytes.
func Empty() Digest { return Of(nil) }

// Of returns the digest of b.
func Of(b []byte) Digest {
	return Digest{Hash: sha256.Sum256(b), Size: int64(len(b))}
}

// Read returns the digest of all that r yields until EOF.
func Read(r io.Reader) (Digest, error) {
	h := NewHasher()
	if _, err := io.Copy(h, r); err != nil {
		return Digest{}, err
	}
	return h.Digest(), nil
}

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// Hex returns the hash as 64 lower-case hexadecimal digits.
func (d Digest) Hex() string { return hex.EncodeToString(d.Hash[:]) }

// String returns "<hash>/<size>", the form that Parse reads.
func (d Digest) String() string { return d.Hex() + "/" + strconv.FormatInt(d.Size, 10) }

// Parse reads the form that String writes. Anything else, upper case, signs
// and leading zeros included, is an error: a name must have one spelling.
func Parse(s string) (Digest, error) {
	hash, size, ok := strings.Cut(s, "/")
	if !ok {
		return Digest{}, fmt.Errorf("digest %q: want <hash>/<size>", s)
	}
	return FromHex(hash, size)
}

// FromHex makes a digest from the two halves of its text form.
func FromHex(hash, size string) (Digest, error) {
	var d Digest
	if len(hash) != 2*sha256.Size || strings.ToLower(hash) != hash {
		return Digest{}, fmt.Errorf("digest hash %q: want 64 lower-case hexadecimal digits", hash)
	}
	if _, err := hex.Decode(d.Hash[:], []byte(hash)); err != nil {
		return Digest{}, fmt.Errorf("digest hash %q: %w", hash, err)
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != size {
		return Digest{}, fmt.Errorf("digest size %q: want a decimal length", size)
	}
	d.Size = n
	return d, nil
}

// Hasher computes a Digest while it is written to.
type Hasher struct {
	h hash.Hash
	n int64
}

// NewHasher returns a Hasher that has been written nothing.
func NewHasher() *Hasher { return &Hasher{h: sha256.New()} }

// Write adds p; it never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	return h.h.Write(p)
}

// Digest returns the digest of what has been written so far.
func (h *Hasher) Digest() Digest {
	d := Digest{Size: h.n}
	h.h.Sum(d.Hash[:0])
	return d
}
