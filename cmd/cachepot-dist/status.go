package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/config"
)

// statusWait is how long a scheduler may take to answer.
const statusWait = 10 * time.Second

// status returns the command that asks a scheduler how it is doing.
func (p *program) status() *cobra.Command {
	var file, url, ca string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how a scheduler is doing, as JSON",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				var err error
				if url, ca, err = p.statusAddress(file, ca); err != nil {
					return err
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), statusWait)
			defer cancel()
			status, err := askStatus(ctx, url, ca)
			if err != nil {
				return err
			}
			return json.NewEncoder(p.stdout).Encode(map[string]any{"SchedulerStatus": []any{url, status}})
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "file of the scheduler")
	f.StringVar(&url, "url", "", "where it is, as http://HOST:PORT or https://HOST")
	f.StringVar(&ca, "ca", "", "file with the certificates, in PEM, that it is believed by")
	cmd.MarkFlagsMutuallyExclusive("config", "url")
	cmd.MarkFlagsOneRequired("config", "url")
	return cmd
}

// statusAddress returns where the scheduler with a file is asked, and the certificates by
// which it is believed: its own, where none are given.
func (p *program) statusAddress(file, ca string) (url, authorities string, err error) {
	host, err := p.host()
	if err != nil {
		return "", "", err
	}
	c, err := config.LoadScheduler(file, p.env, host)
	if err != nil {
		return "", "", err
	}
	if c.TLS == nil {
		return "http://" + c.PublicAddr.HostPort(), "", nil
	}
	if ca == "" {
		ca = c.TLS.Certificate
	}
	return "https://" + c.PublicAddr.HostPort(), ca, nil
}

// schedulerStatus is what a scheduler says of itself.
type schedulerStatus struct {
	Workers    int `json:"num_workers"`
	CPUs       int `json:"num_cpus"`
	InProgress int `json:"in_progress"`
}

func askStatus(ctx context.Context, url, ca string) (*schedulerStatus, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", ca)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(url, "/")+"/api/v1/scheduler/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask scheduler: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("ask scheduler: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask scheduler: it answers %s", resp.Status)
	}
	s := &schedulerStatus{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, errors.New("ask scheduler: what answers is none")
	}
	return s, nil
}
