package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// missed is what one system did to one call that no cache knows.
type missed struct {
	Call   string `json:"call"`
	System string `json:"system"`
	// Wall is the time of a call and CPU the time of all processors, in milliseconds,
	// as means of each round; storing and daemons included.
	Wall    []float64 `json:"wall_milliseconds"`
	CPU     []float64 `json:"cpu_milliseconds"`
	Counted counts    `json:"counts"`

	in *instance
}

// roundLength is about how long the calls of one system take in a round: long
// against a tick of the kernel's accounts, short against what else changes on the
// machine.
const roundLength = 2 * time.Second

// misses times calls that each cache meets for the first time, beside the bare
// compiler, in turns of some seconds: whole builds drift more than a cache costs.
func misses(ctx context.Context, b *bench) error {
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
	var results []*missed
	for _, w := range loads {
		of, err := timeMisses(ctx, b, w, all)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		printMisses(w, of)
		results = append(results, of...)
	}
	return b.writeJSON("misses", absent, results)
}

func timeMisses(ctx context.Context, b *bench, w workload, all []system) (of []*missed, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	running, err := launchAll(ctx, b, all, w.lang)
	defer func() { err = errors.Join(err, closeAll(running)) }()
	if err != nil {
		return nil, err
	}
	for _, in := range running {
		of = append(of, &missed{Call: w.name, System: in.name, in: in})
	}
	number := 0
	calls := 1
	for _, m := range of { // untimed: each gets to know the compiler
		took, _, err := m.turn(w, &number, 2, null)
		if err != nil {
			return of, err
		}
		if m.System == "bare" {
			calls = min(max(int(roundLength/took), 1), 40)
		}
	}
	for range b.rounds {
		for _, m := range of {
			if err := ctx.Err(); err != nil {
				return of, err
			}
			wall, cpu, err := m.turn(w, &number, calls, null)
			if err != nil {
				return of, fmt.Errorf("%s: %w", m.System, err)
			}
			m.Wall, m.CPU = append(m.Wall, milliseconds(wall)), append(m.CPU, cpu)
		}
	}
	for _, m := range of {
		if m.Counted, err = m.in.counts(ctx); err != nil {
			return of, err
		}
	}
	return of, nil
}

// turn makes some calls, no two alike, and returns the means of their time and of
// the processors' time in milliseconds. number tells the calls apart.
func (m *missed) turn(w workload, number *int, calls int, null *os.File) (time.Duration, float64, error) {
	awaitQuiet()
	busy := busySeconds()
	var sum time.Duration
	argv := w.argv
	if m.in.wrapper != "" {
		argv = append([]string{m.in.wrapper}, argv...)
	}
	for range calls {
		*number++
		if err := edit(w, *number); err != nil {
			return 0, 0, err
		}
		took, err := spawn(w.dir, m.in.env, null, argv)
		if err != nil {
			return 0, 0, err
		}
		sum += took
	}
	awaitQuiet()
	return sum / time.Duration(calls), 1000 * (busySeconds() - busy) / float64(calls), nil
}

// edit makes the source one that nobody has compiled, whatever a cache goes by: a
// definition that the object shows.
func edit(w workload, number int) error {
	text := w.main.text + "\nint call" + strconv.Itoa(number) + " = 1;\n"
	if w.lang == "Rust" {
		text = w.main.text + "\npub static CALL" + strconv.Itoa(number) + ": u32 = 1;\n"
	}
	return os.WriteFile(filepath.Join(w.dir, w.main.name), []byte(text), 0o644)
}

func printMisses(w workload, of []*missed) {
	bare := of[0] // systems puts it first
	fmt.Printf("\n%s (%s): a call that is new, median (min-max) of %d rounds, load average %.2f\n", w.name, w.about, len(bare.Wall), loadAverage())
	rows := [][]string{{"", "ms", "/ bare", "more ms", "CPU ms", "/ bare", "more CPU ms", "misses", "hits"}}
	for _, m := range of {
		row := []string{m.System, spreadOf(m.Wall).String()}
		if m != bare {
			row = append(row, spreadOf(ratios(m.Wall, bare.Wall)).String(), spreadOf(less(m.Wall, bare.Wall)).String())
		} else {
			row = append(row, "", "")
		}
		row = append(row, spreadOf(m.CPU).String())
		if m != bare {
			row = append(row, spreadOf(ratios(m.CPU, bare.CPU)).String(), spreadOf(less(m.CPU, bare.CPU)).String(), fmt.Sprint(m.Counted.Misses), fmt.Sprint(m.Counted.Hits))
		}
		rows = append(rows, row)
	}
	printTable(rows)
}

// less returns the differences of two lists, one by one.
func less(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] - b[i]
	}
	return out
}
