package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func serverHost(dir string) Host {
	return Host{GOOS: "linux", UID: os.Getuid(), Dir: dir, Home: func() (string, error) { return "/home/me", nil }}
}

func serverFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	bookScheduler = "# c\npublic_addr = \"127.0.0.1:10600\"\n\n[client_auth]\ntype = \"token\"\ntoken = \"my client token\"\n\n" +
		"[worker_auth]\ntype = \"jwt_hs256\"\nsecret_key = \"my secret key\"\n"
	bookWorker = "cache_dir = \"/tmp/toolchains\"\npublic_addr = \"192.168.1.1:10501\"\nscheduler_url = \"https://192.168.1.1\"\n" +
		"[builder]\ntype = \"overlay\"\nbuild_dir = \"/tmp/build\"\nbwrap_path = \"/usr/bin/bwrap\"\n" +
		"[scheduler_auth]\ntype = \"jwt_token\"\ntoken = \"my worker's token\"\n"
)

// TestBookServers: the files that the manual prints are read as they stand there.
func TestBookServers(t *testing.T) {
	s, err := LoadScheduler(serverFile(t, bookScheduler), []string{"RUST_LOG=trace", "CACHEPOT_NO_DAEMON=1"}, serverHost("/"))
	if err != nil {
		t.Fatal(err)
	}
	if s.PublicAddr != (Address{Host: "127.0.0.1", Port: "10600"}) || s.ClientAuth.Token.Reveal() != "my client token" ||
		s.WorkerAuth.Type != AuthJWT || s.WorkerAuth.SecretKey.Reveal() != "my secret key" || s.Log != "trace" || !s.Foreground {
		t.Errorf("%+v", s)
	}
	w, err := LoadWorker(serverFile(t, bookWorker), []string{"CACHEPOT_LOG=debug", "RUST_LOG=trace"}, serverHost("/"))
	if err != nil {
		t.Fatal(err)
	}
	if w.CacheDir != "/tmp/toolchains" || w.ToolchainCacheSize != 10<<30 || w.PublicAddr.HostPort() != "192.168.1.1:10501" ||
		w.SchedulerURL != "https://192.168.1.1" || w.Builder.Type != BuilderOverlay || w.Builder.BwrapPath != "/usr/bin/bwrap" ||
		w.SchedulerAuth.Type != AuthJWTToken || w.SchedulerAuth.Token.Reveal() != "my worker's token" || w.Log != "debug" || w.Foreground {
		t.Errorf("%+v", w)
	}
}

