package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// products are the files of a tree that compilers make, by path in the tree.
type products map[string]product

type product struct {
	sum  string // SHA-256
	made bool   // by the build itself; else it lay there already
}

// built is what one build took and made.
type built struct {
	took time.Duration
	cpu  float64 // seconds of all processors, daemons included
	made products
}

// buildOnce cleans and configures the tree, then builds it; only the build itself is
// measured.
func buildOnce(ctx context.Context, b *bench, p project, tree string, in *instance, label string) (built, error) {
	log := buildLog(b, p, in, label)
	for _, s := range p.before(in.wrapper) {
		if err := runLogged(ctx, filepath.Join(tree, s.dir), in.env, log+"-before", in.host.In(s.argv...)...); err != nil {
			return built{}, err
		}
	}
	if err := in.resetStats(ctx); err != nil {
		return built{}, err
	}
	busy := busySeconds()
	start := time.Now()
	for _, s := range p.build(p, in.wrapper, b.jobs) {
		if err := runLogged(ctx, filepath.Join(tree, s.dir), in.env, log, in.host.In(s.argv...)...); err != nil {
			return built{}, err
		}
	}
	took := time.Since(start)
	awaitQuiet() // a cache may go on storing
	cpu := busySeconds() - busy
	// The clock that stamps files may be a tick behind.
	made, err := collect(tree, start.Add(-10*time.Millisecond))
	return built{took, cpu, made}, err
}

// buildLog is the file of what a build prints.
func buildLog(b *bench, p project, in *instance, label string) string {
	return filepath.Join(b.work, "log", p.title()+"-"+in.name+"-"+label)
}

// collect finds what compilers, archivers and linkers made: ELF files, archives,
// Rust metadata and dependency files. What is older than since was not made by the
// build.
func collect(tree string, since time.Time) (products, error) {
	made := products{}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		is, err := isProduct(path)
		if err != nil || !is {
			return err
		}
		rel, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum, err := fileSum(path)
		made[rel] = product{sum, !info.ModTime().Before(since)}
		return err
	})
	if err == nil && len(made) == 0 {
		err = fmt.Errorf("%s: the build made nothing", tree)
	}
	return made, err
}

func isProduct(path string) (bool, error) {
	switch filepath.Ext(path) {
	case ".d", ".rmeta":
		return true, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 8)
	n, err := io.ReadFull(f, head)
	if err != nil && n == 0 || n < 4 {
		return false, nil // too short for either magic
	}
	return bytes.HasPrefix(head, []byte("\x7fELF")) || bytes.HasPrefix(head, []byte("!<arch>")), nil
}

// differences lists the files that are not the same in both, apart from those in
// except and those that neither build made: CMake leaves objects of its experiments,
// which differ each time it configures.
func differences(a, b products, except map[string]bool) []string {
	var names []string
	for name, p := range a {
		if q := b[name]; q.sum != p.sum && (p.made || q.made) {
			names = append(names, name)
		}
	}
	for name, q := range b {
		if _, ok := a[name]; !ok && q.made {
			names = append(names, name)
		}
	}
	kept := names[:0]
	for _, name := range names {
		if !except[name] {
			kept = append(kept, name)
		}
	}
	sort.Strings(kept)
	return kept
}
