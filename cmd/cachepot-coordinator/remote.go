package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/version"
)

// remote returns where c has misses compiled, nil where that is here. It does not
// connect.
func remote(c *config.Config) (*coordinator.Remote, error) {
	d := c.Dist
	if d == nil {
		return nil, nil
	}
	address, secure := d.Remote()
	if address == "" {
		return nil, nil
	}
	rc := reapi.Config{Address: address, Instance: d.Instance, Agent: "cachepot/" + version.Version}
	for _, h := range d.Headers {
		name, value, _ := strings.Cut(h.Reveal(), ":")
		rc.Headers = append(rc.Headers, name, value)
	}
	if d.Auth != nil && d.Auth.Type == config.AuthToken {
		rc.Headers = append(rc.Headers, "authorization", "Bearer "+d.Auth.Token.Reveal())
	}
	if secure {
		var err error
		if rc.TLS, err = tlsConfig(d.TLS); err != nil {
			return nil, err
		}
	}
	client, err := reapi.New(rc)
	if err != nil {
		return nil, err
	}
	return &coordinator.Remote{Engine: client, URL: d.SchedulerURL, Believe: d.Trust == config.TrustEngine,
		Strict: d.Fallback == config.FallbackFail, Properties: d.Properties}, nil
}

// tlsConfig returns how TLS is spoken. files may be nil.
func tlsConfig(files *config.TLS) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if files == nil {
		return t, nil
	}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, fmt.Errorf("dist.tls.ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("dist.tls.ca: %s holds no certificate", files.CA)
		}
	}
	if files.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
		if err != nil {
			return nil, fmt.Errorf("dist.tls.certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
