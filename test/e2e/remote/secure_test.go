package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key = a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	return a
}

// issue makes a certificate and its key; by is nil for the authority's own.
func (a *authority) issue(template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// files writes a certificate and its key into dir.
func (a *authority) files(dir, name string, cert *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
	a.t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	harness.Write(a.t, dir, map[string]string{
		name + ".pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		name + ".key": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})),
	})
	return filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
}

// TestTLS: a service that wants TLS, a certificate of the client's, a token and a header
// is spoken to with all of them, and says what is wrong with any.
func TestTLS(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	ca, other := newAuthority(t), newAuthority(t)
	serverCert, serverKey := ca.issue(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, ca)
	clientCert, clientKey := ca.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca)
	caFile, _ := ca.files(dir, "ca", ca.cert, ca.key)
	otherFile, _ := ca.files(dir, "other", other.cert, other.key)
	certFile, keyFile := ca.files(dir, "client", clientCert, clientKey)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	p := startProxy(t, e, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{serverCert.Raw}, PrivateKey: serverKey}},
		ClientCAs:    pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
	})
	p.admit = func(_ string, md metadata.MD) error {
		if strings.Join(md.Get("authorization"), " ") != "Bearer s3cret-token" || strings.Join(md.Get("x-key"), " ") != "s3cret-key" {
			return status.Error(codes.Unauthenticated, "who are you?")
		}
		return nil
	}
	config := func(url, ca, token string, cert bool) string {
		text := strict(url) + "headers = [\"X-Key: s3cret-key\"]\n[dist.auth]\ntype = \"token\"\ntoken = \"" + token + "\"\n"
		if ca != "" {
			text += "[dist.tls]\nca = \"" + ca + "\"\n"
		}
		if cert {
			text += "certificate = \"" + certFile + "\"\nkey = \"" + keyFile + "\"\n"
		}
		return text
	}
	const token = "s3cret-token"
	secure := "grpcs://" + p.address
	for name, test := range map[string]struct{ conf, want string }{
		"right":               {config(secure, caFile, token, true), ""},
		"another authority":   {config(secure, otherFile, token, true), "certificate"},
		"no certificate":      {config(secure, caFile, token, false), "certificate"},
		"another token":       {config(secure, caFile, "s3cret", true), "check dist.auth"},
		"in the clear":        {config(p.url(), "", token, false), "check that it runs"},
		"system's certifiers": {config(secure, "", token, false), "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, test.conf)
			out, err := c.Admin("--dist-status")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out, "s3cret") || strings.HasPrefix(out, "{\"EngineStatus\"") != (test.want == "") || !strings.Contains(out, test.want) {
				t.Errorf("status %s, want %q", out, test.want)
			}
			r := c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o")
			if (r.Code == 0) != (test.want == "") || !strings.Contains(r.Stderr, test.want) || strings.Contains(r.Stderr, "s3cret") {
				t.Errorf("status %d: %q, want %q", r.Code, r.Stderr, test.want)
			}
			if test.want == "" {
				c.want(1, 0)
			}
		})
	}
}
