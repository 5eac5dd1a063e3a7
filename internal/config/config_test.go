package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// testHost is a machine where /home/u is the home directory.
func testHost(goos string) Host {
	home := map[string]string{windows: `C:\Users\u`, darwin: "/Users/u"}[goos]
	if home == "" {
		home = "/home/u"
	}
	return Host{GOOS: goos, UID: 1000, Dir: "/work dir", Home: func() (string, error) { return home, nil }}
}

// loadText loads text as a configuration file and env. It returns the name of
// the file, too.
func loadText(t testing.TB, text string, env ...string) (*Config, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(append(env, "CACHEPOT_CONF="+file), testHost("linux"))
	return c, file, err
}

var ignored = cmp.Options{
	cmpopts.IgnoreUnexported(Config{}),
	cmpopts.IgnoreFields(Config{}, "File", "Identity"),
}

// defaults is the configuration of a user who set nothing.
func defaultConfig() *Config {
	return &Config{
		Coordinator: Coordinator{Port: "4226", IdleTimeout: 10 * time.Minute, MaxFrame: 16 << 20},
		StateDir:    "/home/u/.local/state/cachepot",
		CachedConf:  "/home/u/.local/state/cachepot/cached-config",
		RuntimeDir:  "/tmp/cachepot-1000",
		Disk:        Disk{Dir: "/home/u/.cache/cachepot", Size: 10 << 30, Restore: RestoreReflink},
		Paths:       Paths{Mode: PathsRelocatable, FileMacros: FileMacrosKeep},
	}
}

func wantConfig(t *testing.T, got *Config, err error, change func(*Config)) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	change(want)
	if d := cmp.Diff(want, got, ignored); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDefaults(t *testing.T) {
	c, err := Load(nil, testHost("linux"))
	wantConfig(t, c, err, func(*Config) {})
	if c.File != "" || len(c.Needs()) != 0 || c.Require() != nil {
		t.Errorf("file %q, needs %v", c.File, c.Needs())
	}
	c, _, err = loadText(t, "# nothing\n")
	wantConfig(t, c, err, func(*Config) {})
}

// The manual's examples, word for word.
const (
	bookMinimal = `[dist]
# The URL used to connect to the scheduler (should use https, given an ideal
# setup of a HTTPS worker in front of the scheduler)
scheduler_url = "https://192.168.1.1"
# Used for mapping local toolchains to remote cross-compile toolchains. Empty in
# this example where the client and build worker are both Linux.
toolchains = []
# Size of the local toolchain cache, in bytes (5GB here, 10GB if unspecified).
toolchain_cache_size = 5368709120

[dist.auth]
type = "token"
# This should match the ` + "`client_auth`" + ` section of the scheduler config.
token = "my client token"
`
	bookMozilla = `[dist.auth]
type = "mozilla"
`
	bookToolchainUnix = `[[dist.toolchains]]
type = "path_override"
compiler_executable = "/home/me/.mozbuild/clang/bin/clang"
archive = "/home/me/.mozbuild/toolchains/33d92fcd79ffef6e-clang-dist-toolchain.tar.xz"
archive_compiler_executable = "/builds/worker/toolchains/clang/bin/clang"
`
	bookToolchainWindows = `[[dist.toolchains]]
type = "path_override"
compiler_executable = "C:/clang/bin\\clang-cl.exe"
archive = "C:/toolchains/33d92fcd79ffef6e-clang-dist-toolchain.tar.xz"
archive_compiler_executable = "/builds/worker/toolchains/clang/bin/clang"
`
	bookAll = `[dist]
# where to find the scheduler
scheduler_url = "http://1.2.3.4:10600"
# a set of prepackaged toolchains
toolchains = []
# the maximum size of the toolchain cache in bytes
toolchain_cache_size = 5368709120
cache_dir = "/home/user/.cache/cachepot-dist-client"

[dist.auth]
type = "token"
token = "secrettoken"


#[cache.azure]
# does not work as it appears

[cache.disk]
dir = "/tmp/.cache/cachepot"
size = 7516192768 # 7 GiBytes

[cache.gcs]
# optional url
url = "..."
rw_mode = "READ_ONLY"
# rw_mode = "READ_WRITE"
cred_path = "/psst/secret/cred"
bucket = "bucket"

[cache.memcached]
url = "..."

[cache.redis]
url = "redis://user:passwd@1.2.3.4:6379/1"

[cache.s3]
bucket = "name"
endpoint = "s3-us-east-1.amazonaws.com"
use_ssl = true
`
)

