// Package reach connects to a scheduler by its URL. The client and the worker's registration
// import it. It imports nothing of ours.
package reach

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Config says where a scheduler is and who asks it.
type Config struct {
	URL   string // http or https, perhaps with a port
	CA    string // file of certificates in PEM; "" is the system's
	Token string // "" where none is needed
	Agent string // what the caller calls itself
}

// Dial returns a connection to the scheduler, which is made when it is first used. A proxy
// that the environment names (HTTPS_PROXY, NO_PROXY) is used.
func Dial(c Config) (*grpc.ClientConn, error) {
	address, secure, err := target(c.URL)
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if secure {
		t := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.CA != "" {
			if t.RootCAs, err = authorities(c.CA); err != nil {
				return nil, err
			}
		}
		creds = credentials.NewTLS(t)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds), grpc.WithUserAgent(c.Agent),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 5 * time.Second}),
	}
	if c.Token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.Token)))
	}
	conn, err := grpc.NewClient("dns:///"+address, options...)
	if err != nil {
		return nil, fmt.Errorf("set up connection to %s: %w", c.URL, err)
	}
	return conn, nil
}

// target returns the host and port that a URL names.
func target(text string) (address string, secure bool, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", false, errors.New("the scheduler's URL is no address")
	}
	port := u.Port()
	switch {
	case strings.Trim(u.Path, "/") != "":
		return "", false, fmt.Errorf("%s: a scheduler lies at no path", text)
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme == "https" && port == "":
		port = "443"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", false, fmt.Errorf("%s: a scheduler has http:// or https://", text)
	}
	return net.JoinHostPort(u.Hostname(), port), u.Scheme == "https", nil
}

// Exposed reports whether what is sent to a URL goes in the clear to another machine.
func Exposed(text string) bool {
	address, secure, err := target(text)
	if err != nil || secure {
		return false
	}
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// bearer sends a token with each call. Nothing prints it.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. A scheduler that is
// reached in the clear is configured so.
func (bearer) RequireTransportSecurity() bool { return false }

// Pinned returns how TLS is spoken with whoever has the key with this SHA-256 of its
// SubjectPublicKeyInfo, whatever its certificate says.
func Pinned(pin []byte) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The chain and the name are nobody's word that counts; the key is checked below.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("it shows no certificate")
			}
			got := sha256.Sum256(s.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if len(pin) != sha256.Size || string(got[:]) != string(pin) {
				return fmt.Errorf("it has key %s, and the scheduler knows it by %s", hex.EncodeToString(got[:8]), hex.EncodeToString(pin[:min(8, len(pin))]))
			}
			return nil
		},
	}
}
