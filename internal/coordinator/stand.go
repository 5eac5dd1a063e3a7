package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/tree"
	"github.com/cachepot/cachepot/internal/wire"
)

// stand is what becomes of a call elsewhere whose compiler the user has configured: see
// docs/adr/0012.
type stand struct {
	job  *job   // the same call of the compiler of an archive
	home string // why it runs here
	err  error  // why there is no job though there should be
}

// takeStand finds out what the configuration says of the call's compiler; once.
func (j *job) takeStand(ctx context.Context) *stand {
	if j.stand != nil {
		return j.stand
	}
	j.stand = &stand{}
	if j.s.Remote == nil {
		return j.stand
	}
	o := j.s.Stands.Find(j.msg.Path)
	switch {
	case o == nil:
	case o.NoDist:
		j.stand.home = "dist.toolchains: no_dist"
	default:
		j.stand.job, j.stand.err = j.standIn(ctx, o)
		if bare, ok := errors.AsType[*compiler.Bare](j.stand.err); ok {
			j.stand.home, j.stand.err = bare.Reason, nil
		}
	}
	return j.stand
}

// standIn returns the call as one of the archive's compiler, at that compiler's path.
func (j *job) standIn(ctx context.Context, o *toolchain.Override) (*job, error) {
	tool, err := j.s.Stands.Get(ctx, o, j.tool, j.p.toolchainProgress())
	if err != nil {
		return nil, err
	}
	k := &job{s: j.s, p: j.p, started: j.started, msg: j.msg, found: j.found, tool: tool, lang: j.lang, recache: j.recache}
	env := compiler.Environ(j.msg.Env)
	if _, set := env.Lookup("PATH"); set {
		env = env.With("PATH", tool.Programs())
	}
	k.call = &compiler.Call{
		Arg0: tool.Path, Path: tool.Path, Args: j.call.Args, Dir: j.call.Dir, Env: env, Tool: tool.Tool, Here: tool.Here(),
		Probe: func(args, env []string) ([]byte, []byte, error) {
			out, err := tool.Ask(ctx, args, env, j.call.Dir)
			return out.Stdout, out.Stderr, err
		},
		Variables: j.s.Variables,
		Programs:  func() compiler.Programs { return compiler.Programs{Path: tool.Programs(), Plain: true} },
	}
	if err := j.unlikeTool(tool.Tool); err != nil {
		return nil, err
	}
	if k.inv, err = k.lang.Parse(k.call); err != nil {
		return nil, err
	}
	if k.inv.Part != j.inv.Part {
		return nil, &toolchain.Unusable{Label: "toolchain archive is for another compiler", Detail: k.inv.Part + " in place of " + j.inv.Part}
	}
	f := &face{j: k, args: k.inv.Args, env: k.inv.Env, tool: tool.Digest}
	f.take()
	k.faces, k.located, k.req = []*face{f}, "the compiler is one of an archive", f.req
	k.stand = &stand{}
	return k, nil
}

// oneVersion reports whether arguments have something made or read that only the same
// version of a compiler reads.
func oneVersion(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		for _, prefix := range []string{"-flto", "-emit-llvm", "--coverage", "-fprofile", "-ftest-coverage", "-fmodule", "-fplugin", "-fpass-plugin", "-Xclang"} {
			if strings.HasPrefix(a, prefix) {
				return true
			}
		}
		return false
	})
}

// unlikeTool says why what the archive's compiler makes of the call does not go with what
// the compiler here makes, nil where it does.
func (j *job) unlikeTool(other compiler.Tool) error {
	names := slices.ContainsFunc(j.call.Args, func(a string) bool { return a == "-target" || strings.HasPrefix(a, "--target=") })
	switch local := j.call.Tool; {
	case other.Target != local.Target && !names:
		return &toolchain.Unusable{Label: "toolchain archive is for another compiler",
			Detail: "it compiles for " + other.Target + ", the compiler here for " + local.Target}
	case other.Version != local.Version && oneVersion(j.call.Args):
		return compiler.NotCacheable("makes what only one version of the compiler reads, and the toolchain archive has another")
	}
	return nil
}

