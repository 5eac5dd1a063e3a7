package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/cachepot/cachepot/internal/digest"
)

// Sealed is a record as tiers carry it, bound to its kind and key:
//
//	sealed  = header payload
//	header  = magic SP kind SP key SP length SP sum LF
//	magic   = "cachepot-record-1"
//	kind    = 2 letters             ; Kind.String
//	key     = hash "/" size         ; digest.Digest.String
//	length  = decimal               ; bytes of payload, no leading zeros
//	sum     = 64 hexadecimal digits ; lower case
//
// where sum is the SHA-256 of magic SP kind SP key SP length LF payload. There
// is exactly one spelling of a record, so Open only has to build the header that
// it should have and compare. The sum guards against accidents and against one
// record put in another's place. It is no signature: a payload that must be
// believed carries its own.
type Sealed []byte

const recordMagic = "cachepot-record-1"

// MaxHeader is more than the length of any header: 17 + 2 + 84 + 19 + 64 bytes and
// five separators.
const MaxHeader = 192

var (
	errNoHeader = errors.New("not a record")
	errHeader   = errors.New("sum, length, kind or key do not fit")
	errPathSet  = errors.New("payload does not have the digest it is stored under")
)

// Seal binds payload to kind and key.
func Seal(kind Kind, key digest.Digest, payload []byte) Sealed {
	b := make([]byte, 0, MaxHeader+len(payload))
	b = appendHeader(b, kind, key, payload)
	return append(b, payload...)
}

// Open returns the payload, a part of s, if s was sealed for kind and key.
// Otherwise the error is a *Miss with reason Corrupt.
func (s Sealed) Open(kind Kind, key digest.Digest) ([]byte, error) {
	end := bytes.IndexByte(s[:min(len(s), MaxHeader)], '\n') + 1
	if end == 0 {
		return nil, CorruptRecord(kind, key, errNoHeader)
	}
	payload := s[end:]
	var room [MaxHeader]byte
	if !bytes.Equal(s[:end], appendHeader(room[:0], kind, key, payload)) {
		return nil, CorruptRecord(kind, key, errHeader)
	}
	if kind == PathSet && digest.Of(payload) != key {
		return nil, CorruptRecord(kind, key, errPathSet)
	}
	return payload, nil
}

func appendHeader(b []byte, kind Kind, key digest.Digest, payload []byte) []byte {
	b = append(b, recordMagic...)
	b = append(b, ' ')
	b = append(b, kind.String()...)
	b = append(b, ' ')
	b = hex.AppendEncode(b, key.Hash[:])
	b = append(b, '/')
	b = strconv.AppendInt(b, key.Size, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(payload)), 10)
	h := sha256.New()
	h.Write(b)
	h.Write([]byte{'\n'})
	h.Write(payload)
	var sum [sha256.Size]byte
	b = append(b, ' ')
	b = hex.AppendEncode(b, h.Sum(sum[:0]))
	return append(b, '\n')
}

// Get returns the payload that was put under kind and key, verified.
func Get(ctx context.Context, t Tier, kind Kind, key digest.Digest) ([]byte, error) {
	s, err := t.GetRecord(ctx, kind, key)
	if err != nil {
		return nil, err
	}
	return s.Open(kind, key)
}

// Put stores payload under kind and key. For a PathSet, key must be the digest
// of payload.
func Put(ctx context.Context, t Tier, kind Kind, key digest.Digest, payload []byte) error {
	if int64(len(payload)) > kind.MaxSize() {
		return fmt.Errorf("store %s: %d bytes: %w", recordName(kind, key), len(payload), ErrTooLong)
	}
	if kind == PathSet && digest.Of(payload) != key {
		return fmt.Errorf("store %s: %w", recordName(kind, key), ErrWrongContent)
	}
	return t.PutRecord(ctx, kind, key, Seal(kind, key, payload))
}

// MissingRecord returns the error of a look-up for a record that is not there.
func MissingRecord(kind Kind, key digest.Digest) *Miss {
	return &Miss{Reason: Absent, Object: recordName(kind, key)}
}

// CorruptRecord returns the error of a look-up for a record that err gave away.
func CorruptRecord(kind Kind, key digest.Digest, err error) *Miss {
	return &Miss{Reason: Corrupt, Object: recordName(kind, key), Err: err}
}

func recordName(kind Kind, key digest.Digest) string {
	return kind.String() + " " + key.String()
}
