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
)

// TestFileErrors: each thing that can be wrong with a file is said with its
// place, its key and what is allowed.
func TestFileErrors(t *testing.T) {
	const absolute = "; allowed: an absolute path"
	const size = "; allowed: bytes, or a number with K, M, G or T"
	const address = "; allowed: scheme://host or scheme://host:port with scheme http, https, grpc, grpcs"
	for _, test := range []struct {
		text string
		want []string // each after "<file>:"
	}{
		// Syntax.
		{"[cache\n", []string{"1:7: is no TOML: expected ']' to close table name"}},
		{"[cache.disk]\ndir = /tmp\n", []string{"2:7: is no TOML: unexpected character U+002F '/' at start of value"}},
		{"a = 1\na = 2\n", []string{"2:1: a: is no TOML: key a is already defined"}},
		{"dist.toolchains = []\n[[dist.toolchains]]\n", []string{"2:3: dist.toolchains: is no TOML: key toolchains already exists as a value, but should be an array table"}},
		{"x = 99999999999999999999\n", []string{"1:5: is no TOML: decimal number is too large to fit in a 64-bit signed integer"}},
		{"a = \"\x1b[31m\"\n", []string{"1:6: is no TOML: basic strings cannot have control characters"}},
		// Unknown keys.
		{"[cache.disk]\nsise = 1\nfrobnicate = 2\n", []string{
			"2:1: cache.disk.sise: unknown key, perhaps cache.disk.size is meant; allowed: dir, size, restore",
			"3:1: cache.disk.frobnicate: unknown key; allowed: dir, size, restore",
		}},
		{"[cach.disk]\ndir = \"/d\"\n[cach.s3]\n", []string{"1:2: cach: unknown key, perhaps cache is meant; allowed: dist, cache, paths, rust"}},
		{"scheduler_url = \"http://h\"\n", []string{"1:1: scheduler_url: unknown key, perhaps dist.scheduler_url is meant; allowed: dist, cache, paths, rust"}},
		{"[cache]\ndisk.\"di\\nr\" = 1\n", []string{`2:6: cache.disk.di\nr: unknown key, perhaps cache.disk.dir is meant; allowed: dir, size, restore`}},
		{"\"cache.disk\".dir = \"/d\"\n", []string{"1:1: cache.disk: unknown key; allowed: dist, cache, paths, rust"}},
		{"[Cache]\n", []string{"1:2: Cache: unknown key, perhaps cache is meant; allowed: dist, cache, paths, rust"}},
		{"[dist]\n\"toolchains[]\".type = \"path_override\"\n", []string{"2:1: dist.toolchains: unknown key, perhaps dist.toolchains is meant; allowed: scheduler_url, fallback, trust, only_look_up, instance, headers, properties, tls, toolchain_cache_size, cache_dir, auth, toolchains"}},
		// Wrong types.
		{"[cache.disk]\n  dir = 5\n", []string{"2:9: cache.disk.dir: is an integer" + absolute}},
		{"[cache.disk]\nsize = true\n", []string{"2:8: cache.disk.size: is a boolean" + size}},
		{"[cache.disk]\nsize = 1.5\n", []string{"2:8: cache.disk.size: is a number with a fraction or a date" + size}},
		{"[cache.disk]\nsize = [1]\n", []string{"2:1: cache.disk.size: is an array" + size}},
		{"[cache.disk]\nsize = {}\n", []string{"2:8: cache.disk.size: is a table" + size}},
		{"[cache.disk.size]\n", []string{"1:13: cache.disk.size: is a table" + size}},
		{"cache.disk.size.x = 1\n", []string{"1:12: cache.disk.size: is a table" + size}},
		{"[cache.s3]\nbucket=\"b\"\nuse_ssl = \"true\"\n", []string{"3:11: cache.s3.use_ssl: is a string; allowed: true, false"}},
		{"cache = 5\n", []string{"1:1: cache: is not written so; allowed: [cache]"}},
		{"[[cache]]\n", []string{"1:3: cache: is not written so; allowed: [cache]"}},
		{"[dist.toolchains]\n", []string{"1:7: dist.toolchains: is not written so; allowed: [[dist.toolchains]]"}},
		{"[dist.toolchains.type]\n", []string{"1:7: dist.toolchains: is not written so; allowed: [[dist.toolchains]]"}},
		{"dist.toolchains = 1\n", []string{"1:6: dist.toolchains: is not written so; allowed: [[dist.toolchains]]"}},
		{"dist.toolchains = [1]\n", []string{"1:6: dist.toolchains: is not written so; allowed: [[dist.toolchains]]"}},
		// Wrong values.
		{"[cache.disk]\ndir = \"tmp\"\n", []string{`2:7: cache.disk.dir: "tmp" is relative` + absolute}},
		{"[cache.disk]\ndir = \"~/x\"\n", []string{`2:7: cache.disk.dir: "~/x" is relative` + absolute}},
		{"[cache.disk]\ndir = \"\"\n", []string{`2:7: cache.disk.dir: is empty` + absolute}},
		{"[cache.disk]\ndir = \"/a\\u0000\"\n", []string{`2:7: cache.disk.dir: "/a\x00" holds a zero byte` + absolute}},
		{"[cache.disk]\nsize = -1\n", []string{`2:8: cache.disk.size: "-1" is negative` + size}},
		{"[cache.disk]\nsize = \"-1G\"\n", []string{`2:8: cache.disk.size: "-1G" is negative` + size}},
		{"[cache.disk]\nsize = \"10X\"\n", []string{`2:8: cache.disk.size: "10X" is no size` + size}},
		{"[cache.disk]\nrestore = \"symlink\"\n", []string{`2:11: cache.disk.restore: "symlink" is unknown; allowed: copy, reflink, hardlink`}},
		{"dist.scheduler_url = \"ftp://h\"\n", []string{`1:22: dist.scheduler_url: "ftp://h" has another scheme` + address}},
		{"dist.scheduler_url = \"https://\"\n", []string{`1:22: dist.scheduler_url: "https://" names no host` + address}},
		{"dist.scheduler_url = \"h:0\"\n", []string{`1:22: dist.scheduler_url: "http://h:0" has no valid port` + address}},
		{"dist.scheduler_url = \"h:99999\"\n", []string{`1:22: dist.scheduler_url: "http://h:99999" has no valid port` + address}},
		{"dist.auth.type = \"oauth\"\n", []string{`1:18: dist.auth.type: "oauth" is unknown; allowed: token, mozilla`}},
		{"rust.environment.removed = \"X\"\n", []string{"1:28: rust.environment.removed: is a string; allowed: a list of names of variables, which may end with *"}},
		{"rust.environment.keyed = [1]\n", []string{"1:18: rust.environment.keyed: is an array; allowed: a list of names of variables, which may end with *"}},
		{"rust.environment.plumbing = [\"*\"]\n", []string{`1:18: rust.environment.plumbing: "*" is no name; allowed: a list of names of variables, which may end with *`}},
		{"rust.environment.removed = [\"A\", \"B=1\"]\n", []string{`1:18: rust.environment.removed: "B=1" is no name; allowed: a list of names of variables, which may end with *`}},
		// What belongs together.
		{"[cache.s3]\nregion = \"r\"\n", []string{"1:8: cache.s3: needs cache.s3.bucket (CACHEPOT_BUCKET) too"}},
		{"[cache.redis]\n", []string{"1:8: cache.redis: needs cache.redis.url (CACHEPOT_REDIS) too"}},
		{"[cache.azure]\n", []string{"1:8: cache.azure: needs cache.azure.connection_string (CACHEPOT_AZURE_CONNECTION_STRING) too"}},
		{"[dist.auth]\n", []string{"1:7: dist.auth: needs dist.auth.type too"}},
		{"[dist.auth]\ntype = \"token\"\n", []string{"1:7: dist.auth: of type token needs dist.auth.token too"}},
		{"[dist.auth]\ntype = \"mozilla\"\ntoken = \"t\"\n", []string{"3:9: dist.auth.token: goes with type token only"}},
		{"[[dist.toolchains]]\ntype = \"path_override\"\narchive = \"/a\"\n", []string{
			"1:8: dist.toolchains: needs dist.toolchains.compiler_executable too",
			"1:8: dist.toolchains: needs dist.toolchains.archive_compiler_executable too",
		}},
	} {
		_, file, err := loadText(t, test.text)
		if err == nil {
			t.Errorf("%q: no error", test.text)
			continue
		}
		want := file + ":" + strings.Join(test.want, "\n"+file+":")
		if d := cmp.Diff(want, err.Error()); d != "" {
			t.Errorf("%q (-want +got):\n%s", test.text, d)
		}
		if e, ok := errors.AsType[*Error](err); !ok || e.File != file || e.Line == 0 {
			t.Errorf("%q: %#v is no *Error with a place", test.text, err)
		}
	}
}

