package auth

import (
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cachepot/cachepot/internal/config"
)

// audience is what tokens of workers are for: a token that was made for something else is
// none, whoever signed it.
const audience = "cachepot-worker"

// Workers knows the workers of a scheduler.
type Workers struct {
	typ   config.AuthType
	key   []byte            // of AuthJWT
	token [sha256.Size]byte // digest of that of AuthToken
	// Derived: the secret key is no key but a text that one was derived from.
	Derived bool
}

// NewWorkers returns what c says. Its type has been checked by config.
func NewWorkers(c config.WorkerAuth) (*Workers, error) {
	w := &Workers{typ: c.Type, token: sha256.Sum256([]byte(c.Token.Reveal()))}
	if c.Type != config.AuthJWT {
		return w, nil
	}
	var err error
	w.key, w.Derived, err = signingKey(c.SecretKey.Reveal())
	return w, err
}

// signingKey returns the key that a secret stands for: its 32 bytes in base64url, or what
// is derived from any other text, slowly, since a text may be guessed from one token.
func signingKey(secret string) (key []byte, derived bool, err error) {
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(secret, "=")); err == nil && len(raw) == keySize {
		return raw, false, nil
	}
	const rounds = 600_000 // 0.2 s
	key, err = pbkdf2.Key(sha256.New, secret, []byte("cachepot worker tokens 1"), rounds, keySize)
	if err != nil {
		return nil, true, fmt.Errorf("derive key: %w", err)
	}
	return key, true, nil
}

// Token makes the token by which the worker at address, host:port, shows who it is. A zero
// expiry is none.
func (w *Workers) Token(address string, expires time.Time) (string, error) {
	if w.typ != config.AuthJWT {
		return "", fmt.Errorf("worker_auth is of type %s; want jwt_hs256", w.typ)
	}
	claims := jwt.RegisteredClaims{Audience: jwt.ClaimStrings{audience}, Subject: strings.ToLower(address)}
	if !expires.IsZero() {
		claims.ExpiresAt = jwt.NewNumericDate(expires)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(w.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// Check returns an error that is ErrRefused unless whoever sent the authorization header
// may serve at address, host:port.
func (w *Workers) Check(header, address string, now time.Time) error {
	if w.typ == config.AuthInsecure {
		return nil
	}
	token, err := bearer(header)
	if err != nil {
		return err
	}
	if w.typ == config.AuthToken {
		if !same(token, w.token) {
			return fmt.Errorf("%w: wrong token; it is to be that of worker_auth", ErrRefused)
		}
		return nil
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithStrictDecoding(),
		jwt.WithAudience(audience), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }))
	var claims jwt.RegisteredClaims
	if _, err := parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return w.key, nil }); err != nil {
		return fmt.Errorf("%w: %s", ErrRefused, reason(err))
	}
	if claims.Subject == "" || claims.Subject != strings.ToLower(address) {
		return fmt.Errorf("%w: the token is that of another worker, not of %s", ErrRefused, address)
	}
	return nil
}

// reason says what is wrong with a token without repeating any of it.
func reason(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "the token has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "the token is not one of a worker"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return "the token was not made with worker_auth.secret_key"
	}
	return "the token is damaged"
}

// LeaseSeed returns the 32 bytes that a scheduler's key for signing leases is made of. They
// depend on all its secrets, so that no worker and no client can know them, and on nothing
// else, so that a scheduler that is started again has the same.
func LeaseSeed(c *config.Scheduler) ([]byte, error) {
	secret := fmt.Sprintf("%q %q %q", c.ClientAuth.Token.Reveal(), c.WorkerAuth.SecretKey.Reveal(), c.WorkerAuth.Token.Reveal())
	if c.WorkerAuth.Type == config.AuthInsecure || c.ClientAuth.Type == config.AuthInsecure {
		return random(keySize), nil // nothing here is a secret to all others
	}
	seed, err := hkdf.Key(sha256.New, []byte(secret), nil, "cachepot leases 1", keySize)
	if err != nil {
		return nil, fmt.Errorf("derive lease key: %w", err)
	}
	return seed, nil
}
