package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// clustered is a project that one client of a cluster has built.
type clustered struct {
	Project string         `json:"project"`
	Client  int            `json:"client"`
	Bare    float64        `json:"bare_seconds"`
	Took    float64        `json:"seconds"`
	Counts  counts         `json:"counts"`
	Away    away           `json:"away"`
	Files   int            `json:"products"`
	AsBare  int            `json:"as_bare"`  // products that the bare compilers make there, too
	AsLocal int            `json:"as_local"` // of the others, those that cachepot makes there without a cluster and with an empty cache
	Random  int            `json:"random"`   // of the others, those that no two bare builds make alike
	Differ  []string       `json:"differing_products,omitempty"`
	Workers map[string]int `json:"by_worker"`
}

// clusterWorkers is how many workers the cluster has.
const clusterWorkers = 3

// buildOnCluster has two clients, one after the other, build each project with a scheduler and
// workers, all on hosts of their own, with empty caches and where nothing that can be compiled by a
// worker may be compiled here. It fails where something was, where a compile failed, or where
// products are not those of a build here.
func buildOnCluster(ctx context.Context, b *bench) (err error) {
	s, err := cachepotSystem(ctx, b)
	if err != nil {
		return err
	}
	if b.exact {
		s = s.with("CACHEPOT_PATHS_MODE=exact")
	}
	dir, err := os.MkdirTemp(b.work, "cluster-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // jobs are other users'
		return err
	}
	c, err := harness.StartCluster(b.cachepotDist(), harness.Book(filepath.Join(b.root, "docs", "book", "cluster.md")), dir, clusterWorkers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	conf, err := c.ClientConf()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "client.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return err
	}
	var hosts []*harness.Host
	for i := range 2 {
		h, err := c.Network.Host(21 + i)
		if err != nil {
			return err
		}
		hosts = append(hosts, h)
	}
	var results []*clustered
	var failed error // a build that fails says nothing of the others
	for _, p := range b.projects {
		if err := fetch(ctx, b, p); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		for i, h := range hosts {
			r, err := onCluster(ctx, b, p, s, h, i+1, file)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s, client %d: %w", p.title(), i+1, err))
				continue
			}
			results = append(results, r)
		}
	}
	printClustered(results)
	return errors.Join(failed, b.writeJSON("cluster", nil, results), judgeClustered(results))
}

// cachepotDist returns the path of the servers' program.
func (b *bench) cachepotDist() string {
	path := b.cachepot + "-dist"
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.root, path)
	}
	return path
}

// removeAll removes a directory, and in it what a job left without permissions.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// onCluster builds a project on a client's host, in a directory that is the client's.
func onCluster(ctx context.Context, b *bench, p project, s system, h *harness.Host, client int, conf string) (r *clustered, err error) {
	r = &clustered{Project: p.title(), Client: client}
	fmt.Printf("building %s (%s) as client %d\n", p.title(), p.lang, client)
	at, err := layPlace(ctx, b, p, "client"+strconv.Itoa(client))
	if err != nil {
		return r, err
	}
	none := &instance{system: system{name: "none"}, env: b.env}
	bare, err := at.build(ctx, b, p, none, "bare")
	if err != nil {
		return r, err
	}
	in, err := launchOn(ctx, b, s.with("CACHEPOT_CONF="+conf, "CACHEPOT_DIST_FALLBACK=fail"), h)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	one, failed := at.build(ctx, b, p, in, "cluster"+strconv.Itoa(client))
	if r.Counts, err = in.counts(ctx); err == nil {
		r.Away, err = in.away(ctx)
	}
	if err := errors.Join(failed, err); err != nil {
		return r, fmt.Errorf("%w\n%d compiled by workers, %d not: %v", err, sum(r.Away.Compiles), r.Away.Errors, r.Away.Failures)
	}
	r.Bare, r.Took, r.Files, r.Workers = seconds(bare.took), seconds(one.took), len(one.made), r.Away.Compiles
	return r, r.judgeProducts(ctx, b, p, s, at, bare.made, one.made)
}

