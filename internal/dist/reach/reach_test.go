package reach

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// identity makes a key and a certificate for a name, signed by itself, and the pin of the key.
func identity(t *testing.T, name string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pin[:]
}

// TestPinned: a worker is believed by its key alone. One that has another, whatever name its
// certificate gives it, is refused (threats, row 26), and so is everybody where no key is known.
func TestPinned(t *testing.T) {
	a, pinA := identity(t, "a")
	likeA, pinOther := identity(t, "a")
	for name, test := range map[string]struct {
		shows tls.Certificate
		pin   []byte
		ok    bool
	}{
		"its key":                {a, pinA, true},
		"another, by its name":   {likeA, pinA, false},
		"its key, another's pin": {a, pinOther, false},
		"no pin":                 {a, nil, false},
		"half a pin":             {a, pinA[:16], false},
	} {
		client, server := net.Pipe()
		go func() { _ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{test.shows}}).Handshake() }()
		_ = client.SetDeadline(time.Now().Add(10 * time.Second))
		err := tls.Client(client, Pinned(test.pin)).Handshake()
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "the scheduler knows it by") {
			t.Errorf("%s: %v, want it believed: %t", name, err, test.ok)
		}
		_ = client.Close()
		_ = server.Close()
	}
}

// TestTarget: which URLs are those of a scheduler.
func TestTarget(t *testing.T) {
	for url, want := range map[string]string{
		"http://h": "h:80 false", "https://h": "h:443 true", "http://h:1/": "h:1 false", "https://[::1]:2": "[::1]:2 true",
		"grpc://h": "", "https://h/path": "", "h:1": "", "http://h:x": "",
	} {
		address, secure, err := target(url)
		got := ""
		if err == nil {
			got = address + map[bool]string{true: " true", false: " false"}[secure]
		}
		if got != want {
			t.Errorf("%s: %q, %v; want %q", url, got, err, want)
		}
	}
}

// TestExposed: where tokens can be read on the way.
func TestExposed(t *testing.T) {
	for url, want := range map[string]bool{"http://10.0.0.1": true, "http://h:10600": true, "https://h": false, "http://127.0.0.1:1": false,
		"http://localhost:1": false, "http://[::1]:1": false, "x": false} {
		if got := Exposed(url); got != want {
			t.Errorf("%s: %t", url, got)
		}
	}
}
