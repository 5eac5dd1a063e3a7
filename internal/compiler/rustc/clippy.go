package rustc

import (
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// clippyInputs claims what clippy-driver looks at besides: its configuration,
// searched upwards, and the manifest in the working directory.
func clippyInputs(call *compiler.Call, set *action.PathSet) {
	conf, ok := call.Env.Lookup("CLIPPY_CONF_DIR")
	if !ok {
		conf, ok = call.Env.Lookup("CARGO_MANIFEST_DIR")
	}
	if !ok {
		conf = "."
	}
	conf = under(call.Dir, conf)
	set.Paths = append(set.Paths, under(call.Dir, "Cargo.toml"), conf)
	if real, err := filepath.EvalSymlinks(conf); err == nil {
		conf = real // clippy resolves links before it climbs
	}
	climb(set, filepath.Clean(conf), "clippy.toml", ".clippy.toml")
}

// cargoLint reports whether name, less the "clippy::" before it, is a lint or a
// group of lints that makes clippy-driver run "cargo metadata", which looks at
// the whole workspace.
func cargoLint(name string) bool {
	switch name {
	case "cargo", "cargo_common_metadata", "multiple_crate_versions", "negative_feature_names",
		"redundant_feature_names", "wildcard_dependencies":
		return true
	}
	return false
}

// checkClippy refuses calls that may have run "cargo metadata".
func checkClippy(call *compiler.Call, c *command, seen *scan) error {
	lints := append([]string{}, c.lints...)
	for _, a := range strings.Split(call.Env.Get("CLIPPY_ARGS"), "__CLIPPY_HACKERY__") {
		lints = append(lints, strings.TrimLeft(a, "-AWDF "))
		_, v, _ := strings.Cut(a, "=")
		lints = append(lints, v)
	}
	for _, l := range lints {
		if cargoLint(strings.ReplaceAll(strings.TrimPrefix(l, "clippy::"), "-", "_")) {
			return compiler.NotCacheable("clippy cargo lints")
		}
	}
	if seen.cargoLints {
		return compiler.NotCacheable("clippy cargo lints")
	}
	return nil
}
