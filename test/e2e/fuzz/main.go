// Command fuzz looks for compiles that come out differently through cachepot. It
// makes up histories of small projects (edits, renames, links, headers that
// appear, variables and options that change and change back), and runs each
// compile bare and twice through cachepot. Status, messages, and names, bytes and
// modes of files must agree. What fails is made smaller and left as a shell
// script. Nothing imports it; its test is a short run.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	c := &campaign{out: out}
	flags.IntVar(&c.cases, "cases", 5000, "compiles to compare, about")
	flags.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano())%1e9, "where the histories come from; printed")
	flags.IntVar(&c.only, "history", -1, "play this history of the seed alone")
	flags.IntVar(&c.parallel, "parallel", 2, "histories at a time")
	flags.Float64Var(&c.floor, "floor", 0.6, "least share of hits among second calls of compiles that succeed")
	flags.StringVar(&c.scripts, "scripts", ".work/fuzz", "directory for scripts that show what failed")
	product := flags.String("product", "", "directory of the programs to test; built from this tree where empty")
	flags.DurationVar(&c.most, "time", 0, "stop after this time; 0 is never")
	flags.BoolVar(&c.verbose, "v", false, "say what became of each case")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *product != "" {
		c.product.Use(*product)
	}
	defer func() { _ = c.product.Remove() }()
	return c.run(ctx)
}
