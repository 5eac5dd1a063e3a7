package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/dist/client"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/version"
)

// remote returns where c has misses compiled, nil where that is here. It does not
// connect.
func remote(c *config.Config, log *slog.Logger) (*coordinator.Remote, error) {
	d := c.Dist
	if d == nil {
		return nil, nil
	}
	address, secure := d.Remote()
	if address == "" {
		return cluster(d, log)
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
	return &coordinator.Remote{Engine: client, URL: d.SchedulerURL, Believe: d.Trust == config.TrustEngine, OnlyLooksUp: d.OnlyLookUp,
		Strict: d.Fallback == config.FallbackFail, Properties: d.Properties}, nil
}

// cluster returns the workers of a scheduler, nil where none is configured.
func cluster(d *config.Dist, log *slog.Logger) (*coordinator.Remote, error) {
	if d.SchedulerURL == "" {
		return nil, nil
	}
	sc := reach.Config{URL: d.SchedulerURL, Agent: "cachepot/" + version.Version}
	if d.TLS != nil {
		sc.CA = d.TLS.CA
	}
	if d.Auth != nil {
		sc.Token = d.Auth.Token.Reveal()
	}
	if reach.Exposed(sc.URL) {
		log.Warn("tokens go to the scheduler in the clear; https:// keeps them from others", "target", "cachepot::dist", "scheduler", sc.URL)
	}
	strict := d.Fallback == config.FallbackFail
	engine := client.New(client.Config{Scheduler: sc, Patient: strict, Log: log})
	return &coordinator.Remote{
		Engine: engine, URL: d.SchedulerURL, Strict: strict,
		// Only workers of the scheduler's write to their caches, after they have executed.
		Believe: true,
		Cluster: func(ctx context.Context) (*coordinator.ClusterStatus, error) {
			s, err := engine.Status(ctx)
			if err != nil {
				return nil, err
			}
			return &coordinator.ClusterStatus{Workers: s.Workers, CPUs: s.CPUs, InProgress: s.InProgress}, nil
		},
	}, nil
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
