package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// campaign is one run of the fuzzer.
type campaign struct {
	cases, parallel, only int
	seed                  uint64
	floor                 float64
	most                  time.Duration
	scripts               string
	verbose               bool
	product               harness.Product
	out                   io.Writer

	mu     sync.Mutex
	tally  tally
	failed []failure
}

// failure is a history of which a case came out differently.
type failure struct {
	h *history
	v verdict
}

// mostFailures is how many failures are made smaller before the run stops.
const mostFailures = 10

func (c *campaign) run(ctx context.Context) error {
	fmt.Fprintf(c.out, "seed %d, %d cases\n", c.seed, c.cases)
	if c.most > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.most)
		defer stop()
	}
	began := time.Now()
	numbers := make(chan int)
	errs := make(chan error, c.parallel)
	for range c.parallel {
		go func() { errs <- c.work(ctx, numbers) }()
	}
	go c.deal(ctx, numbers)
	var err error
	for range c.parallel {
		err = errors.Join(err, <-errs)
	}
	c.tally.print(c.out, time.Since(began))
	if err != nil {
		return err
	}
	return c.judge()
}

// deal hands out the numbers of histories.
func (c *campaign) deal(ctx context.Context, numbers chan<- int) {
	defer close(numbers)
	count := (c.cases + casesPerHistory - 1) / casesPerHistory
	first := 0
	if c.only >= 0 {
		first, count = c.only, 1
	}
	for n := first; n < first+count; n++ {
		select {
		case numbers <- n:
		case <-ctx.Done():
			return
		}
	}
}

// judge says whether the run proves what it should.
func (c *campaign) judge() error {
	if n := len(c.failed); n > 0 {
		return fmt.Errorf("seed %d: %d histories failed, their scripts are in %s", c.seed, n, c.scripts)
	}
	if share := c.tally.share(); share < c.floor {
		return fmt.Errorf("seed %d: %.0f %% of second calls are hits, at least %.0f %% must be: this proves too little", c.seed, 100*share, 100*c.floor)
	}
	return nil
}

// work plays histories with a coordinator of its own.
func (c *campaign) work(ctx context.Context, numbers <-chan int) error {
	p, stop, err := c.newPlayer()
	if err != nil {
		for range numbers { // let the others end
		}
		return err
	}
	defer stop()
	for n := range numbers {
		if ctx.Err() != nil || c.tooMany() {
			continue
		}
		if err := c.history(ctx, p, generate(c.seed, n)); err != nil {
			return fmt.Errorf("seed %d, history %d: %w", c.seed, n, err)
		}
	}
	return nil
}

func (c *campaign) tooMany() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.failed) >= mostFailures
}

func (c *campaign) newPlayer() (*player, func(), error) {
	i, err := c.product.NewInstance()
	if err != nil {
		return nil, nil, err
	}
	stop := i.Stop
	if _, err = i.Admin("--start-coordinator"); err != nil {
		stop()
		return nil, nil, err
	}
	base := filepath.Join(i.Root, "fz")
	if err = os.Mkdir(base, 0o755); err != nil {
		stop()
		return nil, nil, err
	}
	mapped, err := c.product.Project(base)
	if err != nil {
		stop()
		return nil, nil, err
	}
	rustc, err := rustCompiler()
	if err != nil {
		stop()
		return nil, nil, err
	}
	return &player{wrapper: i.Wrapper, mapped: mapped, subject: i, env: append(i.Env, "RUSTC="+rustc), base: base}, stop, nil
}

// rustCompiler finds the compiler itself, behind whatever proxy.
func rustCompiler() (string, error) {
	sysroot, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		return "", fmt.Errorf("find rustc: %w", err)
	}
	return strings.TrimSpace(string(sysroot)) + "/bin/rustc", nil
}

// history plays one, and looks for a smaller one where it fails.
func (c *campaign) history(ctx context.Context, p *player, h *history) error {
	var bad *verdict
	err := p.play(h, func(v verdict) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tally.add(h, v)
		if c.verbose {
			random := map[bool]string{true: " (partly random)"}[v.random]
			fmt.Fprintf(c.out, "%d.%d %s, %s%s: %s\n", h.number, v.at, v.first, v.second, random, h.steps[v.at].text)
		}
		if v.diff != "" {
			bad = &v
		}
		return bad == nil && ctx.Err() == nil
	})
	if err != nil || bad == nil {
		return err
	}
	fmt.Fprintf(c.out, "DIFFERENT in history %d, step %d of %d; looking for a smaller one\n%s", h.number, bad.at, len(h.steps), bad.diff)
	small, v, err := minimise(p, h, *bad)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, failure{small, v})
	return c.report(small, v)
}

// report prints a failure and leaves its script.
func (c *campaign) report(h *history, v verdict) error {
	if err := os.MkdirAll(c.scripts, 0o755); err != nil {
		return fmt.Errorf("leave a script: %w", err)
	}
	path := filepath.Join(c.scripts, fmt.Sprintf("seed%d-history%d.sh", h.seed, h.number))
	if err := os.WriteFile(path, []byte(script(h)), 0o755); err != nil {
		return fmt.Errorf("leave a script: %w", err)
	}
	again := ""
	if !v.repeats {
		again = " (it did not fail when played again)"
	}
	fmt.Fprintf(c.out, "FAILED: seed %d, history %d, %s%s\nscript: %s\n", h.seed, h.number, h.family, again, path)
	for _, s := range h.steps {
		fmt.Fprintf(c.out, "  %s\n", s)
	}
	fmt.Fprintf(c.out, "%s\n", v.diff)
	return nil
}
