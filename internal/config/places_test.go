package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlaces(t *testing.T) {
	for _, test := range []struct {
		name, goos string
		env        []string
		want       places
	}{
		{"linux", "linux", nil, places{
			"/home/u/.config/cachepot/config", "/home/u/.cache/cachepot",
			"/home/u/.cache/cachepot-dist-client", "/home/u/.local/state/cachepot",
		}},
		{"HOME", "linux", []string{"HOME=/h/"}, places{
			"/h/.config/cachepot/config", "/h/.cache/cachepot", "/h/.cache/cachepot-dist-client", "/h/.local/state/cachepot",
		}},
		{"root", "linux", []string{"HOME=/"}, places{
			"/.config/cachepot/config", "/.cache/cachepot", "/.cache/cachepot-dist-client", "/.local/state/cachepot",
		}},
		{"XDG", "freebsd", []string{"XDG_CONFIG_HOME=/c", "XDG_CACHE_HOME=/k", "XDG_STATE_HOME=/s/"}, places{
			"/c/cachepot/config", "/k/cachepot", "/k/cachepot-dist-client", "/s/cachepot",
		}},
		{"relative ones are ignored", "linux", []string{"HOME=h", "XDG_CONFIG_HOME=c"}, places{
			"/home/u/.config/cachepot/config", "/home/u/.cache/cachepot",
			"/home/u/.cache/cachepot-dist-client", "/home/u/.local/state/cachepot",
		}},
		{"macOS", darwin, []string{"XDG_CONFIG_HOME=/c"}, places{
			"/Users/u/Library/Application Support/Parity.cachepot/config", "/Users/u/Library/Caches/Parity.cachepot",
			"/Users/u/Library/Caches/Parity.cachepot-dist-client",
			"/Users/u/Library/Application Support/Parity.cachepot/state",
		}},
		{"Windows", windows, nil, places{
			`C:\Users\u\AppData\Roaming\Parity\cachepot\config\config`, `C:\Users\u\AppData\Local\Parity\cachepot\cache`,
			`C:\Users\u\AppData\Local\Parity\cachepot\dist-client`, `C:\Users\u\AppData\Local\Parity\cachepot\state`,
		}},
		{"Windows roaming", windows, []string{`APPDATA=D:\R`, `LOCALAPPDATA=\\server\L`}, places{
			`D:\R\Parity\cachepot\config\config`, `\\server\L\Parity\cachepot\cache`,
			`\\server\L\Parity\cachepot\dist-client`, `\\server\L\Parity\cachepot\state`,
		}},
	} {
		got, err := testHost(test.goos).places(test.env)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if d := cmp.Diff(test.want, got, cmp.AllowUnexported(places{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
}

func TestWithoutHome(t *testing.T) {
	host := testHost("linux")
	host.Home = func() (string, error) { return "", errors.New("no such user") }
	const why = "HOME is not set and no home directory is known: no such user"
	_, err := Load(nil, host)
	want := "cache.disk.dir: has no default: " + why + "\nno place for statistics: " + why
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	c, err := Load([]string{"CACHEPOT_DIR=/d", "XDG_STATE_HOME=/s"}, host)
	if err != nil {
		t.Fatal(err)
	}
	if c.Disk.Dir != "/d" || c.StateDir != "/s/cachepot" || c.File != "" {
		t.Errorf("%+v", c)
	}
	host.Home = func() (string, error) { return "relative", nil }
	if _, err := Load(nil, host); err == nil || !strings.Contains(err.Error(), `"relative" is not absolute`) {
		t.Errorf("relative home: %v", err)
	}
}

func TestRelativeWithoutDir(t *testing.T) {
	host := testHost("linux")
	host.Dir = ""
	_, err := Load([]string{"CACHEPOT_DIR=d"}, host)
	if err == nil || err.Error() != `CACHEPOT_DIR: "d" is relative; allowed: a path` {
		t.Errorf("got %v", err)
	}
}

func TestIsAbs(t *testing.T) {
	for _, test := range []struct {
		goos, path string
		want       bool
	}{
		{"linux", "/", true}, {"linux", "a/b", false}, {"linux", `C:\a`, false}, {"linux", "", false},
		{windows, `C:\a`, true}, {windows, "c:/a", true}, {windows, `\\s\a`, true},
		{windows, "/a", false}, {windows, "C:a", false}, {windows, "1:/a", false}, {windows, "C:", false},
	} {
		if got := (Host{GOOS: test.goos}).isAbs(test.path); got != test.want {
			t.Errorf("%s: isAbs(%q) = %v", test.goos, test.path, got)
		}
	}
}

func TestNoRuntimeDirOnWindows(t *testing.T) {
	c, err := Load(nil, testHost(windows))
	if err != nil {
		t.Fatal(err)
	}
	if c.RuntimeDir != "" || c.CachedConf != `C:\Users\u\AppData\Local\Parity\cachepot\state\cached-config` {
		t.Errorf("%+v", c)
	}
}
