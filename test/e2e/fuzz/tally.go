package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// tally counts what became of the cases.
type tally struct {
	rows      map[string]*row // by family
	all       row
	why       map[string]int // outcomes of second calls, of compiles that succeed, that are no hits
	histories map[int]bool
	races     int
}

// row counts the cases of a family.
type row struct {
	cases, good, random, different int
	firstHits, secondHits          int // of those that are good
}

func (t *tally) add(h *history, v verdict) {
	if t.rows == nil {
		t.rows, t.why, t.histories = map[string]*row{}, map[string]int{}, map[int]bool{}
	}
	t.histories[h.number] = true
	if t.rows[h.family] == nil {
		t.rows[h.family] = &row{}
	}
	if v.at > 0 && h.steps[v.at-1].kind == race {
		t.races++
	}
	t.rows[h.family].add(v)
	t.all.add(v)
	if v.good && v.second != "hit" {
		t.why[v.second]++
	}
}

func (r *row) add(v verdict) {
	r.cases++
	if v.random {
		r.random++
	}
	if v.diff != "" {
		r.different++
	}
	if !v.good {
		return
	}
	r.good++
	if v.first == "hit" {
		r.firstHits++
	}
	if v.second == "hit" {
		r.secondHits++
	}
}

// share is that of hits among second calls of compiles that succeed.
func (t *tally) share() float64 { return float64(t.all.secondHits) / float64(max(1, t.all.good)) }

func (t *tally) print(out io.Writer, took time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tcases\tsucceed\thits at first\thits at second\tpartly random\tdifferent\t")
	line := func(name string, r *row) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, r.cases, r.good, r.firstHits, r.secondHits, r.random, r.different)
	}
	for _, name := range slices.Sorted(maps.Keys(t.rows)) {
		line(name, t.rows[name])
	}
	line("all", &t.all)
	_ = w.Flush()
	fmt.Fprintf(out, "%d histories, %d races, %.0f s; %.1f %% of second calls are hits; the others:\n", len(t.histories), t.races, took.Seconds(), 100*t.share())
	reasons := slices.SortedFunc(maps.Keys(t.why), func(a, b string) int { return t.why[b] - t.why[a] })
	for _, reason := range reasons {
		fmt.Fprintf(out, "  %5d  %s\n", t.why[reason], reason)
	}
}
