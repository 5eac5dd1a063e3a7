package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/auth"
	"github.com/cachepot/cachepot/internal/config"
)

// run runs a command line and returns its status and what it prints.
func run(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	p := &program{stdout: &out, stderr: &err}
	code = p.run(args)
	return code, out.String(), err.String()
}

// TestAuthCommands: the tokens that are printed are those that a scheduler takes.
func TestAuthCommands(t *testing.T) {
	code, key, _ := run("auth", "generate-jwt-hs256-key")
	key = strings.TrimSpace(key)
	if raw, err := base64.RawURLEncoding.DecodeString(key); code != 0 || err != nil || len(raw) != 32 {
		t.Fatalf("status %d: %q", code, key)
	}
	file := filepath.Join(t.TempDir(), "scheduler.conf")
	text := "public_addr = \"127.0.0.1:10600\"\n[client_auth]\ntype = \"token\"\ntoken = \"t\"\n[worker_auth]\ntype = \"jwt_hs256\"\nsecret_key = \"" + key + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := auth.NewWorkers(config.WorkerAuth{Type: config.AuthJWT, SecretKey: config.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"generate-jwt-hs256-worker-token", "--secret-key", key, "--worker", "h:1"},
		{"generate-jwt-hs256-worker-token", "--config", file, "--server", "h:1"},
		{"generate-jwt-hs256-server-token", "--config", file, "--server", "h:1", "--valid-for", "1h"},
	} {
		code, token, stderr := run(append([]string{"auth"}, args...)...)
		header := "Bearer " + strings.TrimSpace(token)
		if code != 0 || known.Check(header, "h:1", time.Now()) != nil || known.Check(header, "h:2", time.Now()) == nil {
			t.Errorf("%v: status %d: %s", args, code, stderr)
		}
		if late := known.Check(header, "h:1", time.Now().Add(2*time.Hour)) != nil; late != (args[0] == "generate-jwt-hs256-server-token") {
			t.Errorf("%v: expired after two hours: %t", args, late)
		}
	}
	if code, token, _ := run("auth", "generate-shared-token", "--bits", "128"); code != 0 || len(token) != 33 {
		t.Errorf("status %d: %q", code, token)
	}
	for _, args := range [][]string{
		{"auth", "generate-shared-token", "--bits", "7"},
		{"auth", "generate-jwt-hs256-worker-token", "--secret-key", key},
		{"auth", "generate-jwt-hs256-worker-token", "--worker", "h:1"},
		{"auth", "generate-jwt-hs256-worker-token", "--worker", "h", "--secret-key", key},
		{"auth", "generate-jwt-hs256-worker-token", "--worker", "h:1", "--secret-key", ""},
		{"auth", "generate-jwt-hs256-worker-token", "--worker", "h:1", "--config", file + "x"},
		{"nothing"}, {"auth", "nothing"},
	} {
		if code, stdout, stderr := run(args...); code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "cachepot-dist: error: ") {
			t.Errorf("%v: status %d: %q, %q", args, code, stdout, stderr)
		}
	}
	if code, stdout, _ := run("--version"); code != 0 || !strings.HasPrefix(stdout, "cachepot-dist ") {
		t.Errorf("status %d: %q", code, stdout)
	}
}
