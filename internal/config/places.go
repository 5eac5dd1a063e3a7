package config

import (
	"fmt"
	"strings"
)

// Host is what a process knows of itself besides its environment.
type Host struct {
	GOOS string // as runtime.GOOS
	UID  int    // unused on Windows
	// Dir is the working directory, absolute: variables that hold a relative path
	// are taken from there. Without it they are wrong.
	Dir string
	// Home returns the user's home directory by other means than the environment.
	// It is asked only where HOME (on Windows USERPROFILE) names none.
	Home func() (string, error)
}

// windows, darwin: the systems whose usual places differ from all others'.
const (
	windows = "windows"
	darwin  = "darwin"
)

// places are where files are kept unless the user says otherwise. All are
// absolute, or empty where no home directory is known.
type places struct {
	config, cache, distCache, state string
}

// lookup returns the value of the first variable called name, or "".
func lookup(env []string, name string) string {
	for _, kv := range env {
		if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
			return kv[len(name)+1:]
		}
	}
	return ""
}

// places finds the usual places. The error says why there is no home directory;
// it matters only to who needs a place that is empty.
func (h Host) places(env []string) (places, error) {
	home, err := h.home(env)
	// under is dir, or a place below home where dir is not absolute: the XDG
	// specification wants relative ones ignored.
	under := func(dir, below string) string {
		if h.isAbs(dir) {
			return dir
		}
		return join(home, below)
	}
	switch h.GOOS {
	case windows:
		roaming := under(lookup(env, "APPDATA"), `\AppData\Roaming`)
		local := under(lookup(env, "LOCALAPPDATA"), `\AppData\Local`)
		return places{
			config:    join(roaming, `\Parity\cachepot\config\config`),
			cache:     join(local, `\Parity\cachepot\cache`),
			distCache: join(local, `\Parity\cachepot\dist-client`),
			state:     join(local, `\Parity\cachepot\state`),
		}, err
	case darwin:
		return places{
			config:    join(home, "/Library/Application Support/Parity.cachepot/config"),
			cache:     join(home, "/Library/Caches/Parity.cachepot"),
			distCache: join(home, "/Library/Caches/Parity.cachepot-dist-client"),
			state:     join(home, "/Library/Application Support/Parity.cachepot/state"),
		}, err
	}
	caches := under(lookup(env, "XDG_CACHE_HOME"), "/.cache")
	return places{
		config:    join(under(lookup(env, "XDG_CONFIG_HOME"), "/.config"), "/cachepot/config"),
		cache:     join(caches, "/cachepot"),
		distCache: join(caches, "/cachepot-dist-client"),
		state:     join(under(lookup(env, "XDG_STATE_HOME"), "/.local/state"), "/cachepot"),
	}, err
}

// configFile returns the path of the configuration file, "" where there is no
// place for one, and whether CACHEPOT_CONF names it.
func (h Host) configFile(env []string, p places) (path string, named bool, problem string) {
	text := lookup(env, confVariable)
	if text == "" {
		return p.config, false, ""
	}
	path, problem = h.resolve(value{text: text, form: formVariable, host: h})
	return path, true, problem
}

func (h Host) home(env []string) (string, error) {
	name := "HOME"
	if h.GOOS == windows {
		name = "USERPROFILE"
	}
	if home := lookup(env, name); h.isAbs(home) {
		return home, nil
	}
	home, err := h.Home()
	if err != nil {
		return "", fmt.Errorf("%s is not set and no home directory is known: %w", name, err)
	}
	if !h.isAbs(home) {
		return "", fmt.Errorf("%s is not set and the home directory %q is not absolute", name, home)
	}
	return home, nil
}

// join appends below, which begins with a separator, to dir; nothing is below "".
func join(dir, below string) string {
	if dir == "" {
		return ""
	}
	return strings.TrimRight(dir, below[:1]) + below
}

// resolve returns the absolute path that v spells. Only variables may spell
// relative ones; the file is read by processes that stand anywhere. Nothing is
// cleaned: ".." after a symbolic link means what the system says it means.
func (h Host) resolve(v value) (path, problem string) {
	switch {
	case strings.ContainsRune(v.text, 0):
		return "", shown(v.text) + " holds a zero byte"
	case h.isAbs(v.text):
		return v.text, ""
	case v.form != formVariable || h.Dir == "":
		return "", shown(v.text) + " is relative"
	}
	separator := "/"
	if h.GOOS == windows {
		separator = `\`
	}
	return join(h.Dir, separator+v.text), ""
}

func (h Host) isAbs(p string) bool {
	if h.GOOS != windows {
		return strings.HasPrefix(p, "/")
	}
	if strings.HasPrefix(p, `\\`) {
		return true
	}
	return len(p) > 2 && p[1] == ':' && (p[2] == '\\' || p[2] == '/') && 'a' <= p[0]|0x20 && p[0]|0x20 <= 'z'
}