func TestBookExamples(t *testing.T) {
	clang := Toolchain{
		Type:                      "path_override",
		CompilerExecutable:        "/home/me/.mozbuild/clang/bin/clang",
		Archive:                   "/home/me/.mozbuild/toolchains/33d92fcd79ffef6e-clang-dist-toolchain.tar.xz",
		ArchiveCompilerExecutable: "/builds/worker/toolchains/clang/bin/clang",
	}
	dist := func(change func(*Dist)) func(*Config) {
		d := &Dist{ToolchainCacheSize: 10 << 30, CacheDir: "/home/u/.cache/cachepot-dist-client", Fallback: FallbackLocal, Trust: TrustNobody}
		change(d)
		return func(c *Config) { c.Dist = d }
	}
	for _, test := range []struct {
		name, text string
		want       func(*Config)
		needs      []string
	}{
		{"minimal", bookMinimal, dist(func(d *Dist) {
			d.SchedulerURL, d.ToolchainCacheSize = "https://192.168.1.1", 5<<30
			d.Auth = &Auth{Type: AuthToken, Token: NewSecret("my client token")}
		}), []string{"dist"}},
		{"mozilla", bookMozilla, dist(func(d *Dist) { d.Auth = &Auth{Type: AuthMozilla} }), []string{"mozilla"}},
		{"toolchain", bookToolchainUnix, dist(func(d *Dist) { d.Toolchains = []Toolchain{clang} }), nil},
		{"two toolchains", bookToolchainUnix + bookToolchainUnix, dist(func(d *Dist) {
			d.Toolchains = []Toolchain{clang, clang}
		}), nil},
		{"all", bookAll, func(c *Config) {
			c.Dist = &Dist{
				SchedulerURL: "http://1.2.3.4:10600", ToolchainCacheSize: 5 << 30,
				CacheDir: "/home/user/.cache/cachepot-dist-client",
				Auth:     &Auth{Type: AuthToken, Token: NewSecret("secrettoken")},
				Fallback: FallbackLocal, Trust: TrustNobody,
			}
			c.Disk = Disk{Dir: "/tmp/.cache/cachepot", Size: 7 << 30, Restore: RestoreReflink}
			c.GCS = &GCS{
				Bucket: "bucket", CredentialsURL: NewSecret("..."), KeyPath: "/psst/secret/cred", Mode: GCSReadOnly,
			}
			c.Memcached = &Memcached{URL: NewSecret("...")}
			c.Redis = &Redis{URL: NewSecret("redis://user:passwd@1.2.3.4:6379/1")}
			c.S3 = &S3{Bucket: "name", Endpoint: "s3-us-east-1.amazonaws.com", Region: "us-east-1", UseSSL: true}
		}, []string{"s3", "redis", "memcached", "gcs", "dist"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _, err := loadText(t, test.text)
			wantConfig(t, c, err, test.want)
			var needs []string
			for _, n := range c.Needs() {
				needs = append(needs, n.Feature)
			}
			if d := cmp.Diff(test.needs, needs); d != "" {
				t.Errorf("needs (-want +got):\n%s", d)
			}
		})
	}
}

