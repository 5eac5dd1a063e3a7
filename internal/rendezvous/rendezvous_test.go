package rendezvous_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/rendezvous"
)

func TestPort(t *testing.T) {
	for _, test := range []struct {
		in, want string
		ok       bool
	}{
		{"", "4226", true},
		{"1", "1", true},
		{"4226", "4226", true},
		{"65535", "65535", true},
		{"0", "", false},
		{"65536", "", false},
		{"04226", "", false},
		{"+4226", "", false},
		{"-1", "", false},
		{" 4226", "", false},
		{"4226\n", "", false},
		{"0x10", "", false},
		{"4_226", "", false},
		{"../../x", "", false},
		{"99999999999999999999", "", false},
	} {
		got, ok := rendezvous.Port(test.in)
		if got != test.want || ok != test.ok {
			t.Errorf("Port(%q) = %q, %v, want %q, %v", test.in, got, ok, test.want, test.ok)
		}
	}
}

func TestDir(t *testing.T) {
	uid := os.Getuid()
	short, err := os.MkdirTemp("/tmp", "rdv") // t.TempDir is often too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	mkdir := func(name string, mode os.FileMode) string {
		dir := filepath.Join(short, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	private := mkdir("private", 0o700)
	link := filepath.Join(short, "link")
	if err := os.Symlink(private, link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(short, "file")
	if err := os.WriteFile(file, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	const fallback = "/tmp/cachepot-"
	for _, test := range []struct {
		name, xdg string
		uid       int
		want      string
	}{
		{"private", private, uid, private + "/cachepot"},
		{"unset", "", uid, fallback},
		{"readable by the group", mkdir("group", 0o750), uid, fallback},
		{"sticky", mkdir("sticky", 0o700|os.ModeSticky), uid, fallback},
		{"of another user", private, uid + 1, fallback},
		{"symbolic link", link, uid, fallback},
		{"file", file, uid, fallback},
		{"missing", filepath.Join(short, "missing"), uid, fallback},
		{"relative", "relative", uid, fallback},
		{"too long", mkdir(strings.Repeat("l", 90), 0o700), uid, fallback},
	} {
		t.Run(test.name, func(t *testing.T) {
			getenv := func(name string) string {
				if name != "XDG_RUNTIME_DIR" {
					t.Errorf("looked at %s", name)
				}
				return test.xdg
			}
			got := rendezvous.Dir(getenv, test.uid)
			if got != test.want && (test.want != fallback || !strings.HasPrefix(got, fallback)) {
				t.Errorf("Dir = %q, want %q", got, test.want)
			}
		})
	}
}

// TestLongestSocketBinds: the longest directory that Dir accepts still leaves
// room for the longest name.
func TestLongestSocketBinds(t *testing.T) {
	base, err := os.MkdirTemp("/tmp", "rdv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	room := 103 - len("/cachepot/65535.sock") - len(base) - 1
	long := filepath.Join(base, strings.Repeat("l", room))
	if err := os.MkdirAll(long+"/cachepot", 0o700); err != nil {
		t.Fatal(err)
	}
	dir := rendezvous.Dir(func(string) string { return long }, os.Getuid())
	if dir != long+"/cachepot" {
		t.Fatalf("Dir = %q, want the one in %q", dir, long)
	}
	l, err := net.Listen("unix", rendezvous.Socket(dir, "65535"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, port := range []string{"1", "11", "4226"} {
		for _, name := range []string{
			rendezvous.Socket("/d", port), rendezvous.StartLock("/d", port), rendezvous.RunLock("/d", port),
		} {
			if seen[name] || filepath.Dir(name) != "/d" {
				t.Errorf("%q is taken or outside /d", name)
			}
			seen[name] = true
		}
	}
}
