package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// source is a line of sources.txt.
type source struct {
	kind    string // "deb" or "crate"
	name    string // of the Debian source package or the crate
	version string // of a crate; of a Debian source the name of the upstream archive
	sum     string // SHA-256 of the archive, hexadecimal
}

func (s source) archive() string {
	if s.kind == "crate" {
		return s.name + "-" + s.version + ".crate"
	}
	return s.version
}

func readSources(path string) (map[string]source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sources := map[string]source{}
	for i, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != 4 || f[0] != "deb" && f[0] != "crate" || len(f[3]) != 2*sha256.Size {
			return nil, fmt.Errorf("%s:%d: want KIND NAME VERSION SHA256", path, i+1)
		}
		sources[f[1]] = source{f[0], f[1], f[2], f[3]}
	}
	return sources, nil
}

func fetchAll(ctx context.Context, b *bench) error {
	for _, p := range b.projects {
		if err := fetch(ctx, b, p); err != nil {
			return err
		}
	}
	return nil
}

// fetch puts the project's archive into the download directory, unless a good
// copy lies there already.
func fetch(ctx context.Context, b *bench, p project) error {
	if p.source == "" {
		return nil
	}
	sources, err := readSources(filepath.Join(b.root, "test", "bench", "sources.txt"))
	if err != nil {
		return err
	}
	s, ok := sources[p.source]
	if !ok {
		return fmt.Errorf("sources.txt has no %s", p.source)
	}
	path := filepath.Join(b.downloads(), s.archive())
	if verify(path, s.sum) == nil {
		return nil
	}
	fmt.Printf("fetching %s\n", s.archive())
	if err := os.MkdirAll(b.downloads(), 0o755); err != nil {
		return err
	}
	if s.kind == "deb" {
		err = fetchDebian(ctx, b, s)
	} else {
		err = fetchCrate(ctx, b, s)
	}
	if err != nil {
		return fmt.Errorf("fetch %s: %w", s.name, err)
	}
	return verify(path, s.sum)
}

func (b *bench) downloads() string { return filepath.Join(b.work, "download") }

func verify(path, sum string) error {
	have, err := fileSum(path)
	if err != nil {
		return err
	}
	if have != sum {
		return fmt.Errorf("%s has SHA-256 %s, sources.txt wants %s", path, have, sum)
	}
	return nil
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fetchDebian runs apt-get with a private list of sources, made from the binary
// repositories that the machine is set up for, so that /etc/apt stays as it is
// even where it names no sources. Only the release itself is asked: the lists of
// its update suites may name archives that a mirror has dropped already.
func fetchDebian(ctx context.Context, b *bench, s source) error {
	apt := filepath.Join(b.work, "apt")
	for _, dir := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, dir), 0o755); err != nil {
			return err
		}
	}
	targets, err := output(ctx, apt, b.env, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages")
	if err != nil {
		return err
	}
	list := filepath.Join(apt, "sources.list")
	if err := os.WriteFile(list, []byte(sourceList(string(targets))), 0o644); err != nil {
		return err
	}
	options := []string{
		"-q", "-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(apt, "lists"), "-o", "Dir::Cache=" + apt, "-o", "APT::Sandbox::User=",
	}
	log := filepath.Join(b.work, "log", "fetch-"+s.name)
	update := append([]string{"apt-get", "update"}, options...)
	if err := runLogged(ctx, apt, b.env, log, update...); err != nil {
		return err
	}
	get := append([]string{"apt-get", "source", "--download-only", "--only-source"}, options...)
	return runLogged(ctx, b.downloads(), b.env, log, append(get, s.name)...)
}

// sourceList turns lines "URI RELEASE COMPONENT" of binary repositories into a
// list of source repositories.
func sourceList(targets string) string {
	lines := map[string]bool{}
	for line := range strings.Lines(targets) {
		f := strings.Fields(line)
		if len(f) == 3 && !strings.Contains(f[1], "-") {
			lines["deb-src "+strings.Join(f, " ")+"\n"] = true
		}
	}
	var sorted []string
	for line := range lines {
		sorted = append(sorted, line)
	}
	sort.Strings(sorted)
	return strings.Join(sorted, "")
}

// fetchCrate lets cargo download a crate, as a dependency of an empty package,
// and takes the archive from cargo's own store.
func fetchCrate(ctx context.Context, b *bench, s source) error {
	dir := filepath.Join(b.work, "crate-"+s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	manifest := fmt.Sprintf("[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[lib]\npath = \"lib.rs\"\n\n"+
		"[dependencies]\n%s = \"=%s\"\n\n[workspace]\n", s.name, s.version)
	for name, text := range map[string]string{"Cargo.toml": manifest, "lib.rs": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := runLogged(ctx, dir, b.env, filepath.Join(b.work, "log", "fetch-"+s.name), "cargo", "fetch"); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(cargoHome(b.env), "registry", "cache", "*", s.archive()))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("cargo did not store %s", s.archive())
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.downloads(), s.archive()), data, 0o644)
}

func cargoHome(env []string) string {
	if home := lookup(env, "CARGO_HOME"); home != "" {
		return home
	}
	return filepath.Join(lookup(env, "HOME"), ".cargo")
}

func lookup(env []string, name string) string {
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}
