// Package lease is the tickets by which a scheduler lets its clients use workers: how the
// scheduler signs them and how a worker verifies them and sees that each is used for one
// action alone. docs/spec/leases.md specifies them.
//
// The scheduler's transport, the worker's registration and the worker's admission import it.
// It imports digest.
package lease

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Life is how long a lease may be presented after it was signed, and PassLife so for a pass:
// what came of the longest job has still to be fetched.
const (
	Life     = 10 * time.Second
	PassLife = time.Hour
)

// Lease is what a ticket says: this client may use a slot of this worker.
type Lease struct {
	Client   string // who it was given to, in the scheduler's words
	Realm    string // instance name; clients of other realms see nothing of this one's
	Worker   string // host:port
	Nonce    string // one for each slot that is given; empty for a pass
	Affinity string // what jobs of this lease have in common; may be empty
	Expires  time.Time
}

// ErrRefused is wrapped by the errors for tickets that are not taken.
var ErrRefused = errors.New("lease refused")

// The two uses of a ticket.
const (
	useExecute = "execute" // a lease: one action
	useBlobs   = "blobs"   // a pass: all calls that execute nothing
)

// claims is a ticket as it is signed.
type claims struct {
	jwt.RegisteredClaims
	Use      string `json:"use"`
	Realm    string `json:"realm,omitempty"`
	Affinity string `json:"affinity,omitempty"`
}

// Signer signs tickets. It is safe for concurrent use.
type Signer struct{ key ed25519.PrivateKey }

// NewSigner returns a Signer whose key is made of seed, ed25519.SeedSize bytes.
func NewSigner(seed []byte) *Signer { return &Signer{ed25519.NewKeyFromSeed(seed)} }

// Public returns the key that workers verify by.
func (s *Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// Lease signs l for one execution.
func (s *Signer) Lease(l Lease) (string, error) { return s.sign(l, useExecute) }

// Pass signs l for all that is no execution.
func (s *Signer) Pass(l Lease) (string, error) {
	l.Nonce = ""
	return s.sign(l, useBlobs)
}

func (s *Signer) sign(l Lease, use string) (string, error) {
	// Times in tickets are whole seconds: the next one.
	c := claims{Use: use, Realm: l.Realm, Affinity: l.Affinity, RegisteredClaims: jwt.RegisteredClaims{
		Subject: l.Client, Audience: jwt.ClaimStrings{l.Worker}, ID: l.Nonce,
		ExpiresAt: jwt.NewNumericDate(l.Expires.Add(time.Second - 1)),
	}}
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign lease: %w", err)
	}
	return token, nil
}