func TestBookWindowsToolchain(t *testing.T) {
	l := newLoader(testHost(windows), newSchema(Settings()))
	readDocument(l, "config", []byte(bookToolchainWindows))
	if len(l.problems) > 0 {
		t.Fatal(l.problems)
	}
	want := []Toolchain{{
		Type:                      "path_override",
		CompilerExecutable:        `C:/clang/bin\clang-cl.exe`,
		Archive:                   "C:/toolchains/33d92fcd79ffef6e-clang-dist-toolchain.tar.xz",
		ArchiveCompilerExecutable: "/builds/worker/toolchains/clang/bin/clang",
	}}
	if d := cmp.Diff(want, l.config.Dist.Toolchains); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestInlineForms(t *testing.T) {
	c, _, err := loadText(t, `
cache = { disk = { dir = "/d", size = "5g" }, "s3" = { bucket = "b", use_ssl = false } }
dist.auth = { type = "mozilla" }
dist.toolchains = [ # a comment
  { type = "path_override", compiler_executable = "/c", archive = "/a", archive_compiler_executable = "/i" },
  # another
]
`)
	wantConfig(t, c, err, func(c *Config) {
		c.Disk.Dir, c.Disk.Size = "/d", 5<<30
		c.S3 = &S3{Bucket: "b", Region: "us-east-1"}
		c.Dist = &Dist{
			ToolchainCacheSize: 10 << 30, CacheDir: "/home/u/.cache/cachepot-dist-client",
			Fallback: FallbackLocal, Trust: TrustNobody,
			Auth:       &Auth{Type: AuthMozilla},
			Toolchains: []Toolchain{{"path_override", "/c", "/a", "/i"}},
		}
	})
}

func TestEnvironment(t *testing.T) {
	for _, test := range []struct {
		env  string
		want func(*Config)
	}{
		{"CACHEPOT_DIR=/d", func(c *Config) { c.Disk.Dir = "/d" }},
		{"CACHEPOT_DIR=d/../e", func(c *Config) { c.Disk.Dir = "/work dir/d/../e" }},
		{"CACHEPOT_DIR=", func(c *Config) {}},
		{"CACHEPOT_CACHE_SIZE=3g", func(c *Config) { c.Disk.Size = 3 << 30 }},
		{"CACHEPOT_CACHE_SIZE=7516192768", func(c *Config) { c.Disk.Size = 7 << 30 }},
		{"CACHEPOT_BUCKET=b", func(c *Config) { c.S3 = &S3{Bucket: "b", Region: "us-east-1", UseSSL: true} }},
		{"CACHEPOT_BUCKET=b CACHEPOT_ENDPOINT=h:1 CACHEPOT_REGION=r CACHEPOT_S3_USE_SSL=off", func(c *Config) {
			c.S3 = &S3{Bucket: "b", Endpoint: "h:1", Region: "r"}
		}},
		{"CACHEPOT_REDIS=rediss://:p@h", func(c *Config) { c.Redis = &Redis{NewSecret("rediss://:p@h")} }},
		{"CACHEPOT_MEMCACHED=h:11211", func(c *Config) { c.Memcached = &Memcached{NewSecret("h:11211")} }},
		{"CACHEPOT_GCS_BUCKET=b", func(c *Config) { c.GCS = &GCS{Bucket: "b", Mode: GCSReadOnly} }},
		{"CACHEPOT_GCS_BUCKET=b CACHEPOT_GCS_CREDENTIALS_URL=u CACHEPOT_GCS_KEY_PATH=/k CACHEPOT_GCS_RW_MODE=READ_WRITE",
			func(c *Config) { c.GCS = &GCS{"b", NewSecret("u"), "/k", GCSReadWrite} }},
		{"CACHEPOT_AZURE_CONNECTION_STRING=AccountKey=x;y", func(c *Config) {
			c.Azure = &Azure{NewSecret("AccountKey=x;y")}
		}},
		{"CACHEPOT_ALLOW_CORE_DUMPS=1", func(c *Config) { c.Coordinator.AllowCoreDumps = true }},
		{"CACHEPOT_CACHED_CONF=/c", func(c *Config) { c.CachedConf = "/c" }},
		{"CACHEPOT_IDLE_TIMEOUT=0", func(c *Config) { c.Coordinator.IdleTimeout = 0 }},
		{"CACHEPOT_IDLE_TIMEOUT=7", func(c *Config) { c.Coordinator.IdleTimeout = 7 * time.Second }},
		{"CACHEPOT_STARTUP_NOTIFY=s", func(c *Config) { c.Coordinator.StartupNotify = "/work dir/s" }},
		{"CACHEPOT_MAX_FRAME_LENGTH=1048576", func(c *Config) { c.Coordinator.MaxFrame = 1 << 20 }},
		{"CACHEPOT_NO_DAEMON=1", func(c *Config) { c.Coordinator.Foreground = true }},
		{"CACHEPOT_NO_DAEMON=FALSE", func(c *Config) {}},
		{"CACHEPOT_COORDINATOR_PORT=1", func(c *Config) { c.Coordinator.Port = "1" }},
		{"RUST_LOG=trace", func(c *Config) { c.Log = "trace" }},
		{"RUST_LOG=trace CACHEPOT_LOG=info", func(c *Config) { c.Log = "info" }},
		{"CACHEPOT_RECACHE=nonsense CACHEPOT_NO_CACHE=1", func(c *Config) {}}, // not the coordinator's
		{"CACHEPOT_DIR=/first CACHEPOT_DIR=/second", func(c *Config) { c.Disk.Dir = "/first" }},
		{"XDG_CACHE_HOME=/x", func(c *Config) { c.Disk.Dir = "/x/cachepot" }},
		{"CACHEPOT_DIRR=/d OTHER=1", func(c *Config) {
			c.Warnings = []string{"CACHEPOT_DIRR: unknown variable, ignored; perhaps CACHEPOT_DIR is meant"}
		}},
		{"CACHEPOT_\x1b=1", func(c *Config) {
			c.Warnings = []string{`CACHEPOT_\x1b: unknown variable, ignored`}
		}},
	} {
		t.Run(test.env, func(t *testing.T) {
			c, err := Load(strings.Split(test.env, " "), testHost("linux"))
			wantConfig(t, c, err, test.want)
		})
	}
}

func TestEnvironmentOverFile(t *testing.T) {
	c, _, err := loadText(t, bookAll, "CACHEPOT_DIR=/env", "CACHEPOT_BUCKET=env", "CACHEPOT_S3_USE_SSL=0")
	if err != nil {
		t.Fatal(err)
	}
	if c.Disk.Dir != "/env" || c.Disk.Size != 7<<30 {
		t.Errorf("disk %+v", c.Disk)
	}
	if c.S3.Bucket != "env" || c.S3.UseSSL || c.S3.Endpoint != "s3-us-east-1.amazonaws.com" {
		t.Errorf("S3 %+v", c.S3)
	}
}

// TestEverySetting: every row of the table can store a value of its kind, in a
// place that no other row stores to.
func TestEverySetting(t *testing.T) {
	values := map[Kind]string{
		KindText: "text", KindSecret: "text", KindURL: "http://h", KindPath: "/p", KindHomePath: "~/p", KindInnerPath: "/p",
		KindSize: "1M", KindSeconds: "5", KindPort: "5",
	}
	shared := target{config: &Config{Dist: &Dist{Toolchains: make([]Toolchain, 1)}}, call: new(Call)}
	places := map[any]string{}
	for _, s := range Settings() {
		place := s.field(shared)
		if other, taken := places[place]; taken {
			t.Errorf("%s %s stores where %s does", s.Key, s.Env, other)
		}
		places[place] = s.Key + " " + s.Env
		cfg, call := &Config{Dist: &Dist{Toolchains: make([]Toolchain, 1)}}, &Call{}
		v := value{text: values[s.Kind], form: formVariable, host: testHost("linux")}
		switch s.Kind {
		case KindChoice:
			v.text = strings.Fields(s.Choices)[0]
		case KindSecretURL:
			v.text = strings.Fields(s.Choices)[0] + "://h"
		case KindBool:
			v.text = "on"
		case KindRoots:
			v.form, v.list = formList, []string{"a=/a"}
		case KindNames:
			v.form, v.list = formList, []string{"A", "B*"}
		case KindPairs:
			v.form, v.list = formList, []string{"a=b"}
		case KindHeaders:
			v.form, v.list = formList, []string{"a: b"}
		}
		before := cmp.Diff(Config{}, *cfg, cmp.AllowUnexported(Config{}))
		if problem := s.assign(target{config: cfg, call: call}, v); problem != "" {
			t.Errorf("%s %s: %s", s.Key, s.Env, problem)
		}
		changed := cmp.Diff(Config{}, *cfg, cmp.AllowUnexported(Config{})) != before || *call != Call{}
		if !changed {
			t.Errorf("%s %s: nothing stored", s.Key, s.Env)
		}
		if s.Doc == "" || s.Key == "" && s.Env == "" || s.Default != "" && s.Computed != "" {
			t.Errorf("%s %s: incomplete row", s.Key, s.Env)
		}
	}
}

// TestRemoteExecution: the keys for services that are no schedulers of ours.
func TestRemoteExecution(t *testing.T) {
	c, _, err := loadText(t, `[dist]
scheduler_url = "grpcs://h:1"
trust = "engine"
only_look_up = true
instance = "main"
headers = ["X-Api-Key: s3cret"]
properties = ["OSFamily=Linux", "container-image=docker://x"]
[dist.tls]
ca = "/ca.pem"
certificate = "/c.pem"
key = "/k.pem"
`, "CACHEPOT_DIST_FALLBACK=fail")
	if err != nil {
		t.Fatal(err)
	}
	d := c.Dist
	if address, secure := d.Remote(); address != "h:1" || !secure {
		t.Errorf("address %s, TLS %v", address, secure)
	}
	if d.Fallback != FallbackFail || d.Trust != TrustEngine || !d.OnlyLookUp || d.Instance != "main" || *d.TLS != (TLS{"/ca.pem", "/c.pem", "/k.pem"}) {
		t.Errorf("got %+v", d)
	}
	if len(d.Headers) != 1 || d.Headers[0].Reveal() != "x-api-key:s3cret" || strings.Contains(fmt.Sprintf("%+v", d), "s3cret") {
		t.Errorf("headers %v", d.Headers)
	}
	if len(c.Needs()) != 0 {
		t.Errorf("needs %v", c.Needs())
	}
	for text, want := range map[string]string{
		"scheduler_url = \"grpc://h:1\"\n[dist.tls]\nca = \"/c\"\n":   "goes with a dist.scheduler_url of grpcs:// or https:// only",
		"scheduler_url = \"grpcs://h:1\"\n[dist.tls]\nkey = \"/c\"\n": "needs both",
		"only_look_up = true\nscheduler_url = \"grpc://h:1\"\n":       "goes with dist.trust of engine only",
		"headers = [\"s3cret\"]\n":                                    "has one that is no header",
		"headers = [\"a b: s3cret\"]\n":                               "has one that is no header",
		"properties = [\"x\"]\n":                                      "is not name=value",
	} {
		_, _, err := loadText(t, "[dist]\n"+text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestForCall(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want Call
		err  string
	}{
		{nil, Call{}, ""},
		{[]string{"CACHEPOT_RECACHE=1"}, Call{Recache: true}, ""},
		{[]string{"CACHEPOT_NO_CACHE=true", "CACHEPOT_RECACHE=0"}, Call{NoCache: true}, ""},
		{[]string{"CACHEPOT_RECACHE="}, Call{}, ""},
		{[]string{"CACHEPOT_RECACHE=x", "CACHEPOT_NO_CACHE=1"}, Call{NoCache: true},
			`CACHEPOT_RECACHE: "x" is no boolean; allowed: true, false, 1, 0, yes, no, on, off`},
	} {
		got, err := ForCall(test.env)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("ForCall(%q) = %+v, %v", test.env, got, err)
		}
	}
}

func TestRequire(t *testing.T) {
	c, file, err := loadText(t, bookAll)
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := c.Require(); !errors.As(err, &e) {
		t.Fatalf("Require() = %v", err)
	}
	want := file + ":36:8: cache.s3: asks for s3, which this build does not have; allowed: disk"
	if got := e.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := c.Require("s3", "redis", "memcached", "gcs"); err == nil || !strings.Contains(err.Error(), "dist.scheduler_url: asks for dist") {
		t.Errorf("without dist: %v", err)
	}
	if err := c.Require("dist", "s3", "redis", "memcached", "gcs"); err != nil {
		t.Errorf("with everything: %v", err)
	}
	c, err = Load([]string{"CACHEPOT_BUCKET=b"}, testHost("linux"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Require().Error(); got != "CACHEPOT_BUCKET: asks for s3, which this build does not have; allowed: disk" {
		t.Errorf("got %s", got)
	}
}

func TestS3Host(t *testing.T) {
	s := &S3{Bucket: "b", Region: "us-east-1"}
	if got := s.Host(); got != "b.s3-us-east-1.amazonaws.com" {
		t.Errorf("Host = %q", got)
	}
	s.Endpoint = "h:9000"
	if got := s.Host(); got != "h:9000" {
		t.Errorf("Host = %q", got)
	}
}
