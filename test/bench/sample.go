package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// sampled is a project built twice through cachepot.
type sampled struct {
	Project string   `json:"project"`
	Bare    float64  `json:"bare_seconds,omitempty"` // absent unless asked for
	First   float64  `json:"first_seconds"`
	Second  float64  `json:"second_seconds"`
	Filled  counts   `json:"first_counts"`
	Again   counts   `json:"second_counts"`
	Differ  []string `json:"differing_products,omitempty"`
	Files   int      `json:"products"`
}

// sample builds each project twice, the second time after a clean, with one
// private cache and coordinator for all, and says what the cache saved. It fails
// where the second build was not all hits or where the builds gave different bytes.
func sample(ctx context.Context, b *bench) (err error) {
	s, err := cachepotSystem(ctx, b)
	if err != nil {
		return err
	}
	if b.bare || b.exact {
		s = s.with("CACHEPOT_PATHS_MODE=exact") // else directories have other names
	}
	in, err := launch(ctx, b, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	var results []sampled
	for _, p := range b.projects {
		r, err := sampleProject(ctx, b, p, in)
		if err != nil {
			return fmt.Errorf("%s: %w", p.title(), err)
		}
		results = append(results, r)
	}
	printSamples(results)
	if err := b.writeJSON("sample", nil, results); err != nil {
		return err
	}
	if err := judgeSamples(results); err != nil || !b.verify {
		return err
	}
	return in.audit(ctx)
}

// audit has cachepot run all compiles in its cache again, in an empty root and
// under watch. It fails unless every entry passes.
func (in *instance) audit(ctx context.Context) error {
	fmt.Println("\nauditing every entry: hermetic replay, then a watched run")
	out, err := output(ctx, in.dir, in.env, in.wrapper, "verify")
	fmt.Print(string(out))
	if err != nil {
		return err
	}
	passed, gone, err := parseAudit(out)
	if err == nil && (gone > 0 || passed == 0) {
		err = fmt.Errorf("audit: %d entries passed, %d could not be audited", passed, gone)
	}
	return err
}

// parseAudit reads the summary that "cachepot verify" ends with.
func parseAudit(out []byte) (passed, gone int, err error) {
	found := 0
	for line := range strings.Lines(string(out)) {
		for name, to := range map[string]*int{"Entries passed": &passed, "Inputs gone": &gone} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				found++
				if *to, err = strconv.Atoi(strings.TrimSpace(rest)); err != nil {
					return 0, 0, fmt.Errorf("read %q: %w", line, err)
				}
			}
		}
	}
	if found != 2 {
		return 0, 0, fmt.Errorf("audit printed no summary: %q", out)
	}
	return passed, gone, nil
}

func sampleProject(ctx context.Context, b *bench, p project, in *instance) (sampled, error) {
	r := sampled{Project: p.title()}
	if err := fetch(ctx, b, p); err != nil {
		return r, err
	}
	tree := b.tree(p)
	if err := unpack(ctx, b, p, tree); err != nil {
		return r, err
	}
	reference, err := r.buildBare(ctx, b, p, tree)
	if err != nil {
		return r, err
	}
	fmt.Printf("building %s (%s) twice\n", p.title(), p.lang)
	first, err := buildOnce(ctx, b, p, tree, in, "first")
	if err != nil {
		return r, err
	}
	r.First, r.Files = seconds(first.took), len(first.made)
	if b.bare {
		r.Differ = differences(reference, first.made, nil)
	}
	if r.Filled, err = in.counts(ctx); err != nil {
		return r, err
	}
	second, err := buildOnce(ctx, b, p, tree, in, "second")
	if err != nil {
		return r, err
	}
	r.Second, r.Differ = seconds(second.took), append(r.Differ, differences(first.made, second.made, nil)...)
	if r.Again, err = in.counts(ctx); err == nil && r.Again.Misses > 0 {
		err = in.explain(ctx)
	}
	return r, err
}

// buildBare builds without cachepot, if that is asked for.
func (r *sampled) buildBare(ctx context.Context, b *bench, p project, tree string) (products, error) {
	if !b.bare {
		return nil, nil
	}
	fmt.Printf("building %s (%s) bare\n", p.title(), p.lang)
	bare, err := buildOnce(ctx, b, p, tree, &instance{system: system{name: "none"}, env: b.env}, "bare")
	r.Bare = seconds(bare.took)
	return bare.made, err
}

// explain prints what cachepot says of the last call that was no hit.
func (in *instance) explain(ctx context.Context) error {
	out, err := output(ctx, in.dir, in.env, in.wrapper, "explain")
	fmt.Print(string(out))
	return err
}

func printSamples(results []sampled) {
	fmt.Println()
	rows := [][]string{{"project", "calls", "cacheable", "hits", "misses", "refused", "failed", "bare", "1st build", "2nd build", "saved", "products"}}
	for _, r := range results {
		same := strconv.Itoa(r.Files) + " byte-identical"
		if len(r.Differ) > 0 {
			same = fmt.Sprintf("%d of %d DIFFER", len(r.Differ), r.Files)
		}
		bare := "-"
		if r.Bare > 0 {
			bare = fmt.Sprintf("%.1f s", r.Bare)
		}
		rows = append(rows, []string{
			r.Project, strconv.Itoa(r.Again.calls()), strconv.Itoa(r.Again.Hits + r.Again.Misses),
			strconv.Itoa(r.Again.Hits), strconv.Itoa(r.Again.Misses), strconv.Itoa(r.Again.Refused), strconv.Itoa(r.Again.Failed),
			bare, fmt.Sprintf("%.1f s", r.First), fmt.Sprintf("%.1f s", r.Second),
			fmt.Sprintf("%.1f s (%.0f %%)", r.First-r.Second, 100*(r.First-r.Second)/r.First), same,
		})
	}
	printTable(rows)
	fmt.Println("calls, hits and misses are those of the second build")
	for _, r := range results {
		printReasons(r.Project, "run as they are", r.Again.Reasons)
		printReasons(r.Project, "not stored in the first build", r.Filled.NotStored)
	}
}

func printReasons(project, what string, reasons map[string]int) {
	if len(reasons) == 0 {
		return
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		parts = append(parts, fmt.Sprintf("%d %s", reasons[reason], reason))
	}
	fmt.Printf("%s: %s: %s\n", project, what, strings.Join(parts, ", "))
}

func judgeSamples(results []sampled) error {
	var errs []error
	for _, r := range results {
		if len(r.Differ) > 0 {
			errs = append(errs, fmt.Errorf("%s: the second build made other bytes: %s", r.Project, strings.Join(r.Differ, ", ")))
		}
		if n := r.Again.Refused - r.Again.probes(); n > 0 {
			errs = append(errs, fmt.Errorf("%s: %d compiles of the second build were not cached", r.Project, n))
		}
		if r.Again.Hits == 0 || r.Again.Misses > 0 {
			errs = append(errs, fmt.Errorf("%s: the second build was not all hits: %d hits, %d misses", r.Project, r.Again.Hits, r.Again.Misses))
		}
	}
	return errors.Join(errs...)
}