// namesHere refuses lists of dependencies with files that only the archive has: make
// would look for them here.
func (j *job) namesHere(outputs []taken) error {
	if j.call.Here == nil {
		return nil
	}
	for i := range outputs {
		o := &outputs[i]
		if o.Text == nil {
			continue
		}
		text, err := io.ReadAll(o.staged.Content())
		if err != nil {
			return err
		}
		absent := ""
		_, ok := o.Text(text, func(words []byte) []byte {
			for _, w := range strings.Fields(string(words)) {
				if p := j.at(strings.TrimSuffix(w, ":")); j.tool.Only(p) {
					absent = p
				}
			}
			return words
		})
		if absent != "" || !ok {
			return &unlike{label: "a list of dependencies names a file of the archive", detail: absent}
		}
	}
	return nil
}

// standsHit answers with a stored result of the archive's compiler, if one stands in the
// place of the call's.
func (j *job) standsHit(ctx context.Context) bool {
	s := j.takeStand(ctx)
	return s.job != nil && s.job.hit(ctx)
}

// elsewhere has the call compiled elsewhere and answers the caller; false where it has to
// be compiled here.
func (j *job) elsewhere(ctx context.Context, scratch string) bool {
	if j.s.Remote == nil {
		return false
	}
	switch s := j.takeStand(ctx); {
	case s.home != "":
		j.stays(s.home)
		return false
	case s.err != nil:
		j.warnOnce(s.err)
		return j.fallBack(s.err)
	case s.job != nil:
		return s.job.remotely(ctx, scratch)
	}
	return j.remotely(ctx, scratch)
}

// warnOnce tells the caller of a toolchain that cannot be used, unless one was told that.
func (j *job) warnOnce(err error) {
	if !toolchain.IsUnusable(err) {
		return
	}
	if _, told := j.s.told.LoadOrStore(err.Error(), true); !told {
		j.p.send((&wire.Notice{Text: "warning: " + err.Error() + "; compiling here"}).Append(nil))
	}
}

// Asker returns what runs a compiler of an archive elsewhere, to ask it about itself.
func (r *Remote) Asker(isa string) toolchain.Runner {
	return func(ctx context.Context, t *toolchain.Toolchain, q toolchain.Question) (toolchain.Answer, error) {
		if err := r.ready(ctx, isa); err != nil {
			return toolchain.Answer{}, err
		}
		a, err := r.ask(ctx, isa, t, q)
		if err != nil {
			r.failed(err)
		}
		return a, err
	}
}

func (r *Remote) ask(ctx context.Context, isa string, t *toolchain.Toolchain, q toolchain.Question) (toolchain.Answer, error) {
	var a toolchain.Answer
	var b tree.Builder
	t.AddTo(&b)
	b.Dir(q.Dir)
	root, err := b.Build()
	if err != nil {
		return a, err
	}
	act, err := action.Rendered(&action.Command{Args: q.Args, Env: q.Env, Dir: q.Dir}, root.Root, isa, r.Properties)
	if err != nil {
		return a, err
	}
	job := &reapi.Job{Action: act.Digest, Believe: r.Believe, Blobs: blobsOf(t.Files(), root, act)}
	res, err := r.Engine.Execute(ctx, job)
	if err != nil {
		return a, err
	}
	if a.Stdout, err = r.printed(ctx, res.Stdout); err != nil {
		return a, err
	}
	if a.Stderr, err = r.printed(ctx, res.Stderr); err != nil {
		return a, err
	}
	if res.ExitCode != 0 {
		return a, &toolchain.Unusable{Label: "toolchain archive's compiler does not run",
			Detail: fmt.Sprintf("%v: status %d: %s", q.Args, res.ExitCode, firstLine(a.Stderr, a.Stdout))}
	}
	return a, nil
}

// printed returns what a program printed elsewhere.
func (r *Remote) printed(ctx context.Context, t reapi.Text) ([]byte, error) {
	if max(t.Digest.Size, int64(len(t.Raw))) > maxPrinted {
		return nil, compiler.NotCacheable("too many messages")
	}
	if t.Digest.IsZero() {
		return t.Raw, nil
	}
	got, err := r.Engine.Fetch(ctx, []digest.Digest{t.Digest})
	return got[t.Digest], err
}
