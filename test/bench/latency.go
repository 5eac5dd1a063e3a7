package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// latencyOf is how long calls took whose source is new and of one size, in milliseconds.
type latencyOf struct {
	Size  int       `json:"source_bytes"`
	Near  []float64 `json:"near_milliseconds"`  // the service on this machine
	Far   []float64 `json:"far_milliseconds"`   // the same a round trip away
	First []float64 `json:"first_milliseconds"` // likewise, with a connection that has to be made
	Bare  []float64 `json:"bare_milliseconds"`
	Local []float64 `json:"local_milliseconds"` // the same job in the same sandbox, without coordinator and connection
	Trips spread    `json:"round_trips"`
	// FirstTrips are those where the connection was cut just before the call.
	FirstTrips spread `json:"first_round_trips"`
	Over       spread `json:"near_less_local_milliseconds"`
}

// latency counts the round trips of a call that our worker compiles: how much longer it
// takes where each byte is on its way for half a round trip.
func latency(ctx context.Context, b *bench) (err error) {
	product, err := cachepotSystem(ctx, b)
	if err != nil {
		return err
	}
	e, err := startInside(ctx, b)
	if err != nil {
		return err
	}
	defer e.stop()
	line, err := startDelayed(e.address)
	if err != nil {
		return err
	}
	defer line.stop()
	if product.settings, err = through(product.settings, e.dir, line.address); err != nil {
		return err
	}
	in, err := launch(ctx, b, product)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	gcc, err := toolPath(ctx, b, "gcc")
	if err != nil {
		return err
	}
	dir := filepath.Join(b.work, "latency")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var results []*latencyOf
	for _, size := range []int{18 << 10, 300 << 10, 1800 << 10} {
		r := &latencyOf{Size: size}
		for round := -2; round < 4*b.rounds; round++ { // the first two are not counted
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.turn(ctx, e, in, line, b.roundTrip, dir, gcc, round >= 0); err != nil {
				return err
			}
		}
		r.Trips, r.FirstTrips = trips(r.Far, r.Near, b.roundTrip), trips(r.First, r.Near, b.roundTrip)
		r.Over = spreadOf(less(r.Near, r.Local))
		results = append(results, r)
	}
	printLatency(b, results)
	return b.writeJSON("latency", nil, results)
}

// trips counts the round trips that calls took longer.
func trips(far, near []float64, roundTrip time.Duration) spread {
	extra := less(far, near)
	for i := range extra {
		extra[i] /= milliseconds(roundTrip)
	}
	return spreadOf(extra)
}

// through adds settings with which all that can be is compiled at the address.
func through(settings func(string, int) []string, dir, address string) (func(string, int) []string, error) {
	conf := filepath.Join(dir, "client.conf")
	text := "[dist]\nscheduler_url = \"grpc://" + address + "\"\nfallback = \"fail\"\n"
	return func(dir string, port int) []string { return append(settings(dir, port), "CACHEPOT_CONF="+conf) }, os.WriteFile(conf, []byte(text), 0o600)
}

// turn makes one call of each kind.
func (r *latencyOf) turn(ctx context.Context, e *inside, in *instance, line *delayed, roundTrip time.Duration, dir, gcc string, counts bool) error {
	for _, kind := range []struct {
		to     *[]float64
		oneWay time.Duration
		cut    bool
		argv   []string
	}{
		{&r.Bare, 0, false, nil},
		{&r.Near, 0, false, []string{in.wrapper}},
		{&r.Far, roundTrip / 2, false, []string{in.wrapper}},
		{&r.First, roundTrip / 2, true, []string{in.wrapper}},
	} {
		if err := os.WriteFile(filepath.Join(dir, "unit.c"), noise(r.Size), 0o644); err != nil {
			return err
		}
		line.oneWay.Store(int64(kind.oneWay))
		if kind.cut {
			line.cut()
		}
		time.Sleep(20 * time.Millisecond) // what was written lies in the past, and a connection's end is noticed
		args := append(kind.argv, gcc, "-O1", "-c", "unit.c", "-o", "unit.o")
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, in.env
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if counts {
			*kind.to = append(*kind.to, milliseconds(time.Since(start)))
		}
		if kind.to != &r.Near {
			continue
		}
		took, err := e.again(ctx)
		if err != nil {
			return err
		}
		if counts {
			r.Local = append(r.Local, milliseconds(took))
		}
	}
	return nil
}

// noise is a source of the size that nothing makes much smaller and little has to be done for.
func noise(size int) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-"
	b := []byte("int n;\n// ")
	for len(b) < size {
		if len(b)%120 == 0 {
			b = append(b, "\n// "...)
		}
		b = append(b, letters[rand.IntN(len(letters))])
	}
	return append(b, '\n')
}

func printLatency(b *bench, results []*latencyOf) {
	fmt.Printf("\na new source, our worker, a line of %v: median (min-max) of %d calls, load average %.2f\n", b.roundTrip, 4*b.rounds, loadAverage())
	rows := [][]string{{"source", "bare ms", "local sandbox ms", "near ms", "near - local ms", "far ms", "round trips", "first connection ms", "round trips"}}
	for _, r := range results {
		rows = append(rows, []string{strconv.Itoa(r.Size>>10) + " KB", spreadOf(r.Bare).String(), spreadOf(r.Local).String(), spreadOf(r.Near).String(),
			r.Over.String(), spreadOf(r.Far).String(), r.Trips.String(), spreadOf(r.First).String(), r.FirstTrips.String()})
	}
	printTable(rows)
}
