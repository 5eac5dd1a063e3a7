// Package auth decides who is let in by a scheduler: clients by a token that they share
// with it, workers by a token that is theirs alone or that they share. It also makes
// these tokens and the keys behind them. Nothing of a token is ever printed, and no
// comparison tells by its time how much of a guess was right.
//
// The scheduler's transport and the commands of cachepot-dist import it. It imports config
// for the types of what is configured.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/cachepot/cachepot/internal/config"
)

// ErrRefused is wrapped by the errors for whoever is not let in.
var ErrRefused = errors.New("not let in")

// Clients knows the clients of a scheduler.
type Clients struct {
	open  bool
	token [sha256.Size]byte // digest of it
}

// NewClients returns what c says. Its type has been checked by config.
func NewClients(c config.ClientAuth) *Clients {
	return &Clients{open: c.Type == config.AuthInsecure, token: sha256.Sum256([]byte(c.Token.Reveal()))}
}

// Check returns an error that is ErrRefused unless the authorization header, "Bearer
// TOKEN", is that of a client.
func (c *Clients) Check(header string) error {
	if c.open {
		return nil
	}
	token, err := bearer(header)
	if err != nil {
		return err
	}
	if !same(token, c.token) {
		return fmt.Errorf("%w: wrong token; it is to be that of client_auth", ErrRefused)
	}
	return nil
}

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 4096

// bearer returns the token in an authorization header.
func bearer(header string) (string, error) {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", fmt.Errorf("%w: no token was sent", ErrRefused)
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: the token is longer than %d bytes", ErrRefused, maxToken)
	}
	return token, nil
}

// same compares in a time that depends on the length of token alone.
func same(token string, want [sha256.Size]byte) bool {
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// keySize is the size of a key of HS256, in bytes.
const keySize = 32

// GenerateKey returns a new key for worker_auth.secret_key: 32 bytes in base64url without
// padding.
func GenerateKey() string {
	return base64.RawURLEncoding.EncodeToString(random(keySize))
}

// GenerateSharedToken returns a new token of so many random bits in hexadecimal digits.
// bits is a multiple of 8 from 64 to 4096.
func GenerateSharedToken(bits int) (string, error) {
	if bits < 64 || bits > 4096 || bits%8 != 0 {
		return "", fmt.Errorf("%d bits: want a multiple of 8, from 64 to 4096", bits)
	}
	return hex.EncodeToString(random(bits / 8)), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