func TestVariableErrors(t *testing.T) {
	for _, test := range []struct{ env, want string }{
		{"CACHEPOT_CACHE_SIZE=10X", `CACHEPOT_CACHE_SIZE: "10X" is no size; allowed: bytes, or a number with K, M, G or T`},
		{"CACHEPOT_CACHE_SIZE=-1", `CACHEPOT_CACHE_SIZE: "-1" is negative; allowed: bytes, or a number with K, M, G or T`},
		{"CACHEPOT_IDLE_TIMEOUT=-1", `CACHEPOT_IDLE_TIMEOUT: "-1" is out of range; allowed: whole seconds, 0 to 2147483647`},
		{"CACHEPOT_IDLE_TIMEOUT=1m", `CACHEPOT_IDLE_TIMEOUT: "1m" is no whole number; allowed: whole seconds, 0 to 2147483647`},
		{"CACHEPOT_COORDINATOR_PORT=0", `CACHEPOT_COORDINATOR_PORT: "0" is no port; allowed: 1 to 65535`},
		{"CACHEPOT_COORDINATOR_PORT=65536", `CACHEPOT_COORDINATOR_PORT: "65536" is no port; allowed: 1 to 65535`},
		{"CACHEPOT_MAX_FRAME_LENGTH=1K", `CACHEPOT_MAX_FRAME_LENGTH: "1K" is out of range; allowed: bytes, or a number with K, M, G or T, 64K to 1G`},
		{"CACHEPOT_MAX_FRAME_LENGTH=2G", `CACHEPOT_MAX_FRAME_LENGTH: "2G" is out of range; allowed: bytes, or a number with K, M, G or T, 64K to 1G`},
		{"CACHEPOT_NO_DAEMON=2", `CACHEPOT_NO_DAEMON: "2" is no boolean; allowed: true, false, 1, 0, yes, no, on, off`},
		{"CACHEPOT_GCS_RW_MODE=rw", "CACHEPOT_GCS_RW_MODE: \"rw\" is unknown; allowed: READ_ONLY, READ_WRITE\n" +
			"CACHEPOT_GCS_RW_MODE: needs cache.gcs.bucket (CACHEPOT_GCS_BUCKET) too"},
		{"CACHEPOT_REGION=r", "CACHEPOT_REGION: needs cache.s3.bucket (CACHEPOT_BUCKET) too"},
		{"CACHEPOT_REDIS=hunter2", "CACHEPOT_REDIS: has another scheme; allowed: an address with scheme redis, rediss, unix"},
		{"CACHEPOT_REDIS=redis://u:hunter2@h:port", "CACHEPOT_REDIS: is no address; allowed: an address with scheme redis, rediss, unix"},
		{"CACHEPOT_REDIS=redis:", "CACHEPOT_REDIS: names no server; allowed: an address with scheme redis, rediss, unix"},
		{"CACHEPOT_CONF=/no/such/file", "/no/such/file: cannot be read: no such file or directory"},
		{"CACHEPOT_CONF=no", "/work dir/no: cannot be read: no such file or directory"},
		{"CACHEPOT_CONF=/dev/zero", "/dev/zero: is longer than 65536 bytes"},
		{"CACHEPOT_CONF=/", "/: cannot be read: is a directory"},
	} {
		_, err := Load([]string{test.env}, testHost("linux"))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", test.env, err, test.want)
		}
	}
}

