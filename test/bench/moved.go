package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// moved is a project built in one place and then in another with the same cache.
type moved struct {
	Project string   `json:"project"`
	First   float64  `json:"first_seconds"`
	Second  float64  `json:"second_seconds"`
	Filled  counts   `json:"first_counts"`
	Again   counts   `json:"second_counts"`
	Files   int      `json:"products"`
	AsBare  int      `json:"as_bare"`  // products of the second place that the bare compilers make there, too
	AsFirst int      `json:"as_first"` // of the others, those that are the first place's
	AsThere int      `json:"as_there"` // of the others, those that are made there with an empty cache
	Random  int      `json:"random"`   // of the others, those that no two bare builds make alike
	Differ  []string `json:"differing_products,omitempty"`
	Foreign []string `json:"foreign,omitempty"` // files of the second place that name the first
}

// move builds each project in one place with an empty cache, then in another with that
// cache, and says what was shared. It fails where a call of the second build was neither
// a hit nor located, where its products are not what is made there, or where anything
// names the first place.
func move(ctx context.Context, b *bench) error {
	s, err := cachepotSystem(ctx, b)
	if err != nil {
		return err
	}
	s = s.with("CACHEPOT_PATHS_FILE_MACROS=" + b.macros)
	var results []moved
	for _, p := range b.projects {
		r, err := moveProject(ctx, b, p, s)
		if err != nil {
			return fmt.Errorf("%s: %w", p.title(), err)
		}
		results = append(results, r)
	}
	printMoved(results)
	if err := b.writeJSON("moved", nil, results); err != nil {
		return err
	}
	return judgeMoved(results)
}

func moveProject(ctx context.Context, b *bench, p project, s system) (r moved, err error) {
	r.Project = p.title()
	if err := fetch(ctx, b, p); err != nil {
		return r, err
	}
	in, err := launch(ctx, b, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	fmt.Printf("building %s (%s) in two places\n", p.title(), p.lang)
	one, err := layPlace(ctx, b, p, "one")
	if err != nil {
		return r, err
	}
	first, err := one.build(ctx, b, p, in, "first")
	if err != nil {
		return r, err
	}
	if r.Filled, err = in.counts(ctx); err != nil {
		return r, err
	}
	if err := one.runTests(ctx, b, p, in); err != nil {
		return r, err
	}
	if err := witnessed(ctx, b, p, in); err != nil {
		return r, err
	}
	two, err := layPlace(ctx, b, p, filepath.Join("two", "other"))
	if err != nil {
		return r, err
	}
	second, err := two.build(ctx, b, p, in, "second")
	if err != nil {
		return r, err
	}
	if r.Again, err = in.counts(ctx); err != nil {
		return r, err
	}
	r.First, r.Second, r.Files = seconds(first.took), seconds(second.took), len(second.made)
	if r.Foreign, err = foreign(one.dir, two.tree, buildLog(b, p, in, "second")); err != nil {
		return r, err
	}
	if r.Again.Misses > r.Again.located() {
		if err := in.explain(ctx); err != nil {
			return r, err
		}
	}
	if err := two.runTests(ctx, b, p, in); err != nil {
		return r, err
	}
	if b.verify {
		if err := in.audit(ctx); err != nil {
			return r, err
		}
	}
	return r, r.judgeProducts(ctx, b, p, s, two, first.made, second.made)
}

// witnessed builds a Rust project in a place between the two: what macros have a hand in
// serves another place only once a second has got the same.
func witnessed(ctx context.Context, b *bench, p project, in *instance) error {
	if p.lang != "Rust" {
		return nil
	}
	between, err := layPlace(ctx, b, p, "between")
	if err != nil {
		return err
	}
	_, err = between.build(ctx, b, p, in, "witness")
	return err
}

// judgeProducts finds out what the products of the second place are like. It builds
// there once more for each question that is left.
func (r *moved) judgeProducts(ctx context.Context, b *bench, p project, s system, at *place, first, made products) error {
	none := &instance{system: system{name: "none"}, env: b.env}
	bare, err := at.build(ctx, b, p, none, "bare")
	if err == nil {
		err = at.runTests(ctx, b, p, none)
	}
	if err != nil {
		return err
	}
	left := differences(bare.made, made, nil)
	r.AsBare = r.Files - len(left)
	left = rest(left, &r.AsFirst, first, made)
	if len(left) == 0 {
		return nil
	}
	there, err := at.buildFresh(ctx, b, p, s)
	if err != nil {
		return err
	}
	if left = rest(left, &r.AsThere, there, made); len(left) == 0 {
		return nil
	}
	again, err := at.build(ctx, b, p, none, "bare")
	if err != nil {
		return err
	}
	random := differences(bare.made, again.made, nil)
	for _, name := range left {
		if slices.Contains(random, name) {
			r.Random++
		} else {
			r.Differ = append(r.Differ, name)
		}
	}
	return nil
}

// rest counts those of names that are the same in both, and returns the others.
func rest(names []string, same *int, a, b products) []string {
	var left []string
	for _, name := range names {
		if p, ok := a[name]; ok && p.sum == b[name].sum {
			*same++
		} else {
			left = append(left, name)
		}
	}
	return left
}

// buildFresh builds with an empty cache.
func (pl *place) buildFresh(ctx context.Context, b *bench, p project, s system) (made products, err error) {
	in, err := launch(ctx, b, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	one, err := pl.build(ctx, b, p, in, "fresh")
	return one.made, err
}

func printMoved(results []moved) {
	fmt.Println()
	rows := [][]string{{"project", "calls", "cacheable", "hits", "misses", "of these located", "refused", "1st build", "2nd build",
		"products", "as bare", "as the 1st", "as there", "random", "DIFFER", "foreign"}}
	for _, r := range results {
		rows = append(rows, []string{
			r.Project, strconv.Itoa(r.Again.calls()), strconv.Itoa(r.Again.Hits + r.Again.Misses),
			strconv.Itoa(r.Again.Hits), strconv.Itoa(r.Again.Misses), strconv.Itoa(r.Again.located()), strconv.Itoa(r.Again.Refused),
			fmt.Sprintf("%.1f s", r.First), fmt.Sprintf("%.1f s", r.Second), strconv.Itoa(r.Files),
			strconv.Itoa(r.AsBare), strconv.Itoa(r.AsFirst), strconv.Itoa(r.AsThere), strconv.Itoa(r.Random), strconv.Itoa(len(r.Differ)), strconv.Itoa(len(r.Foreign)),
		})
	}
	printTable(rows)
	fmt.Println("calls, hits and misses are those of the second place")
	for _, r := range results {
		printReasons(r.Project, "located", r.Again.Located)
		printReasons(r.Project, "run as they are", r.Again.Reasons)
		printReasons(r.Project, "not stored", r.Again.NotStored)
	}
}

func judgeMoved(results []moved) error {
	var errs []error
	for _, r := range results {
		if len(r.Differ) > 0 {
			errs = append(errs, fmt.Errorf("%s: products are not what is made there: %s", r.Project, strings.Join(r.Differ, ", ")))
		}
		if len(r.Foreign) > 0 {
			errs = append(errs, fmt.Errorf("%s: the first place is named in %s", r.Project, strings.Join(r.Foreign, ", ")))
		}
		if n := r.Again.Misses - r.Again.located(); n > 0 || r.Again.Hits+r.Again.Misses == 0 {
			errs = append(errs, fmt.Errorf("%s: %d hits, and %d misses that are not located", r.Project, r.Again.Hits, n))
		}
	}
	return errors.Join(errs...)
}
