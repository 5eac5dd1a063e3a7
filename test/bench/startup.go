package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// startup compares starts of the wrapper with those of an empty Go program, in
// turns. The wrapper gets no command and lies where no coordinator is beside it,
// so that nothing is left but its own start.
func startup(ctx context.Context, b *bench) (err error) {
	cachepot, err := cachepotSystem(ctx, b)
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	socket, stop, err := echo()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	programs, err := buildFloors(ctx, b, socket)
	if err != nil {
		return err
	}
	alone := filepath.Join(b.work, "bin", "cachepot")
	if err := runLogged(ctx, b.root, b.env, filepath.Join(b.work, "log", "alone"), "cp", cachepot.wrapper, alone); err != nil {
		return err
	}
	programs = append(programs, floor{"cachepot, alone", []string{alone}})
	var results []*series
	for _, p := range programs {
		results = append(results, &series{System: p.name})
	}
	for range b.starts {
		for i, p := range programs {
			if err := ctx.Err(); err != nil {
				return err
			}
			took, _, err := timeProcess(b.work, b.env, null, p.argv)
			if err != nil {
				return err
			}
			results[i].times = append(results[i].times, milliseconds(took))
		}
	}
	for _, s := range results {
		s.Spread = spreadOf(s.times)
	}
	return b.reportStartup(alone, programs, results)
}

func (b *bench) reportStartup(wrapper string, programs []floor, results []*series) error {
	const empty = 1 // the empty Go program's place in the table
	fmt.Printf("starts in milliseconds, median (min-max) of %d, load average %.2f\n", b.starts, loadAverage())
	rows := [][]string{{"", "ms", "/ empty Go program"}}
	for i, p := range programs {
		ratio := results[i].Spread.Median / results[empty].Spread.Median
		rows = append(rows, []string{p.name, results[i].Spread.String(), fmt.Sprintf("%.2f", ratio)})
	}
	printTable(rows)
	info, err := os.Stat(wrapper)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %.2f MB\n", filepath.Base(wrapper), float64(info.Size())/1e6)
	return b.writeJSON("startup", nil, results)
}