// judgeProducts finds out what the products are like. It builds once more for each question that is
// left.
func (r *clustered) judgeProducts(ctx context.Context, b *bench, p project, s system, at *place, bare, made products) error {
	left := differences(bare, made, nil)
	r.AsBare = r.Files - len(left)
	if len(left) == 0 {
		return nil
	}
	there, err := at.buildFresh(ctx, b, p, s)
	if err != nil {
		return err
	}
	if left = rest(left, &r.AsLocal, there, made); len(left) == 0 {
		return nil
	}
	again, err := at.build(ctx, b, p, &instance{system: system{name: "none"}, env: b.env}, "bare")
	if err != nil {
		return err
	}
	random := differences(bare, again.made, nil)
	for _, name := range left {
		if slices.Contains(random, name) {
			r.Random++
		} else {
			r.Differ = append(r.Differ, name)
		}
	}
	return nil
}

// remote is how many misses workers compiled.
func (r *clustered) remote() int { return sum(r.Away.Compiles) }

// distributable is how many misses could have been compiled by workers: all but those for which
// the coordinator knows why not.
func (r *clustered) distributable() int { return r.Counts.Misses - sum(r.Away.Local) }

func printClustered(results []*clustered) {
	fmt.Println()
	rows := [][]string{{"project", "client", "calls", "hits", "distributable", "remote", "local", "not cacheable", "not remote", "bare", "cluster",
		"products", "as bare", "as local", "random", "DIFFER"}}
	for _, r := range results {
		rows = append(rows, []string{r.Project, strconv.Itoa(r.Client), strconv.Itoa(r.Counts.calls()), strconv.Itoa(r.Counts.Hits),
			strconv.Itoa(r.distributable()), strconv.Itoa(r.remote()), strconv.Itoa(sum(r.Away.Local)), strconv.Itoa(r.Counts.Refused), strconv.Itoa(r.Away.Errors),
			fmt.Sprintf("%.1f s", r.Bare), fmt.Sprintf("%.1f s", r.Took), strconv.Itoa(r.Files),
			strconv.Itoa(r.AsBare), strconv.Itoa(r.AsLocal), strconv.Itoa(r.Random), strconv.Itoa(len(r.Differ))})
	}
	printTable(rows)
	for _, r := range results {
		name := r.Project + ", client " + strconv.Itoa(r.Client)
		printReasons(name, "compiled here", r.Away.Local)
		printReasons(name, "run as they are", r.Counts.Reasons)
		printReasons(name, "not compiled by a worker", r.Away.Failures)
		printReasons(name, "by worker", r.Workers)
	}
}

func judgeClustered(results []*clustered) error {
	var errs []error
	for _, r := range results {
		fail := func(format string, a ...any) {
			errs = append(errs, fmt.Errorf("%s, client %d: "+format, append([]any{r.Project, r.Client}, a...)...))
		}
		if len(r.Differ) > 0 {
			fail("products are not what is made here: %s", strings.Join(r.Differ, ", "))
		}
		if n := r.distributable(); r.remote() != n || r.Away.Errors > 0 || n == 0 {
			fail("%d of %d compiles that workers could make were made by them; %v", r.remote(), n, r.Away.Failures)
		}
	}
	return errors.Join(errs...)
}

// away is what a coordinator says about misses where workers compile.
type away struct {
	Compiles map[string]int `json:"dist_compiles"` // by worker
	Local    map[string]int `json:"dist_local"`    // why some can only be compiled here
	Failures map[string]int `json:"dist_failures"` // why others were not compiled there
	Errors   int            `json:"dist_errors"`
}

// away asks the coordinator.
func (in *instance) away(ctx context.Context) (away, error) {
	var report struct {
		Stats away `json:"stats"`
	}
	out, err := in.statistics(ctx)
	if err == nil {
		err = json.Unmarshal(out, &report)
	}
	return report.Stats, err
}
