package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/audit"
	"github.com/cachepot/cachepot/internal/spawn"
)

// verify is the command that audits the entries of the local cache.
func (e *Env) verify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [--sample N]",
		Short: "run the compiles in the cache again and compare, to prove the keys complete",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sample, err := cmd.Flags().GetInt("sample")
			if err != nil {
				return err
			}
			if sample < 1 && cmd.Flags().Changed("sample") {
				return errors.New("--sample: want at least 1")
			}
			return e.runVerify(cmd.Context(), sample)
		},
	}
	cmd.Flags().Int("sample", 0, "audit only that many entries, chosen at random")
	cmd.AddCommand(&cobra.Command{
		Use: WitnessCommand, Hidden: true, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.runWitness(cmd.Context(), args) },
	})
	cmd.AddCommand(&cobra.Command{
		Use: innerCommand, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return audit.Inner(args[0]) },
	})
	return cmd
}

// innerCommand is how the audits start this program again.
const innerCommand = "inner"

// WitnessCommand is how a coordinator starts this program, after "verify", to find out
// whether macros care where they run: the actions follow, as "hash/size".
const WitnessCommand = "witness"

func (e *Env) runVerify(ctx context.Context, sample int) error {
	var total tally
	err := e.withAuditor(ctx, func(a *audit.Auditor) error {
		e.settle()
		var err error
		total, err = e.auditAll(ctx, a, sample)
		return err
	})
	return errors.Join(err, total.verdict())
}

// runWitness tries the macros of actions. It gives way to everybody else, as does all that
// it starts.
func (e *Env) runWitness(ctx context.Context, actions []string) error {
	if err := spawn.GiveWay(); err != nil {
		return err
	}
	return e.withAuditor(ctx, func(a *audit.Auditor) error {
		for _, text := range actions {
			if err := a.Witness(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

// withAuditor gives do an auditor of the local cache.
func (e *Env) withAuditor(ctx context.Context, do func(*audit.Auditor) error) error {
	c, err := e.Load()
	if err != nil {
		return err
	}
	cache, err := e.OpenCache(c)
	if err != nil {
		return err
	}
	defer cache.Close()
	store, ok := cache.(audit.Store)
	if !ok {
		return errors.New("this cache cannot be audited")
	}
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return fmt.Errorf("install bubblewrap (0.8 or later): %w", err)
	}
	a, err := audit.New(ctx, audit.Config{
		Store: store, Program: e.Program, Self: []string{"verify", innerCommand}, Bwrap: bwrap,
		Temp: e.getenv("TMPDIR"), Root: os.Getuid() == 0,
	})
	if err != nil {
		return err
	}
	return errors.Join(do(a), a.Close())
}

// tally counts the audited entries by how they came off.
type tally struct{ passed, gone, failed uint64 }

// auditAll audits all entries, or so many of them, and tells of each that failed.
func (e *Env) auditAll(ctx context.Context, a *audit.Auditor, sample int) (tally, error) {
	var t tally
	keys, err := a.Entries(ctx)
	if err != nil {
		return t, err
	}
	if sample > 0 && sample < len(keys) {
		rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		keys = keys[:sample]
	}
	bar := newBar(e.Stderr, "verifying")
	defer bar.clear()
	for i, key := range keys {
		bar.show(int64(i), int64(len(keys)))
		r, err := a.Check(ctx, key)
		if err != nil {
			return t, err
		}
		if t.count(r); len(r.Faults) > 0 {
			bar.clear()
			for _, f := range r.Faults {
				fmt.Fprintf(e.Stdout, "%s  %s: %s\n", key.Hex()[:12], r.Label, f)
			}
		}
	}
	bar.clear()
	return t, t.write(e)
}

func (t *tally) count(r *audit.Report) {
	switch {
	case len(r.Faults) > 0:
		t.failed++
	case r.Gone != "":
		t.gone++
	default:
		t.passed++
	}
}

func (t *tally) write(e *Env) error {
	return writeLines(e.Stdout, []line{{"Entries passed", count(t.passed)}, {"Inputs gone", count(t.gone)}, {"Entries failed", count(t.failed)}})
}

// verdict is the error of a run in which an entry failed.
func (t *tally) verdict() error {
	if t.failed == 0 {
		return nil
	}
	return fmt.Errorf("verify: %d of %d entries failed", t.failed, t.failed+t.passed+t.gone)
}
