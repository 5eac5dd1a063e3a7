package coordinator

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/tree"
	"github.com/cachepot/cachepot/internal/wire"
)

// job is one compiler call on its way through the pipeline.
type job struct {
	s       *Server
	p       *peer
	started time.Time
	msg     *wire.Request
	found   *toolchain.Compiler
	tool    *toolchain.Toolchain // the part of it that the call needs; nil until that is known
	lang    compiler.Language
	call    *compiler.Call
	inv     *compiler.Invocation
	faces   []*face          // the shared one first, if there is one; the located one last
	req     *request         // of the located face
	places  *compiler.Places // of inv, where calls are shared between places
	located string           // why there is no shared face, or nothing is stored under it
	maps    []string         // arguments that have the compiler write names for the roots
	recache bool             // compile and replace what is stored
	// evaluated are the path sets that were looked at for the call, and trees what was
	// built of them: the same are asked for several times.
	evaluated map[*action.PathSet]*filestate.Snapshot
	trees     map[treeKey]*tree.Tree
	stand     *stand // nil until it is known
}

// compile serves one compiler call.
func (s *Server) compile(ctx context.Context, p *peer, payload []byte) {
	msg, err := wire.DecodeRequest(payload)
	if err != nil {
		s.decline("malformed request")
		return
	}
	if why, drain := s.misfit(msg); why != "" {
		s.decline(why)
		p.answer((&wire.Decline{}).Append(nil))
		if drain {
			s.Drain()
		}
		return
	}
	if s.Broken != "" {
		s.decline("cannot cache")
		d := wire.Decline{Warning: s.Broken + "; compiling without cache"}
		if s.BrokenOnce && s.warned.Swap(true) {
			d.Warning = ""
		}
		p.answer(d.Append(nil))
		return
	}
	j := &job{s: s, p: p, started: time.Now(), msg: msg}
	p.keepAlive()
	if s.Remote != nil {
		s.Remote.Engine.Connect() // while it is found out what is to be compiled
	}
	s.Stats.Do(func(c *stats.Counters) { c.CompileRequests++ })
	if err := j.understand(ctx); err != nil {
		j.runBare(err)
		return
	}
	if j.req == nil { // a question to the compiler, answered
		return
	}
	j.serve(ctx)
}

// misfit says why a caller cannot be served here, and whether this coordinator
// should make room for one that fits.
func (s *Server) misfit(msg *wire.Request) (why string, drain bool) {
	switch {
	case msg.Protocol != wire.Protocol:
		return "other protocol", true
	case msg.Build != wire.BuildID:
		return "other build", true
	case msg.Place != s.Place || s.Place == (wire.Place{}):
		// Its files are others than those of the same names here.
		return "other file system", false
	case !s.Fits(msg.Env, msg.Dir):
		return "other configuration", true
	}
	return "", false
}

func (s *Server) decline(why string) {
	s.Stats.Do(func(c *stats.Counters) { c.Declined.Add(why) })
	s.Log.Debug("declined", "target", "cachepot::coordinator", "reason", why)
}

// understand finds out what is asked for. The error says why it is run bare.
// Where it was a question and is answered, j.req stays nil.
func (j *job) understand(ctx context.Context) error {
	recache, noCache, err := j.s.PerCall(j.msg.Env)
	if err != nil {
		return compiler.NotCacheable("%s", err.Error())
	}
	if j.recache = recache; noCache {
		return compiler.NotCacheable("CACHEPOT_NO_CACHE")
	}
	if err := j.recognise(ctx); err != nil {
		return err
	}
	if j.answerQuestion(ctx) {
		return nil
	}
	if j.msg.Device {
		return compiler.NotCacheable("messages to a device")
	}
	return j.read(ctx)
}

// maxChanges is how often a compiler may turn out to be another while a call to
// it is read.
const maxChanges = 3

// read understands a call to the compiler that was recognised, and recognises it
// again where it was not what it seemed to be.
func (j *job) read(ctx context.Context) error {
	for range maxChanges {
		err := j.parse(ctx)
		if !errors.Is(err, toolchain.ErrChanged) {
			return err
		}
		if err := j.recognise(ctx); err != nil {
			return err
		}
	}
	return compiler.NotCacheable("compiler changes")
}

// recognise finds the compiler and its language.
func (j *job) recognise(ctx context.Context) error {
	env := j.environ()
	var err error
	j.tool = nil
	if j.found, err = j.s.Tools.Get(ctx, j.msg.Path, env, j.msg.Dir); err != nil {
		return err
	}
	j.lang = j.s.Languages[j.found.Tool.Family]
	if j.lang == nil {
		return compiler.NotCompilation("unknown compiler")
	}
	j.call = &compiler.Call{
		Arg0: j.msg.Argv[0], Path: j.msg.Path, Args: j.msg.Argv[1:], Dir: j.msg.Dir, Env: env, Tool: j.found.Tool,
		Probe:     func(args, env []string) ([]byte, []byte, error) { return j.ask(ctx, args, env) },
		Variables: j.s.Variables,
		Programs:  func() compiler.Programs { return j.s.Tools.Programs(j.msg.Argv[0], env) },
		Try:       func(t *compiler.Trial) (*compiler.Sight, error) { return j.s.Tools.Try(ctx, t) },
	}
	return nil
}

// environ returns the caller's environment. That of a C compiler has only what matters
// to it in PATH, for its toolchain too is found out under that.
func (j *job) environ() compiler.Environ {
	env := compiler.Environ(j.msg.Env)
	switch toolchain.Family(j.msg.Path) {
	case "gcc", "clang", "cc":
	default:
		return env
	}
	p := j.s.Tools.Programs(j.msg.Argv[0], env)
	if !p.Plain {
		return env
	}
	return env.With("PATH", p.Path)
}