// TestErrorsHoldNoSecret: wrong as it may be, a secret is not repeated.
func TestErrorsHoldNoSecret(t *testing.T) {
	for _, text := range []string{
		"[dist.auth]\ntype = \"token\"\ntoken = hunter2\n",
		"[dist.auth]\ntype = \"token\"\ntoken = \"hunter2\n",
		"[dist.auth]\ntype = \"token\"\ntoken = [\"hunter2\"]\n",
		"[dist.auth]\ntype = \"token\"\ntoken = {hunter2 = 1}\n",
		"[cache.redis]\nurl = \"hunter2\"\n",
		"[cache.redis]\nurl = \"redis://u:hunter2@h:port\"\n",
		"[cache.redis]\nurl = \"http://u:hunter2@h\"\n",
		"[dist]\nscheduler_url = \"https://u:hunter2@h\"\n",
		"[dist]\nscheduler_url = \"u:hunter2@h\"\n",
		"[dist]\nscheduler_url = \"ftp://h/?token=hunter2\"\n",
		"[dist]\nscheduler_url = \"https://u:hunter2@h:port\"\n",
	} {
		_, _, err := loadText(t, text)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestManyErrors: a file of nothing but errors is told of in a screenful, and
// in bounded time.
func TestManyErrors(t *testing.T) {
	var text strings.Builder
	for i := range 6_000 {
		fmt.Fprintf(&text, "x%d = 1\n", i)
	}
	start := time.Now()
	_, file, err := loadText(t, text.String())
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "and 5980 more errors" || !strings.HasPrefix(lines[19], file+":20:1: x19: ") {
		t.Errorf("%d lines, last %q", len(lines), lines[len(lines)-1])
	}
	if d := time.Since(start); d > 20*time.Second { // 0.1 s, and many times that under the race detector
		t.Errorf("took %v", d)
	}
}

func TestErrorIsPrintable(t *testing.T) {
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{File: "/a b", Line: 3, Col: 4, Key: "k", Text: `"x" is wrong`}, `/a b:3:4: k: "x" is wrong`},
		{Error{File: "/a\n", Key: "k\x1b", Text: "t\u202e"}, `/a\n: k\x1b: t\u202e`},
		{Error{Key: `a\"`, Text: "größe"}, `a\": größe`},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestUnreadableDefaultFile(t *testing.T) {
	host := testHost("linux")
	dir := t.TempDir()
	file := filepath.Join(dir, "cachepot", "config")
	if err := os.MkdirAll(file, 0o700); err != nil { // a directory in the file's place
		t.Fatal(err)
	}
	_, err := Load([]string{"XDG_CONFIG_HOME=" + dir}, host)
	if err == nil || err.Error() != file+": cannot be read: is a directory" {
		t.Errorf("directory: %v", err)
	}
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load([]string{"XDG_CONFIG_HOME=" + plain}, host); err != nil {
		t.Errorf("below a file: %v", err)
	}
}

// FuzzFile: no text makes the loader panic; what is wrong is printable; and what
// is accepted, written out again, is accepted as the same configuration.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		bookAll, bookMinimal, bookMozilla, bookToolchainUnix,
		"cache.disk = { size = 0x10 }\n", "dist.toolchains = [{}, 1]\n", "[[dist]]\n", "rust.environment = { removed = [\"A*\"], keyed = [\"B\"] }\n", "\"\\u0000\" = 1\n",
	} {
		f.Add(text)
	}
	host := testHost("linux")
	p, err := host.places(nil)
	if err != nil {
		f.Fatal(err)
	}
	load := func(text string) (*Config, error) {
		l := newLoader(host, newSchema(Settings()))
		readDocument(l, "config", []byte(text))
		l.complete(p, nil)
		return l.result()
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x00\x1b\r") {
				t.Errorf("raw control character in %q", err)
			}
			return
		}
		again, err := load(written(c))
		if err != nil {
			t.Fatalf("%v in\n%s", err, written(c))
		}
		if d := cmp.Diff(c, again, ignored); d != "" {
			t.Errorf("(-first +second):\n%s", d)
		}
	})
}

