package worker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/cachepot/cachepot/internal/safefile"
)

// Files of a worker's own certificate, and for how long one is good.
const (
	certFile = "worker.pem"
	keyFile  = "worker.key"
	certLife = 10 * 365 * 24 * time.Hour
)

// OwnCertificate returns the certificate that the worker has made for host, which a
// client reaches it by. It lies in dir, and is made where there is none, or one for
// another host or that ends soon; the key stays. Clients believe it where they are given
// the file, or its Pin.
func OwnCertificate(dir, host string, now time.Time) (*tls.Certificate, error) {
	key, err := ownKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, certFile)
	if text, err := os.ReadFile(path); err == nil {
		if c := usable(text, key, host, now); c != nil {
			return c, nil
		}
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "cachepot worker " + host},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certLife), // clocks differ
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	if err := safefile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return nil, fmt.Errorf("keep certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// usable returns the certificate in text if it can be used, else nil.
func usable(text []byte, key *ecdsa.PrivateKey, host string, now time.Time) *tls.Certificate {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || leaf.VerifyHostname(host) != nil || !key.PublicKey.Equal(leaf.PublicKey) || now.Add(certLife/10).After(leaf.NotAfter) {
		return nil
	}
	return &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key, Leaf: leaf}
}

// ownKey returns the key in a file, which is made where there is none.
func ownKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("read %s: no PEM", path)
		}
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if err := safefile.WriteNew(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, fmt.Errorf("keep key: %w", err)
	}
	return key, nil
}

// Pin is the SHA-256 of the public key of a certificate, as it is encoded in it: what a
// client can know a worker by without anybody's word for its name.
func Pin(c *tls.Certificate) ([sha256.Size]byte, error) {
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("read certificate: %w", err)
	}
	return sha256.Sum256(leaf.RawSubjectPublicKeyInfo), nil
}