// ask puts a question to the compiler.
func (j *job) ask(ctx context.Context, args, env []string) (stdout, stderr []byte, err error) {
	t := j.tool
	if t == nil {
		if t, err = j.found.Part(ctx, j.found.Plain(), j.p.toolchainProgress()); err != nil {
			return nil, nil, err
		}
	}
	out, err := t.Ask(ctx, args, env, j.msg.Dir)
	return out.Stdout, out.Stderr, err
}

// parse reads the call and finds the part of the compiler that it needs.
func (j *job) parse(ctx context.Context) error {
	var err error
	if j.inv, err = j.lang.Parse(j.call); err != nil {
		return err
	}
	if err := j.checkOutputs(); err != nil {
		return err
	}
	if j.tool, err = j.found.Part(ctx, j.inv.Part, j.p.toolchainProgress()); err != nil {
		return err
	}
	j.takeFaces()
	j.req = j.locatedFace().req
	return nil
}

// answerQuestion answers rustc's questions about itself from memory. Where it
// cannot yet, the compiler answers and is examined once the caller has gone on:
// the first compile comes soon.
func (j *job) answerQuestion(ctx context.Context) bool {
	if !j.isQuestion() {
		return false
	}
	tool := j.found.Ready("")
	if tool == nil {
		j.runBare(compiler.NotCompilation("--version"))
		_, _ = j.found.Part(ctx, "", func(done, total int64) {}) // the next call meets the error again
		return true
	}
	out, err := tool.Ask(ctx, j.call.Args, nil, "/")
	if err != nil {
		return false
	}
	j.s.Stats.Do(func(c *stats.Counters) { c.NotCompile++ })
	j.p.answer((&wire.Restore{Stdout: out.Stdout, Stderr: out.Stderr}).Append(nil))
	return true
}

// isQuestion reports whether the call asks for nothing but the version. Cargo
// names rustc to its wrapper clippy-driver, which then speaks for it.
func (j *job) isQuestion() bool {
	args := j.call.Args
	if j.found.Tool.Family == "clippy" && len(args) > 1 && filepath.Base(args[0]) == "rustc" {
		args = args[1:]
	} else if j.found.Tool.Family != "rustc" {
		return false
	}
	asks := false
	for _, a := range args {
		switch a {
		case "-vV", "-V", "--version":
			asks = true
		case "-v", "--verbose":
		default:
			return false
		}
	}
	_, forced := j.call.Env.Lookup("RUSTC_FORCE_RUSTC_VERSION")
	return asks && !forced
}

// runBare has the wrapper become the compiler, and counts why.
func (j *job) runBare(err error) {
	var bare *compiler.Bare
	isBare := errors.As(err, &bare)
	j.s.Stats.Do(func(c *stats.Counters) {
		switch {
		case !isBare:
			c.CacheErrors.Add("unknown", "none")
		case bare.Reason == "unknown compiler":
			c.UnsupportedCompiler++
		case bare.NotCompilation:
			c.NotCompile++
			c.NotCached.Add(bare.Reason)
		default:
			c.NotCacheable++
			c.NonCacheableCompiles++
			c.NotCached.Add(bare.Reason)
		}
	})
	outcome := "error"
	if isBare && bare.NotCompilation {
		outcome = "no compile"
	} else if isBare {
		outcome = "not cached"
	} else {
		j.s.Log.Error("call failed", "target", "cachepot::coordinator", "error", err)
	}
	j.s.journal.add(j.note(outcome, err.Error()))
	if done := j.producing(); done != nil {
		j.runReported(done)
		return
	}
	j.p.answer((&wire.Decline{}).Append(nil))
}

// producing tells the language that the call is about to run.
func (j *job) producing() func(bool, map[string]digest.Digest) {
	if p, ok := j.lang.(compiler.Producer); ok && j.call != nil {
		return p.Producing(j.call)
	}
	return nil
}

// runReported has the compiler run as the caller called it, and tells done of its
// end.
func (j *job) runReported(done func(bool, map[string]digest.Digest)) {
	run := wire.Run{Bare: true, Path: j.msg.Path, Argv: j.msg.Argv, Env: j.msg.Env}
	j.p.answer(run.Append(nil))
	exited, err := j.report()
	done(err == nil && exited.Status == 0, nil)
	j.p.send(wire.Frame(wire.KindAck, nil))
}

// serve answers with a stored result or has the compiler run.
func (j *job) serve(ctx context.Context) {
	j.s.Stats.Do(func(c *stats.Counters) { c.Executed++ })
	before := j.learned()
	if !j.recache && (j.hit(ctx) || j.standsHit(ctx)) {
		return
	}
	// One of several equal calls compiles; the others wait for it and look again.
	// A leader that fails leaves the lock to one of them.
	waited, ok := j.req.lead(ctx)
	if !ok {
		return
	}
	defer j.req.leave()
	// Who was let in at once, and nobody has stored anything since, would find the same.
	again := waited || j.learned() != before || j.s.Stands != nil
	if again && !j.recache && (j.hit(ctx) || j.standsHit(ctx)) {
		return
	}
	if j.recache {
		j.s.Stats.Do(func(c *stats.Counters) { c.ForcedRecaches++ })
	}
	j.miss(ctx)
}

// learned counts the results that were stored for the call's requests.
func (j *job) learned() uint64 {
	var n uint64
	for _, f := range j.faces {
		n += f.req.learned.Load()
	}
	return n
}
