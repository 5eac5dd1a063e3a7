package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cachepot/cachepot/internal/config"
)

const address = "build1.example.org:10501"

func workers(t *testing.T, secret string) *Workers {
	t.Helper()
	w, err := NewWorkers(config.WorkerAuth{Type: config.AuthJWT, SecretKey: config.NewSecret(secret)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestTokens: of 28 tokens that a worker may show, those are taken that were made for it
// with the key, and hold at that moment.
func TestTokens(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	secret := GenerateKey()
	w := workers(t, secret)
	sign := func(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
		t.Helper()
		s, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	claims := func(change ...any) jwt.MapClaims {
		c := jwt.MapClaims{"aud": audience, "sub": address}
		for i := 0; i < len(change); i += 2 {
			if change[i+1] == nil {
				delete(c, change[i].(string))
			} else {
				c[change[i].(string)] = change[i+1]
			}
		}
		return c
	}
	hs := func(change ...any) string { return sign(jwt.SigningMethodHS256, w.key, claims(change...)) }
	good, err := w.Token(address, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	brief, err := w.Token(address, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	parts := strings.Split(good, ".")
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	body, _ := json.Marshal(claims())
	for name, test := range map[string]struct {
		header string
		ok     bool
	}{
		"its own":                   {"Bearer " + good, true},
		"in lower case":             {"bearer " + good, true},
		"that will expire":          {"Bearer " + brief, true},
		"signed by a library":       {"Bearer " + hs(), true},
		"among other audiences":     {"Bearer " + hs("aud", []string{"x", audience}), true},
		"algorithm none":            {"Bearer " + sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims()), false},
		"none by hand":              {"Bearer " + header(`{"alg":"None"}`) + "." + header(string(body)) + ".", false},
		"RS256":                     {"Bearer " + sign(jwt.SigningMethodRS256, rsaKey, claims()), false},
		"HS256 with a public key":   {"Bearer " + sign(jwt.SigningMethodHS256, public, claims()), false},
		"HS384 with the key":        {"Bearer " + sign(jwt.SigningMethodHS384, w.key, claims()), false},
		"HS512 with the key":        {"Bearer " + sign(jwt.SigningMethodHS512, w.key, claims()), false},
		"EdDSA":                     {"Bearer " + sign(jwt.SigningMethodEdDSA, edKey, claims()), false},
		"another key":               {"Bearer " + sign(jwt.SigningMethodHS256, []byte(GenerateKey()), claims()), false},
		"the key as it is written":  {"Bearer " + sign(jwt.SigningMethodHS256, []byte(secret), claims()), false},
		"expired":                   {"Bearer " + hs("exp", now.Add(-time.Second).Unix()), false},
		"expired at this moment":    {"Bearer " + hs("exp", now.Unix()), false},
		"not valid yet":             {"Bearer " + hs("nbf", now.Add(time.Minute).Unix()), false},
		"issued in the future":      {"Bearer " + hs("iat", now.Add(time.Hour).Unix()), false},
		"an expiry that is no date": {"Bearer " + hs("exp", "never"), false},
		"another audience":          {"Bearer " + hs("aud", "cachepot-lease"), false},
		"no audience":               {"Bearer " + hs("aud", nil), false},
		"another worker's":          {"Bearer " + hs("sub", "build2.example.org:10501"), false},
		"another port":              {"Bearer " + hs("sub", "build1.example.org:1050"), false},
		"nobody's":                  {"Bearer " + hs("sub", nil), false},
		"another body":              {"Bearer " + parts[0] + "." + header(`{"aud":"`+audience+`","sub":"x"}`) + "." + parts[2], false},
		"a changed signature":       {"Bearer " + good[:len(good)-2] + string(good[len(good)-2]^1) + good[len(good)-1:], false},
		"cut off":                   {"Bearer " + good[:len(good)-8], false},
		"no signature":              {"Bearer " + parts[0] + "." + parts[1] + ".", false},
		"no token":                  {"Bearer ", false},
		"nothing":                   {"", false},
		"another scheme":            {"Basic " + good, false},
		"long":                      {"Bearer " + hs("x", strings.Repeat("x", maxToken)), false},
	} {
		err := w.Check(test.header, address, now)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want it taken: %t", name, err, test.ok)
		}
		if err != nil && len(test.header) > 40 && strings.Contains(err.Error(), test.header[20:40]) {
			t.Errorf("%s: the error repeats the token: %v", name, err)
		}
	}
	if err := w.Check("Bearer "+brief, address, now.Add(2*time.Minute)); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after its time: %v", err)
	}
	if err := w.Check("Bearer "+good, strings.ToUpper(address), now); err != nil {
		t.Errorf("an address in capitals: %v", err)
	}
}

// TestSecretKeys: a key may be written with padding; any other text is taken too, and makes
// the same tokens good each time.
func TestSecretKeys(t *testing.T) {
	key := GenerateKey()
	if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw) != 32 {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	plain, padded, phrase := workers(t, key), workers(t, key+"="), workers(t, "my secret key")
	if !bytes.Equal(plain.key, padded.key) || plain.Derived || !phrase.Derived || len(phrase.key) != 32 {
		t.Errorf("derived: %t, %t", plain.Derived, phrase.Derived)
	}
	token, err := phrase.Token(address, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := workers(t, "my secret key").Check("Bearer "+token, address, time.Now()); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"my secret keys", key} {
		if workers(t, other).Check("Bearer "+token, address, time.Now()) == nil {
			t.Errorf("taken with key %q", other)
		}
	}
}

// TestSharedTokens: clients, and workers of that type, are let in by the token alone.
func TestSharedTokens(t *testing.T) {
	token, err := GenerateSharedToken(256)
	if err != nil || len(token) != 64 {
		t.Fatalf("%q, %v", token, err)
	}
	for _, bits := range []int{0, 63, 65, 8192, -8} {
		if _, err := GenerateSharedToken(bits); err == nil {
			t.Errorf("%d bits are taken", bits)
		}
	}
	secret := config.NewSecret(token)
	clients := NewClients(config.ClientAuth{Type: config.AuthToken, Token: secret})
	shared, err := NewWorkers(config.WorkerAuth{Type: config.AuthToken, Token: secret})
	if err != nil {
		t.Fatal(err)
	}
	for header, ok := range map[string]bool{"Bearer " + token: true, "Bearer " + token + "0": false, "Bearer " + token[:63]: false,
		"bearer": false, "": false, token: false, "Bearer " + strings.ToUpper(token): false} {
		if err := clients.Check(header); (err == nil) != ok {
			t.Errorf("client with %q: %v", header, err)
		}
		if err := shared.Check(header, address, time.Now()); (err == nil) != ok {
			t.Errorf("worker with %q: %v", header, err)
		}
	}
	if _, err := shared.Token(address, time.Time{}); err == nil {
		t.Error("a token was made without a key")
	}
	if err := NewClients(config.ClientAuth{Type: config.AuthInsecure}).Check(""); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", clients, shared, secret); strings.Contains(text, token) {
		t.Errorf("printed: %s", text)
	}
}

// TestLeaseSeed: it is the same after a restart, and another with any other secret.
func TestLeaseSeed(t *testing.T) {
	seed := func(client, key string, typ config.AuthType) string {
		t.Helper()
		b, err := LeaseSeed(&config.Scheduler{ClientAuth: config.ClientAuth{Type: config.AuthToken, Token: config.NewSecret(client)},
			WorkerAuth: config.WorkerAuth{Type: typ, SecretKey: config.NewSecret(key)}})
		if err != nil || len(b) != ed25519.SeedSize {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		return string(b)
	}
	first := seed("c", "k", config.AuthJWT)
	if first != seed("c", "k", config.AuthJWT) {
		t.Error("it is another each time")
	}
	if first == seed("d", "k", config.AuthJWT) || first == seed("c", "l", config.AuthJWT) {
		t.Error("it does not depend on all secrets")
	}
	if seed("c", "", config.AuthInsecure) == seed("c", "", config.AuthInsecure) {
		t.Error("without secrets it can be known")
	}
}
