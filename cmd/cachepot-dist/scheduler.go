package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/dist/broker"
)

// scheduler returns the command that runs a scheduler.
func (p *program) scheduler() *cobra.Command {
	var c *config.Scheduler
	return p.command(&server{
		name: "scheduler",
		load: func(file string, env []string, host config.Host) (config.Process, config.Address, error) {
			var err error
			if c, err = config.LoadScheduler(file, env, host); err != nil {
				return config.Process{}, config.Address{}, err
			}
			return c.Process, c.PublicAddr, nil
		},
		serve: func(ctx context.Context, log *slog.Logger, ready func()) error {
			takeProcessors(4) // it never has more than a little to do at once
			b, err := broker.New(c, log)
			if err != nil {
				return err
			}
			return b.Listen(ctx, c, ready)
		},
	}, "Run the scheduler, which parcels out the slots of its workers")
}