// TestWrongScheduler: what a scheduler's file may not say is told with its place.
func TestWrongScheduler(t *testing.T) {
	swap := func(old, now string) string { return strings.Replace(bookScheduler, old, now, 1) }
	for text, want := range map[string]string{
		bookScheduler + "[tls]\ncertificate = \"/c\"\n":                            `:11:2: tls: needs both`,
		bookScheduler + "port = 5\n":                                               `:11:1: worker_auth.port: unknown key`,
		swap("127.0.0.1:10600", "0.0.0.0:10600"):                                   `:2:15: public_addr: can be reached from other machines, so it needs tls.certificate`,
		swap("127.0.0.1:10600", "[::]:10600"):                                      `public_addr: can be reached from other machines`,
		swap("127.0.0.1:10600", "10600"):                                           `:2:15: public_addr: "10600" is not host and port`,
		swap("127.0.0.1:10600", "https://localhost"):                               `public_addr: is https://, for which tls.certificate`,
		swap("127.0.0.1:10600", "grpc://localhost:1"):                              `has another scheme`,
		swap("127.0.0.1:10600", "127.0.0.1:0"):                                     `has no valid port`,
		swap("public_addr", "#"):                                                   `x.conf: needs public_addr too`,
		swap("[client_auth]\ntype = \"token\"\ntoken = \"my client token\"\n", ""): `needs [client_auth]`,
		swap("token = \"my client token\"", ""):                                    `client_auth: of type token needs client_auth.token too`,
		swap("type = \"token\"\ntoken = \"my client token\"", "type = \"mozilla\"\nrequired_groups = [\"g\"]"):  `client_auth: type mozilla is not built`,
		swap("type = \"token\"\ntoken = \"my client token\"", "type = \"DANGEROUSLY_INSECURE\"\ntoken = \"t\""): `goes with type token only`,
		swap("secret_key = \"my secret key\"", ""):                                                              `needs worker_auth.secret_key too`,
		swap("jwt_hs256", "DANGEROUSLY_INSECURE"):                                                               `worker_auth.secret_key: goes with type jwt_hs256 only`,
		swap("jwt_hs256", "jwt_rs256"):                                                                          `"jwt_rs256" is unknown; allowed: jwt_hs256, token, DANGEROUSLY_INSECURE`,
	} {
		_, err := LoadScheduler(serverFile(t, text), nil, serverHost("/"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "my client token") {
			t.Errorf("an error tells a secret: %v", err)
		}
	}
	insecure := "public_addr = \"%\"\n[client_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n[worker_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n"
	for addr, ok := range map[string]bool{"127.0.0.1:1": true, "127.9.9.9:1": true, "localhost:1": true, "[::1]:1": true,
		"0.0.0.0:1": false, "10.0.0.1:1": false, "build.example.org:1": false, "[::ffff:10.0.0.1]:1": false} {
		_, err := LoadScheduler(serverFile(t, strings.Replace(insecure, "%", addr, 1)), nil, serverHost("/"))
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "DANGEROUSLY_INSECURE") {
			t.Errorf("insecure at %s: %v", addr, err)
		}
	}
	// One of them is enough to be refused, with a certificate too.
	const tls = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n"
	for text, who := range map[string]string{
		"[client_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n[worker_auth]\ntype = \"token\"\ntoken = \"w\"\n": "client_auth is",
		"[client_auth]\ntype = \"token\"\ntoken = \"c\"\n[worker_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n": "worker_auth is",
	} {
		for _, address := range []string{"0.0.0.0:1", "https://0.0.0.0:1"} {
			_, err := LoadScheduler(serverFile(t, "public_addr = \""+address+"\"\n"+text+tls), nil, serverHost("/"))
			if err == nil || !strings.Contains(err.Error(), who+" DANGEROUSLY_INSECURE") {
				t.Errorf("%s at %s: %v", who, address, err)
			}
		}
	}
}

// TestWrongWorker does so for a worker's file.
func TestWrongWorker(t *testing.T) {
	swap := func(old, now string) string { return strings.Replace(bookWorker, old, now, 1) }
	for text, want := range map[string]string{
		swap("overlay", "docker"):                                       `builder.type: "docker" is unknown; allowed: overlay`,
		swap("scheduler_url = \"https://192.168.1.1\"\n", ""):           `scheduler_auth: goes with scheduler_url only`,
		swap("[builder]", "[builders]"):                                 `perhaps builder is meant`,
		swap("\"/tmp/build\"", "\"build\""):                             `builder.build_dir: "build" is relative`,
		bookWorker + "[tls]\nkey = \"/k\"\n":                            `:11:2: tls: needs both`,
		bookWorker + "[client_auth]\ntype = \"token\"\n":                `needs client_auth.token too`,
		swap("type = \"overlay\"", "type = \"overlay\"\nslots = 0"):     `builder.slots: "0" is out of range; allowed: 1 to 4096`,
		swap("type = \"overlay\"", "type = \"overlay\"\nslots = \"2\""): `builder.slots: is a string`,
		strings.Split(bookWorker, "[scheduler_auth]")[0]:                `needs [scheduler_auth]`,
	} {
		_, err := LoadWorker(serverFile(t, text), nil, serverHost("/"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := LoadWorker("nowhere.conf", nil, serverHost("/")); err == nil || !strings.Contains(err.Error(), "/nowhere.conf: cannot be read: no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
}
