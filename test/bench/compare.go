package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// outcome is what one system did to one project in all rounds.
type outcome struct {
	Project   string    `json:"project"`
	System    string    `json:"system"`
	Cold      []float64 `json:"cold_seconds"` // of the bare system: its only build
	Warm      []float64 `json:"warm_seconds,omitempty"`
	CPU       []float64 `json:"cold_cpu_seconds"` // of the machine, until it was quiet again
	ColdStats counts    `json:"cold_counts"`      // of the last round
	WarmStats counts    `json:"warm_counts"`
	Differ    []string  `json:"differing_products,omitempty"` // from the bare build, in any round
	Products  int       `json:"products"`
	Load      []float64 `json:"load"` // of the machine, as each cold build began
}

// compare builds each project in rounds: bare, then cold and warm through each
// cache, so that what else the machine does meets all of them alike.
func compare(ctx context.Context, b *bench) error {
	all, absent, err := systems(ctx, b)
	if err != nil {
		return err
	}
	for _, name := range absent {
		fmt.Printf("%s: absent\n", name)
	}
	var results []*outcome
	for _, p := range b.projects {
		outcomes, err := compareProject(ctx, b, p, all)
		if err != nil {
			return fmt.Errorf("%s: %w", p.title(), err)
		}
		printComparison(p, outcomes, b.jobs)
		results = append(results, outcomes...)
		if err := b.writeJSON("compare", absent, results); err != nil {
			return err
		}
	}
	return nil
}

func compareProject(ctx context.Context, b *bench, p project, all []system) ([]*outcome, error) {
	if err := fetch(ctx, b, p); err != nil {
		return nil, err
	}
	tree := b.tree(p)
	if err := unpack(ctx, b, p, tree); err != nil {
		return nil, err
	}
	reference, unstable, err := referenceProducts(ctx, b, p, tree, all[0])
	if err != nil {
		return nil, err
	}
	if len(unstable) > 0 {
		fmt.Printf("%s: %d products differ between two bare builds and are not compared\n", p.title(), len(unstable))
	}
	var outcomes []*outcome
	for _, s := range all {
		if s.handles(p.lang) {
			outcomes = append(outcomes, &outcome{Project: p.title(), System: s.name, Products: len(reference)})
		}
	}
	for round := range b.rounds {
		i := 0
		for _, s := range all {
			if !s.handles(p.lang) {
				continue
			}
			if err := runRound(ctx, b, p, tree, s, outcomes[i], reference, unstable); err != nil {
				return nil, fmt.Errorf("round %d: %s: %w", round+1, s.name, err)
			}
			i++
		}
	}
	return outcomes, nil
}

// referenceProducts builds bare twice, untimed. It also warms the page cache for
// everybody, and tells which products no build makes the same way twice.
func referenceProducts(ctx context.Context, b *bench, p project, tree string, bare system) (products, map[string]bool, error) {
	in, err := launch(ctx, b, bare)
	if err != nil {
		return nil, nil, err
	}
	first, err := buildOnce(ctx, b, p, tree, in, "reference")
	if err != nil {
		return nil, nil, err
	}
	second, err := buildOnce(ctx, b, p, tree, in, "reference")
	if err != nil {
		return nil, nil, err
	}
	unstable := map[string]bool{}
	for _, name := range differences(first.made, second.made, nil) {
		unstable[name] = true
	}
	return first.made, unstable, nil
}

// runRound builds cold and, through a cache, warm.
func runRound(ctx context.Context, b *bench, p project, tree string, s system, o *outcome, want products, unstable map[string]bool) (err error) {
	in, err := launch(ctx, b, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	note := func(label string, stats *counts) (built, error) {
		one, err := buildOnce(ctx, b, p, tree, in, label)
		if err != nil {
			return built{}, err
		}
		o.Differ = append(o.Differ, differences(want, one.made, unstable)...)
		*stats, err = in.counts(ctx)
		return one, err
	}
	o.Load = append(o.Load, loadAverage())
	cold, err := note("cold", &o.ColdStats)
	if err != nil {
		return err
	}
	o.Cold, o.CPU = append(o.Cold, seconds(cold.took)), append(o.CPU, cold.cpu)
	if s.wrapper == "" {
		return nil
	}
	warm, err := note("warm", &o.WarmStats)
	o.Warm = append(o.Warm, seconds(warm.took))
	return err
}

func printComparison(p project, outcomes []*outcome, jobs int) {
	bare := outcomes[0]
	fmt.Printf("\n%s (%s), %d products, seconds and ratios as median (min-max) of %d rounds, load average %s\n",
		p.title(), p.lang, bare.Products, len(bare.Cold), spreadOf(bare.Load))
	rows := [][]string{{"", "cold s", "cold/bare", "overhead ms/call", "CPU/bare", "warm s", "warm/bare", "calls", "hits", "hit rate", "products"}}
	for _, o := range outcomes {
		row := []string{o.System, spreadOf(o.Cold).String()}
		if o != bare {
			row = append(row, comparisonCells(o, bare, jobs)...)
		}
		rows = append(rows, row)
	}
	printTable(rows)
	ours := outcomes[len(outcomes)-1] // systems puts cachepot last
	for _, o := range outcomes[1 : len(outcomes)-1] {
		fmt.Printf("cachepot's warm build takes %s of %s's\n", spreadOf(ratios(ours.Warm, o.Warm)), o.System)
	}
}

// comparisonCells fills a row. The overhead of a call is what it adds to one of
// the parallel jobs, so wall time counts once for each of them.
func comparisonCells(o, bare *outcome, jobs int) []string {
	perCall, calls, hits, rate := "-", "-", "-", "-"
	if n := o.ColdStats.calls(); n > 0 {
		var extra []float64
		for i := range o.Cold {
			extra = append(extra, 1000*float64(jobs)*(o.Cold[i]-bare.Cold[i])/float64(n))
		}
		perCall, calls, hits = spreadOf(extra).String(), fmt.Sprint(n), fmt.Sprint(o.WarmStats.Hits)
		rate = fmt.Sprintf("%.1f %%", o.WarmStats.rate())
	}
	same := "identical to bare"
	if len(o.Differ) > 0 {
		same = fmt.Sprintf("%d differ: %s", len(o.Differ), strings.Join(o.Differ[:min(2, len(o.Differ))], " "))
	}
	return []string{
		spreadOf(ratios(o.Cold, bare.Cold)).String(), perCall, spreadOf(ratios(o.CPU, bare.CPU)).String(),
		spreadOf(o.Warm).String(), spreadOf(ratios(o.Warm, bare.Cold)).String(), calls, hits, rate, same,
	}
}
