// Package execute carries one action out: it reads and checks the action, its command
// and its input tree, none of which is believed, lays the tree out, runs the command in
// a sandbox and stores what it left. Nothing that a client names is a path of this
// machine: paths are those of the job's root.
//
// There are two sorts of realms. In ours the input tree is the root of the job and
// nothing else is in it. In the one realm of foreign clients, where the worker's
// configuration has one, the tree lies at Workspace, and directories of this machine can
// be read besides, which no digest covers: what comes of it is for nobody else.
//
// The worker imports it. It imports digest, sandbox and the packages of a worker that
// keep blobs and lay out trees.
package execute

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/layout"
	"github.com/cachepot/cachepot/internal/sandbox"
)

// Workspace is where the input tree of a foreign client's action lies.
const Workspace = "/workspace"

// Config is what an Executor works with.
type Config struct {
	Layout  *layout.Layout
	Sandbox *sandbox.Sandbox
	Limits  sandbox.Limits // of a job; Wall also bounds what an action may ask for
	Worker  string         // what results call this worker
	ISA     string         // the machine's instruction set, as actions name it
	Foreign *Foreign       // nil: no foreign clients
	Now     func() time.Time
}

// Foreign is the realm of clients whose actions want programs of this machine.
type Foreign struct {
	Realm string
	Base  string // a directory of this machine that jobs can read, where it is: /usr
}

// Executor carries actions out. It is safe for concurrent use.
type Executor struct{ config Config }

// New returns an Executor.
func New(c Config) *Executor { return &Executor{c} }

// Job is an action that can be run.
type Job struct {
	Action     digest.Digest
	DoNotCache bool

	realm   *blobs.Realm
	foreign *Foreign // nil: one of ours
	tree    *layout.Tree
	run     sandbox.Job
	outputs []output
	timed   bool // the action says how long it may take
	pinned  []digest.Digest
}

// Largest returns the largest file of the job's inputs.
func (j *Job) Largest() digest.Digest { return j.tree.Largest() }

// ErrTimeout is wrapped by the error for a command that took longer than its action lets it.
var ErrTimeout = errors.New("timeout of the action")

// output is what a command may leave.
type output struct {
	name string // as the client calls it
	path string // in the job's root
	want want
}

// Run runs the job and stores what it left. stage is told when the command is about to
// start. The error wraps sandbox.ErrLimit where the job took too much; then what it
// printed is lost. A command that fails is no error.
func (x *Executor) Run(ctx context.Context, j *Job, stage func()) (*repb.ActionResult, error) {
	release := j.realm.Store().Pin(j.pinned)
	defer release()
	meta := &repb.ExecutedActionMetadata{Worker: x.config.Worker, WorkerStartTimestamp: x.stamp(), InputFetchStartTimestamp: x.stamp()}
	var shape layout.Shape
	if j.foreign != nil {
		shape = layout.Shape{Prefix: Workspace, Links: j.foreign.links()}
	}
	root, err := x.config.Layout.Materialise(ctx, j.realm, j.tree, shape)
	if err != nil {
		return nil, err
	}
	defer root.Release()
	meta.InputFetchCompletedTimestamp, meta.ExecutionStartTimestamp = x.stamp(), x.stamp()
	stage()
	job := j.run
	job.Layers = root.Layers
	begun := x.config.Now()
	r, err := x.config.Sandbox.Run(ctx, &job)
	if err != nil {
		if j.timed && errors.Is(err, sandbox.ErrLimit) && x.config.Now().Sub(begun) >= job.Limits.Wall {
			return nil, fmt.Errorf("%w: %w", ErrTimeout, err)
		}
		return nil, err
	}
	defer r.Close()
	meta.ExecutionCompletedTimestamp, meta.OutputUploadStartTimestamp = x.stamp(), x.stamp()
	result := &repb.ActionResult{ExitCode: int32(r.Status), ExecutionMetadata: meta}
	if err := j.keep(ctx, r, result); err != nil {
		return nil, err
	}
	meta.OutputUploadCompletedTimestamp, meta.WorkerCompletedTimestamp = x.stamp(), x.stamp()
	return result, nil
}

func (x *Executor) stamp() *timestamppb.Timestamp { return timestamppb.New(x.config.Now()) }

// links are those in the root of this machine that lead into the base: /bin and /lib,
// where these are parts of /usr.
func (f *Foreign) links() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + name)
		if err != nil {
			continue
		}
		abs := target
		if !filepath.IsAbs(abs) {
			abs = filepath.Join("/", target)
		}
		if abs == f.Base || strings.HasPrefix(abs, f.Base+"/") {
			out[name] = strings.TrimPrefix(abs, "/")
		}
	}
	return out
}

func message(d digest.Digest) *repb.Digest {
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}

// Realm returns the realm whose action it is.
func (j *Job) Realm() *blobs.Realm { return j.realm }