// written returns a file that says all that c says.
func written(c *Config) string {
	var b strings.Builder
	t := target{config: c}
	line := func(key string, v any) { b.WriteString(key + " = " + literal(v) + "\n") }
	b.WriteString("[rust.environment]\n")
	for _, s := range variableSettings() {
		if list := s.field(t).(*[]string); *list != nil {
			line(strings.TrimPrefix(s.Key, "rust.environment."), list)
		}
	}
	b.WriteString("[cache]\n")
	sections := map[string]bool{
		"cache.disk": true, "cache.s3": c.S3 != nil, "cache.redis": c.Redis != nil, "cache.memcached": c.Memcached != nil,
		"cache.gcs": c.GCS != nil, "cache.azure": c.Azure != nil,
		"dist": c.Dist != nil, "dist.auth": c.Dist != nil && c.Dist.Auth != nil,
	}
	for _, s := range Settings() {
		if sections[s.section()] && strings.HasPrefix(s.section(), "cache") {
			line(strings.TrimPrefix(s.Key, "cache."), s.field(t))
		}
	}
	if c.Dist == nil {
		return withoutEmpty(b.String())
	}
	b.WriteString("[dist]\n")
	for _, s := range Settings() {
		if sections[s.section()] && strings.HasPrefix(s.section(), "dist") {
			line(strings.TrimPrefix(s.Key, "dist."), s.field(t))
		}
	}
	for _, tc := range c.Dist.Toolchains {
		b.WriteString("[[dist.toolchains]]\n")
		line("type", &tc.Type)
		line("compiler_executable", &tc.CompilerExecutable)
		line("archive", &tc.Archive)
		line("archive_compiler_executable", &tc.ArchiveCompilerExecutable)
	}
	return withoutEmpty(b.String())
}

// withoutEmpty drops the lines of texts that are not set.
func withoutEmpty(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if !strings.HasSuffix(line, " = \"\"\n") {
			b.WriteString(line)
		}
	}
	return b.String()
}
