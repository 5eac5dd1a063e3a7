package config

import (
	"strings"
	"testing"
)

func TestRoots(t *testing.T) {
	c, _, err := loadText(t, "[paths]\nroots = [\"sdk=/opt/sdk\", \"a-1=/mnt/x+y\"]\n")
	wantConfig(t, c, err, func(c *Config) { c.Paths.Roots = []Root{{"sdk", "/opt/sdk"}, {"a-1", "/mnt/x+y"}} })
	c, _, err = loadText(t, "[paths]\nroots = [\"sdk=/opt/sdk\"]\n", "CACHEPOT_PATHS_ROOTS=sdk=/home/u/sdk:b=/b")
	wantConfig(t, c, err, func(c *Config) { c.Paths.Roots = []Root{{"sdk", "/home/u/sdk"}, {"b", "/b"}} })
	for _, bad := range []string{
		`"sdk"`, `"=/opt"`, `"s k=/opt"`, `"sdk=opt"`, `"sdk=/"`, `"sdk=/a b"`, `"sdk=/a:b"`, `"sdk=/ä"`, `"-x=/a"`, `"a/b=/a"`, `"..=/a"`, `"a=/a", "a=/b"`,
	} {
		if _, _, err := loadText(t, "[paths]\nroots = ["+bad+"]\n"); err == nil || !strings.Contains(err.Error(), "allowed: a list of") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, _, err := loadText(t, "[paths]\nroots = \"sdk=/opt/sdk\"\n"); err == nil {
		t.Error("a string was taken for a list")
	}
}
