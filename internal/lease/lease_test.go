package lease

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cachepot/cachepot/internal/digest"
)

const worker = "w1:10501"

func signer(c byte) *Signer { return NewSigner(bytes.Repeat([]byte{c}, ed25519.SeedSize)) }

func trusting(t *testing.T, s *Signer, now time.Time, report Report) *Verifier {
	t.Helper()
	v := NewVerifier(worker, report)
	v.Trust(s.Public(), now, now)
	return v
}

func must(t *testing.T) func(string, error) string {
	return func(token string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// TestTickets: of the tickets that a client may show, those are taken that the scheduler
// signed for this worker and use, and that have not expired.
func TestTickets(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s, action := signer(1), digest.Of([]byte("a"))
	l := Lease{Client: "c", Realm: "r", Worker: worker, Nonce: "n", Affinity: "gcc", Expires: now.Add(Life)}
	with := func(change func(*Lease)) Lease {
		c := l
		change(&c)
		return c
	}
	ok := must(t)
	good := ok(s.Lease(l))
	raw := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		return ok(jwt.NewWithClaims(method, c).SignedString(key))
	}
	body := func(change ...any) jwt.MapClaims {
		c := jwt.MapClaims{"aud": worker, "sub": "c", "jti": "n", "use": "execute", "exp": now.Add(Life).Unix()}
		for i := 0; i < len(change); i += 2 {
			c[change[i].(string)] = change[i+1]
			if change[i+1] == nil {
				delete(c, change[i].(string))
			}
		}
		return c
	}
	parts := strings.Split(good, ".")
	for name, test := range map[string]struct {
		token string
		ok    bool
	}{
		"a lease":                        {good, true},
		"in its last moments":            {ok(s.Lease(with(func(l *Lease) { l.Expires = now.Add(-time.Second) }))), true},
		"by a library":                   {raw(jwt.SigningMethodEdDSA, s.key, body()), true},
		"a pass":                         {ok(s.Pass(l)), false},
		"expired":                        {ok(s.Lease(with(func(l *Lease) { l.Expires = now.Add(-2 * leeway) }))), false},
		"another worker's":               {ok(s.Lease(with(func(l *Lease) { l.Worker = "w2:10501" }))), false},
		"another scheduler's":            {ok(signer(2).Lease(l)), false},
		"without nonce":                  {ok(s.Lease(with(func(l *Lease) { l.Nonce = "" }))), false},
		"without expiry":                 {raw(jwt.SigningMethodEdDSA, s.key, body("exp", nil)), false},
		"without use":                    {raw(jwt.SigningMethodEdDSA, s.key, body("use", nil)), false},
		"not valid yet":                  {raw(jwt.SigningMethodEdDSA, s.key, body("nbf", now.Add(time.Hour).Unix())), false},
		"none":                           {raw(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, body()), false},
		"HS256 with the public key":      {raw(jwt.SigningMethodHS256, []byte(s.Public()), body()), false},
		"another body":                   {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"w1:10501"}`)) + "." + parts[2], false},
		"cut off":                        {good[:len(good)-4], false},
		"without signature":              {parts[0] + "." + parts[1] + ".", false},
		"nothing":                        {"", false},
		"long":                           {strings.Repeat("x", maxTicket+1), false},
		"another's name in another case": {ok(s.Lease(with(func(l *Lease) { l.Worker = "W1:10501" }))), false},
	} {
		got, err := trusting(t, s, now, nil).Verify(test.token, action, now)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, want it taken: %t", name, err, test.ok)
		}
		if name == "a lease" && (got.Client != "c" || got.Realm != "r" || got.Nonce != "n" || got.Affinity != "gcc") {
			t.Errorf("%+v", got)
		}
	}
	v := trusting(t, s, now, nil)
	if p, err := v.Admit(ok(s.Pass(l)), now); err != nil || p.Realm != "r" || p.Nonce != "" {
		t.Errorf("a pass: %+v, %v", p, err)
	}
	if _, err := v.Admit(good, now); err == nil {
		t.Error("a lease is taken for a pass")
	}
	if _, err := NewVerifier(worker, nil).Verify(good, action, now); err == nil {
		t.Error("a worker that knows no scheduler takes a lease")
	}
}

// TestSingleUse: a lease is good for one action, until that has run.
func TestSingleUse(t *testing.T) {
	now := time.Now()
	s := signer(1)
	var reports []string
	v := trusting(t, s, now, func(nonce string, started bool) {
		reports = append(reports, nonce+map[bool]string{true: "+", false: "-"}[started])
	})
	a, b := digest.Of([]byte("a")), digest.Of([]byte("b"))
	token := must(t)(s.Lease(Lease{Worker: worker, Nonce: "n", Affinity: "gcc", Expires: now.Add(Life)}))
	verify := func(d digest.Digest, want bool, what string) {
		t.Helper()
		if _, err := v.Verify(token, d, now); (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	verify(a, true, "first")
	verify(b, false, "another action while it runs")
	verify(a, true, "the same again")
	v.Done("n", false)
	v.Done("n", false)
	verify(b, false, "another action after blobs were missing")
	verify(a, true, "the same with its blobs")
	if r := v.Running(); len(r) != 1 || r[0] != "n" {
		t.Errorf("running: %v", r)
	}
	v.Done("n", true)
	verify(a, false, "the same after it ran")
	v.Done("n", true)
	v.Done("other", true)
	if got := strings.Join(reports, " "); got != "n+ n- n+ n-" {
		t.Errorf("reported: %s", got)
	}
	if h := v.Affinities(); len(h) != 1 || h[0] != "gcc" || len(v.Running()) != 0 {
		t.Errorf("affinities %v, running %v", h, v.Running())
	}
	// It stays so for as long as the ticket is good, signed anew or not.
	token = must(t)(s.Lease(Lease{Worker: worker, Nonce: "n", Expires: now.Add(Life)}))
	for range 30 {
		now = now.Add(time.Second)
		verify(a, false, "signed anew after it ran")
	}
	for range 3 {
		now = now.Add(time.Hour)
		v.tidy(now)
	}
	if len(v.uses) != 0 {
		t.Error("it is remembered for ever")
	}
}

// TestClocks: expiry is by the scheduler's clock, however far the worker's is off and
// whatever is done to it later.
func TestClocks(t *testing.T) {
	s, theirs := signer(1), time.Now()
	for _, off := range []time.Duration{-24 * time.Hour, 0, 10 * 365 * 24 * time.Hour} {
		v := NewVerifier(worker, nil)
		ours := theirs.Add(off)
		v.Trust(s.Public(), theirs, ours)
		fresh := must(t)(s.Lease(Lease{Worker: worker, Nonce: "n", Expires: theirs.Add(Life)}))
		if _, err := v.Verify(fresh, digest.Empty(), ours.Add(Life/2)); err != nil {
			t.Errorf("off by %v: %v", off, err)
		}
		if _, err := v.Verify(fresh, digest.Empty(), ours.Add(2*Life)); err == nil {
			t.Errorf("off by %v: taken after its time", off)
		}
	}
}

// FuzzVerify: whatever is shown, nothing but what was signed is taken.
func FuzzVerify(f *testing.F) {
	now := time.Now()
	s := signer(1)
	good, _ := s.Lease(Lease{Worker: worker, Nonce: "n", Expires: now.Add(Life)})
	f.Add(good)
	f.Add("a.b.c")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Fuzz(func(t *testing.T, token string) {
		v := NewVerifier(worker, nil)
		v.Trust(s.Public(), now, now)
		if _, err := v.Verify(token, digest.Empty(), now); err == nil && token != good {
			t.Errorf("%q is taken", token)
		}
	})
}
