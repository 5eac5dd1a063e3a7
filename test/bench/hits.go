package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const batch = 10 // hits in a row of one system before it is the next one's turn

// series is the time of one call or program, in milliseconds.
type series struct {
	Call    string    `json:"call,omitempty"`
	System  string    `json:"system"`
	Reads   string    `json:"reads,omitempty"`
	Spread  spread    `json:"milliseconds"`
	Counted counts    `json:"counts"`
	Wrong   int       `json:"wrong_outputs"` // batches that ended with other bytes than the first compile's
	times   []float64 // milliseconds
}

// hits times single hits of each cache, called directly and in turns.
func hits(ctx context.Context, b *bench) (err error) {
	all, absent, err := systems(ctx, b)
	if err != nil {
		return err
	}
	for _, name := range absent {
		fmt.Printf("%s: absent\n", name)
	}
	loads, err := workloads(ctx, b)
	if err != nil {
		return err
	}
	socket, stop, err := echo()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	floors, err := buildFloors(ctx, b, socket)
	if err != nil {
		return err
	}
	var results []*series
	for _, w := range loads {
		of, err := timeWorkload(ctx, b, w, all[1:], floors)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		printHits(w, of)
		results = append(results, of...)
	}
	return b.writeJSON("hits", absent, results)
}

// runner is one system ready to be timed on one workload.
type runner struct {
	in   *instance
	want products // the outputs that the first compile gave
	*series
}

func timeWorkload(ctx context.Context, b *bench, w workload, caches []system, floors []floor) (of []*series, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	var runners []*runner
	running, err := launchAll(ctx, b, caches, w.lang)
	defer func() { err = errors.Join(err, closeAll(running)) }()
	if err != nil {
		return nil, err
	}
	for _, in := range running {
		r := &runner{in: in, series: &series{Call: w.name, System: in.name, Reads: w.about}}
		runners = append(runners, r)
		of = append(of, r.series)
	}
	if err := prime(ctx, w, runners, null); err != nil {
		return nil, err
	}
	bases := make([]*series, len(floors))
	for i, f := range floors {
		bases[i] = &series{Call: w.name, System: f.name}
	}
	for range (b.hitCount + batch - 1) / batch {
		for _, r := range runners {
			if err := r.hitBatch(ctx, w, null); err != nil {
				return nil, err
			}
		}
		for i, f := range floors {
			if err := bases[i].startBatch(w.dir, b.env, f.argv, null); err != nil {
				return nil, err
			}
		}
	}
	of = append(of, bases...)
	for _, r := range runners {
		if r.Counted, err = r.in.counts(ctx); err != nil {
			return nil, err
		}
	}
	for _, s := range of {
		s.Spread = spreadOf(s.times)
	}
	return of, nil
}

// prime fills the caches. Two seconds pass before and between, because caches
// trust what they know of a file only once it is a little old.
func prime(ctx context.Context, w workload, runners []*runner, null *os.File) error {
	for range 3 {
		select {
		case <-time.After(2100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, r := range runners {
			if _, err := r.call(w, null); err != nil {
				return err
			}
			made, err := outputsOf(w)
			if err != nil {
				return fmt.Errorf("%s: %w", r.System, err)
			}
			if r.want == nil {
				r.want = made
			}
		}
	}
	for _, r := range runners {
		if err := r.in.resetStats(ctx); err != nil {
			return err
		}
	}
	return nil
}

// call removes the outputs, then makes the call once.
func (r *runner) call(w workload, null *os.File) (time.Duration, error) {
	for _, name := range w.outputs {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
	}
	return spawn(w.dir, r.in.env, null, slices.Concat([]string{r.in.wrapper}, w.argv))
}

// hitBatch times hits, and looks at what the last of them left.
func (r *runner) hitBatch(ctx context.Context, w workload, null *os.File) error {
	for range batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		took, err := r.call(w, null)
		if err != nil {
			return fmt.Errorf("%s: %w", r.System, err)
		}
		r.times = append(r.times, milliseconds(took))
	}
	made, err := outputsOf(w)
	if err != nil {
		return fmt.Errorf("%s: %w", r.System, err)
	}
	if len(differences(r.want, made, nil)) > 0 {
		r.Wrong++
	}
	return nil
}

// startBatch times starts of a program that is no cache.
func (s *series) startBatch(dir string, env []string, argv []string, null *os.File) error {
	for range batch {
		took, err := spawn(dir, env, null, argv)
		if err != nil {
			return err
		}
		s.times = append(s.times, milliseconds(took))
	}
	return nil
}

func outputsOf(w workload) (products, error) {
	made := products{}
	for _, name := range w.outputs {
		sum, err := fileSum(filepath.Join(w.dir, name))
		if err != nil {
			return nil, err
		}
		made[name] = product{sum, true}
	}
	return made, nil
}

func printHits(w workload, of []*series) {
	fmt.Printf("\n%s (%s): milliseconds a hit, median (min-max) of %d, load average %.2f\n",
		w.name, w.about, of[0].Spread.N, loadAverage())
	var ours float64
	for _, s := range of {
		if s.System == "cachepot" {
			ours = s.Spread.Median
		}
	}
	rows := [][]string{{"", "ms", "cachepot / this", "hits", "misses", "uncached", "outputs"}}
	for _, s := range of {
		row := []string{s.System, s.Spread.String(), fmt.Sprintf("%.2f", ours/s.Spread.Median)}
		if s.Reads != "" {
			outputs := "same bytes"
			if s.Wrong > 0 {
				outputs = fmt.Sprintf("WRONG after %d batches", s.Wrong)
			}
			row = append(row, fmt.Sprint(s.Counted.Hits), fmt.Sprint(s.Counted.Misses), fmt.Sprint(s.Counted.Uncached), outputs)
		}
		rows = append(rows, row)
	}
	printTable(rows)
}
