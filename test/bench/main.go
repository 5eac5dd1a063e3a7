// Command bench builds real projects bare and through compiler caches, and
// measures what a cache costs and saves. It needs the network once, to fetch the
// sources named in sources.txt with apt-get and cargo; everything it writes lies
// below .work in the source tree, everything it starts it stops again. Nothing
// imports it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: go run ./test/bench COMMAND [flags]

  compare   build the projects bare, with ccache, sccache and cachepot, in turns
  hits      time per hit of single calls, beside the floors of starting a process
  misses    what each cache adds to calls that are new, beside the bare compiler
  startup   start-up of the wrapper against an empty Go program
  remote    processor time of the client for calls that a service compiles
  latency   round trips of calls that a worker of ours compiles
  jobs      jobs per second of a scheduler and a worker of ours, beside bubblewrap alone
  moved     build the projects in one place and then in another with the same cache
  cluster   build the projects on two clients of a scheduler with three workers
  sample    build projects twice through cachepot, a C and a Rust one by default
  fetch     fetch the sources and stop

COMMAND -h lists its flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	commands := map[string]func(context.Context, *bench) error{
		"compare": compare, "hits": hits, "misses": misses, "startup": startup, "moved": move, "remote": remote, "latency": latency, "jobs": jobs, "cluster": buildOnCluster, "sample": sample, "fetch": fetchAll,
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("no such command\n\n%s", usage)
	}
	b, err := newBench(args[0], args[1:], os.Environ())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.work, 0o755); err != nil {
		return err
	}
	return commands[args[0]](ctx, b)
}

// bench is what every command needs: where things lie and what was asked for.
type bench struct {
	root      string   // of the source tree, absolute
	work      string   // scratch, below root
	env       []string // the caller's, without the settings of any cache
	jobs      int
	rounds    int
	starts    int
	hitCount  int
	clients   int    // in jobs
	cachepot  string // path of the wrapper, its coordinator beside it
	sccache   string // path of the sccache to compare with; absent where it does not exist
	recorder  bool
	bare      bool
	exact     bool
	verify    bool
	macros    string // what moved has for paths.file_macros
	tests     bool
	roundTrip time.Duration // of the line in latency
	only      string        // of the single calls, those whose names begin so
	jsonPath  string
	projects  []project
}

func newBench(command string, args, env []string) (*bench, error) {
	b := &bench{env: cleanEnv(env)}
	defaults := map[string]string{
		"sample": "lua,ripgrep", "moved": "lua,zlib,redis,sqlite,fmt,ninja,ninja-debug,ripgrep,workspace,hyperfine,chain",
		"cluster": "lua,zlib,redis,sqlite,fmt,ninja-debug,ripgrep,workspace,hyperfine",
	}
	all := projectTable()
	names := defaults[command]
	if names == "" {
		names = strings.Join(projectNames(all), ",")
	}
	fs := flag.NewFlagSet(command, flag.ContinueOnError)
	list := fs.String("projects", names, "comma-separated `names` of projects to build")
	modes := fs.String("modes", "build", "comma-separated `names` of what cargo is to do: build, test, check, clippy")
	fs.IntVar(&b.jobs, "j", runtime.NumCPU(), "jobs of a build")
	fs.IntVar(&b.rounds, "rounds", 5, "rounds of compare, misses and remote")
	fs.IntVar(&b.starts, "starts", 300, "starts of each program in startup")
	fs.IntVar(&b.hitCount, "n", 200, "hits of each cache in hits, in batches of 10")
	fs.IntVar(&b.clients, "clients", 8, "clients in jobs")
	fs.StringVar(&b.cachepot, "cachepot", filepath.Join("bin", "cachepot"), "`path` of cachepot's wrapper")
	fs.StringVar(&b.sccache, "sccache", "sccache", "`path` of sccache")
	fs.BoolVar(&b.recorder, "recorder", false, "also measure the recorder, which copies outputs back without looking at inputs")
	fs.BoolVar(&b.bare, "bare", false, "have sample build bare too, and compare products with that; implies -exact")
	fs.BoolVar(&b.exact, "exact", false, "have sample and cluster keep paths as they are, and the others measure cachepot in that mode, too")
	fs.BoolVar(&b.verify, "verify", false, "audit every entry that sample or moved has stored")
	fs.BoolVar(&b.tests, "tests", false, "have moved run the projects' own tests, in both places and bare")
	fs.StringVar(&b.macros, "file-macros", "keep", "what moved sets paths.file_macros to: keep or map")
	fs.DurationVar(&b.roundTrip, "rtt", 10*time.Millisecond, "round trip of the line in latency; a longer one is told better from what else takes time")
	fs.StringVar(&b.only, "only", "", "measure only the single calls, or the ways of jobs, whose names begin with this `text`")
	fs.StringVar(&b.jsonPath, "json", "", "also write the results to this `file`")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	var err error
	if b.root, err = os.Getwd(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(b.root, "test", "bench", "sources.txt")); err != nil {
		return nil, fmt.Errorf("run this from the root of the source tree")
	}
	b.work = filepath.Join(b.root, ".work", "bench")
	b.projects, err = chooseProjects(all, *list, *modes)
	return b, err
}

// cleanEnv drops what would steer a cache or a compiler behind the benchmark's
// back, and pins what would make products differ from one build to the next.
func cleanEnv(env []string) []string {
	drop := []string{
		"CACHEPOT_", "CCACHE_", "SCCACHE_", "RUSTC_", "RUSTFLAGS=", "CARGO_INCREMENTAL=", "CARGO_TARGET_DIR=",
		"MAKEFLAGS=", "CARGO_MAKEFLAGS=", "MFLAGS=", "CFLAGS=", "CXXFLAGS=", "LDFLAGS=", "CC=", "CXX=", "XDG_",
		"SOURCE_DATE_EPOCH=", "LC_ALL=", "CGO_ENABLED=",
	}
	var kept []string
next:
	for _, kv := range env {
		for _, prefix := range drop {
			if strings.HasPrefix(kv, prefix) {
				continue next
			}
		}
		kept = append(kept, kv)
	}
	return append(kept, "SOURCE_DATE_EPOCH=1", "LC_ALL=C.UTF-8", "CARGO_INCREMENTAL=0", "CGO_ENABLED=0")
}
