package worker

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// bazelProgram is where scripts/install puts it.
const bazelProgram = "../../../.work/bazel/bazel"

// bazel is a workspace, and Bazel 2.1.0 to build it: the oldest API that there is.
type bazel struct {
	t            *testing.T
	program, dir string
}

func newBazel(t *testing.T) *bazel {
	t.Helper()
	program, err := filepath.Abs(bazelProgram)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v; scripts/install check puts it there", err)
	}
	b := &bazel{t, program, scratch(t)}
	t.Cleanup(func() { // it stays in the background, which makes the second build a quick one
		cmd := exec.Command(b.program, "--output_user_root="+b.dir+"/out", "shutdown")
		cmd.Dir, cmd.Env = filepath.Join(b.dir, "ws"), b.env()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("shutdown: %v\n%s", err, out)
		}
	})
	// Rules for languages are a download, with other names for what is built in.
	stub := func(names ...string) string {
		var text strings.Builder
		for _, n := range names {
			text.WriteString("def " + n + "(**kw):\n    native." + n + "(**kw)\n")
		}
		return text.String()
	}
	write(t, b.dir, map[string]string{
		"rules_cc/WORKSPACE": "", "rules_cc/BUILD": "", "rules_cc/cc/BUILD": "",
		"rules_cc/cc/defs.bzl": stub("cc_library", "cc_binary", "cc_import", "cc_test", "cc_proto_library", "cc_toolchain", "cc_toolchain_suite",
			"fdo_prefetch_hints", "fdo_profile"),
		"rules_java/WORKSPACE": "", "rules_java/BUILD": "", "rules_java/java/BUILD": "",
		"rules_java/java/defs.bzl": stub("java_library", "java_binary", "java_import", "java_test", "java_plugin", "java_proto_library",
			"java_lite_proto_library", "java_runtime", "java_runtime_suite", "java_toolchain", "java_package_configuration"),
		"ws/WORKSPACE": "",
		"ws/BUILD": `
genrule(name = "text", srcs = ["in.txt"], outs = ["deep/down/out.txt"], cmd = "tr a-z A-Z < $(location in.txt) > $@")
genrule(name = "header", outs = ["made.h"], cmd = "echo '#define MADE 7' > $@")
cc_library(name = "low", srcs = ["low.cc", "made.h"], hdrs = ["low.h"])
cc_binary(name = "app", srcs = ["app.cc"], deps = [":low"])
`,
		"ws/in.txt": "hello\n", "ws/low.h": "int low();\n",
		"ws/low.cc": "#include \"low.h\"\n#include \"made.h\"\n#include <string>\nint low() { return MADE + (int)std::string(\"abc\").size(); }\n",
		"ws/app.cc": "#include <cstdio>\n#include \"low.h\"\nint main() { printf(\"%d\\n\", low()); }\n",
	})
	return b
}

// run builds everything and returns what Bazel says.
func (b *bazel) run(flags ...string) (string, error) {
	b.t.Helper()
	args := append([]string{"--output_user_root=" + b.dir + "/out", "--max_idle_secs=60", "build", "//:text", "//:app",
		"--spawn_strategy=remote", "--genrule_strategy=remote", "--noremote_local_fallback", "--remote_instance_name=base", "--curses=no",
		"--override_repository=rules_cc=" + b.dir + "/rules_cc", "--override_repository=rules_java=" + b.dir + "/rules_java"}, flags...)
	cmd := exec.Command(b.program, args...)
	cmd.Dir = filepath.Join(b.dir, "ws")
	cmd.Env = b.env()
	stop := time.AfterFunc(4*time.Minute, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *bazel) env() []string {
	return []string{"PATH=/usr/bin:/bin", "HOME=" + b.dir, "LC_ALL=C.UTF-8"}
}

// want checks that all was made on the worker, and right.
func (b *bazel) want(processes, out string, err error) {
	b.t.Helper()
	if err != nil || !strings.Contains(out, processes) {
		b.t.Fatalf("want %q: %v\n%s", processes, err, out)
	}
	said, err := exec.Command(filepath.Join(b.dir, "ws/bazel-bin/app")).Output()
	text, terr := os.ReadFile(filepath.Join(b.dir, "ws/bazel-bin/deep/down/out.txt"))
	if err != nil || terr != nil || string(said) != "10\n" || string(text) != "HELLO\n" {
		b.t.Errorf("%q, %v; %q, %v", said, err, text, terr)
	}
}

// TestBazel: Bazel builds on a worker, and gets again what it has built; with a
// token, over TLS, and without.
func TestBazel(t *testing.T) {
	b := newBazel(t)
	open := start(t, "base = \"/usr\"\n"+withoutToken())
	out, err := b.run("--remote_executor=grpc://" + open.address)
	b.want("5 processes: 5 remote.", out, err)
	if err := os.RemoveAll(filepath.Join(b.dir, "ws/bazel-bin/deep")); err != nil {
		t.Fatal(err)
	}

	cert, key := harness.Certificate(t, b.dir, "localhost", "127.0.0.1")
	closed := start(t, "base = \"/usr\"\n[client_auth]\ntype = \"token\"\ntoken = \"t0ken\"\n[tls]\ncertificate = \""+cert+"\"\nkey = \""+key+"\"\n")
	_, port, err := net.SplitHostPort(closed.address)
	if err != nil {
		t.Fatal(err)
	}
	secure := []string{"--remote_executor=grpcs://localhost:" + port, "--tls_certificate=" + cert}
	if out, err := b.run(append(secure, "--google_credentials="+credentials(t, b.dir, "wrong"))...); err == nil || !strings.Contains(out, "UNAUTHENTICATED") {
		t.Errorf("with another token: %v\n%s", err, out)
	}
	write(t, b.dir, map[string]string{"ws/in.txt": "hello\n", "ws/low.cc": "#include \"low.h\"\n#include \"made.h\"\nint low() { return MADE + 3; }\n"})
	out, err = b.run(append(secure, "--google_credentials="+credentials(t, b.dir, "t0ken"))...)
	b.want("remote.", out, err)
}

// credentials writes an account that gets a token from a service of the test. It is
// the one way in which Bazel 2.1.0 sends one with all of its calls.
func credentials(t *testing.T, dir, token string) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"`+token+`","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(service.Close)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "a@example.org", "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": service.URL + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"account-" + token + ".json": string(text)})
	return filepath.Join(dir, "account-"+token+".json")
}
