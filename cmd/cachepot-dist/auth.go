package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/auth"
	"github.com/cachepot/cachepot/internal/config"
)

func (p *program) auth() *cobra.Command {
	cmd := &cobra.Command{Use: "auth", Short: "Make keys and tokens", Args: cobra.NoArgs, RunE: noCommand}
	cmd.AddCommand(p.sharedToken(), p.workerKey(), p.workerToken())
	return cmd
}

func (p *program) sharedToken() *cobra.Command {
	var bits int
	cmd := &cobra.Command{
		Use:   "generate-shared-token",
		Short: "Print a new token for client_auth, or for worker_auth of type token",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			token, err := auth.GenerateSharedToken(bits)
			if err != nil {
				return fmt.Errorf("--bits: %w", err)
			}
			fmt.Fprintln(p.stdout, token)
			return nil
		},
	}
	cmd.Flags().IntVar(&bits, "bits", 256, "how many random bits it has, a multiple of 8")
	return cmd
}

func (p *program) workerKey() *cobra.Command {
	return &cobra.Command{
		Use:   "generate-jwt-hs256-key",
		Short: "Print a new secret_key for worker_auth of type jwt_hs256",
		Args:  cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintln(p.stdout, auth.GenerateKey())
		},
	}
}

func (p *program) workerToken() *cobra.Command {
	var secret, file, worker, server string
	var life time.Duration
	cmd := &cobra.Command{
		Use:   "generate-jwt-hs256-worker-token",
		Short: "Print the token for scheduler_auth of one worker",
		Long: "Prints the token by which one worker shows its scheduler who it is. It is good for the worker whose\n" +
			"public_addr is the one that is given, and for no other.",
		Aliases: []string{"generate-jwt-hs256-server-token"},
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			address, err := workerAddress(worker + server)
			if err != nil {
				return fmt.Errorf("--worker: %w", err)
			}
			known, err := p.workers(secret, file)
			if err != nil {
				return err
			}
			var expires time.Time
			if life > 0 {
				expires = time.Now().Add(life)
			}
			token, err := known.Token(address, expires)
			if err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, token)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&secret, "secret-key", "", "secret_key of the scheduler; other users of this machine can see it")
	f.StringVar(&file, "config", "", "file of the scheduler, which has the secret_key")
	f.StringVar(&worker, "worker", "", "public_addr of the worker, as HOST:PORT")
	f.StringVar(&server, "server", "", "the same")
	f.DurationVar(&life, "valid-for", 0, "how long the token is good, like 720h; without it for ever")
	cmd.MarkFlagsMutuallyExclusive("secret-key", "config")
	cmd.MarkFlagsOneRequired("secret-key", "config")
	cmd.MarkFlagsMutuallyExclusive("worker", "server")
	cmd.MarkFlagsOneRequired("worker", "server")
	return cmd
}

// workers returns what makes tokens, of a key or of the file that has it.
func (p *program) workers(secret, file string) (*auth.Workers, error) {
	c := config.WorkerAuth{Type: config.AuthJWT, SecretKey: config.NewSecret(secret)}
	if file != "" {
		host, err := p.host()
		if err != nil {
			return nil, err
		}
		s, err := config.LoadScheduler(file, p.env, host)
		if err != nil {
			return nil, err
		}
		c = s.WorkerAuth
	} else if secret == "" {
		return nil, errors.New("--secret-key: is empty")
	}
	return auth.NewWorkers(c)
}

// workerAddress checks an address of the form HOST:PORT.
func workerAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", fmt.Errorf("%q: want HOST:PORT", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("%q: no valid port", text)
	}
	return text, nil
}
