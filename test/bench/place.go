package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// place is a directory of its own with all of a project in it.
type place struct {
	dir  string
	tree string   // the project
	env  []string // what is said in this place only
}

// layPlace makes a checkout of the project in a place, with a CARGO_HOME beside it.
func layPlace(ctx context.Context, b *bench, p project, name string) (*place, error) {
	top := filepath.Join(b.work, "moved", p.title())
	pl := &place{dir: filepath.Join(top, name)}
	pl.tree = filepath.Join(pl.dir, p.name)
	if err := os.RemoveAll(pl.dir); err != nil {
		return nil, err
	}
	if p.lang == "Rust" && p.once != nil { // it has dependencies
		home := filepath.Join(pl.dir, "cargo")
		if err := copyRegistry(ctx, b, home); err != nil {
			return nil, err
		}
		pl.env = []string{"CARGO_HOME=" + home}
	}
	at := *b
	at.env = append(slices.Clone(b.env), pl.env...)
	if err := unpack(ctx, &at, p, pl.tree); err != nil {
		return nil, err
	}
	// All of it lies in a checkout of cachepot, and is to be in one of its own.
	log := filepath.Join(b.work, "log", p.name+"-checkout")
	for _, dir := range []string{pl.tree, lookup(pl.env, "CARGO_HOME")} {
		if dir == "" {
			continue
		}
		if err := runLogged(ctx, dir, b.env, log, "git", "init", "-q"); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// copyRegistry makes a CARGO_HOME with the archives that the user's has.
func copyRegistry(ctx context.Context, b *bench, home string) error {
	from := filepath.Join(cargoHome(b.env), "registry")
	if err := os.MkdirAll(filepath.Join(home, "registry"), 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"cache", "index"} {
		if _, err := os.Stat(filepath.Join(from, dir)); err != nil {
			continue // cargo makes it
		}
		if _, err := output(ctx, home, b.env, "cp", "-a", "--reflink=auto", filepath.Join(from, dir), filepath.Join(home, "registry")); err != nil {
			return fmt.Errorf("copy the registry: %w", err)
		}
	}
	return nil
}

// runTests runs the project's own tests, compiled as its build was.
func (pl *place) runTests(ctx context.Context, b *bench, p project, in *instance) error {
	if !b.tests {
		return nil
	}
	for _, s := range p.tests {
		env := append(slices.Clone(in.env), pl.env...)
		if err := runLogged(ctx, filepath.Join(pl.tree, s.dir), env, buildLog(b, p, in, "tests"), s.argv...); err != nil {
			return err
		}
	}
	return nil
}

// build builds the project in this place.
func (pl *place) build(ctx context.Context, b *bench, p project, in *instance, label string) (built, error) {
	here := *in
	here.env = append(slices.Clone(in.env), pl.env...)
	return buildOnce(ctx, b, p, pl.tree, &here, label)
}
