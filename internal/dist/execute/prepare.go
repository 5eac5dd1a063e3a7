package execute

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/layout"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/storage"
)

// Refused is the error for an action that no job is made of.
type Refused struct{ Why string }

func (r *Refused) Error() string { return "action: " + r.Why }

func refused(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// Limits of messages, in bytes, and of lists.
const (
	maxAction  = 64 << 10
	maxCommand = 8 << 20 // Linux takes 6 MiB of arguments and environment at most
	maxOutputs = 1 << 12
	maxPath    = 4095
)

// Prepare reads and checks an action of a realm and all that it leads to. The error is
// a *layout.Lacking that names blobs that are missing, as far as they are known, a
// *Refused or *layout.Invalid, or one of the store.
func (x *Executor) Prepare(ctx context.Context, realm *blobs.Realm, name digest.Digest) (*Job, error) {
	var action repb.Action
	if err := read(ctx, realm, name, maxAction, &action); err != nil {
		return nil, err
	}
	commandName, err := parse(action.CommandDigest)
	if err != nil {
		return nil, err
	}
	rootName, err := parse(action.InputRootDigest)
	if err != nil {
		return nil, err
	}
	var lacking layout.Lacking
	var command repb.Command
	if err := read(ctx, realm, commandName, maxCommand, &command); err != nil {
		if !lacks(err, &lacking) {
			return nil, err
		}
	}
	tree, err := x.config.Layout.Load(ctx, realm, rootName)
	if err != nil && !lacks(err, &lacking) {
		return nil, err
	}
	if len(lacking.Blobs) > 0 {
		return nil, &lacking
	}
	j := &Job{Action: name, DoNotCache: action.DoNotCache, realm: realm, tree: tree, pinned: []digest.Digest{name, commandName}}
	if f := x.config.Foreign; f != nil && f.Realm == realm.Name() {
		j.foreign = f
	}
	if err := x.fits(j, &action, &command); err != nil {
		return nil, err
	}
	return j, x.fill(j, &action, &command)
}

// lacks notes what an error says is missing, and reports whether it says so.
func lacks(err error, all *layout.Lacking) bool {
	l, ok := err.(*layout.Lacking)
	if ok {
		all.Blobs = append(all.Blobs, l.Blobs...)
	}
	return ok
}

func read(ctx context.Context, realm *blobs.Realm, d digest.Digest, most int64, to proto.Message) error {
	if d.Size > most {
		return refused("a message of %d bytes", d.Size)
	}
	enc, err := realm.Read(ctx, d)
	if storage.IsMiss(err) {
		return &layout.Lacking{Blobs: []digest.Digest{d}}
	}
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(enc, to); err != nil {
		return refused("%s is no %s", d, to.ProtoReflect().Descriptor().Name())
	}
	return nil
}

func parse(d *repb.Digest) (digest.Digest, error) {
	out, err := digest.Parse(fmt.Sprintf("%s/%d", d.GetHash(), d.GetSizeBytes()))
	if err != nil {
		return out, refused("%.100q is no digest", d.GetHash())
	}
	return out, nil
}

// fits checks that this machine is what the action wants.
func (x *Executor) fits(j *Job, action *repb.Action, command *repb.Command) error {
	platform := action.Platform
	if platform == nil {
		platform = command.Platform //nolint:staticcheck // where clients before 2.2 put it
	}
	rooted := false
	for _, p := range platform.GetProperties() {
		switch p.Name {
		case "OSFamily":
			if !strings.EqualFold(p.Value, "linux") {
				return refused("wants OSFamily %.40q, this is linux", p.Value)
			}
		case "ISA":
			if p.Value != x.config.ISA {
				return refused("wants ISA %.40q, this is %s", p.Value, x.config.ISA)
			}
		case "root":
			if p.Value != "input" {
				return refused("wants root %.40q", p.Value)
			}
			rooted = true
		default:
			if j.foreign == nil {
				return refused("wants %.40q, which this worker does not know", p.Name)
			}
		}
	}
	switch {
	case rooted && j.foreign != nil:
		return refused("wants its input root as /, and this instance is for those that do not")
	case !rooted && j.foreign == nil:
		return refused("does not say root=input; actions that want programs of the worker need the instance of builder.base")
	}
	return nil
}

// fill makes the sandbox's job of a command.
func (x *Executor) fill(j *Job, action *repb.Action, command *repb.Command) error {
	limits := x.config.Limits
	if t := action.Timeout; t != nil {
		if err := t.CheckValid(); err != nil || t.AsDuration() < 0 || t.AsDuration() > limits.Wall {
			return refused("wants a timeout of %s; %s is the most", t.AsDuration(), limits.Wall)
		}
		limits.Wall, j.timed = max(t.AsDuration(), time.Millisecond), true
	}
	top := "/"
	if j.foreign != nil {
		top = Workspace
	}
	dir, err := within(top, top, command.WorkingDirectory)
	if err != nil {
		return err
	}
	if len(command.Arguments) == 0 || slices.ContainsFunc(command.Arguments, hasNUL) {
		return refused("has no arguments, or one with a zero byte")
	}
	j.run = sandbox.Job{Args: slices.Clone(command.Arguments), Dir: dir, Limits: limits}
	if j.run.Args[0], err = program(j.run.Args[0], dir); err != nil {
		return err
	}
	for _, v := range command.EnvironmentVariables {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") || hasNUL(v.Value) {
			return refused("has a variable called %.40q", v.Name)
		}
		j.run.Env = append(j.run.Env, v.Name+"="+v.Value)
	}
	for _, list := range []struct {
		names []string
		want  want
	}{
		{command.OutputPaths, anything},
		// What clients before 2.1 have, and others beside the paths.
		{command.OutputFiles, aFile}, {command.OutputDirectories, aDirectory},
	} {
		if list.want != anything && len(command.OutputPaths) > 0 {
			break
		}
		if err := j.expect(top, dir, list.names, list.want); err != nil {
			return err
		}
	}
	if j.foreign != nil {
		j.run.Shared = []sandbox.Bind{{From: j.foreign.Base}, {From: "/etc/alternatives"}}
		j.run.Writable = []string{Workspace}
	}
	return nil
}

// expect notes outputs, which are named as seen from dir.
func (j *Job) expect(top, dir string, names []string, want want) error {
	if len(j.outputs)+len(names) > maxOutputs {
		return refused("has %d outputs", len(j.outputs)+len(names))
	}
	for _, name := range names {
		p, err := within(top, dir, name)
		if err != nil {
			return err
		}
		if p == top {
			return refused("has its root as an output")
		}
		j.outputs = append(j.outputs, output{name, p, want})
		j.run.Outputs = append(j.run.Outputs, p)
	}
	return nil
}

func hasNUL(s string) bool { return strings.ContainsRune(s, 0) }

// within returns the path that name is from dir, which must not leave top.
func within(top, dir, name string) (string, error) {
	if strings.HasPrefix(name, "/") || hasNUL(name) || len(name) > maxPath {
		return "", refused("names the path %.60q", name)
	}
	at := strings.Split(strings.Trim(dir, "/"), "/")
	if dir == "/" {
		at = nil
	}
	floor := strings.Count(strings.TrimSuffix(top, "/"), "/")
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			if len(at) <= floor {
				return "", refused("names the path %.60q, which leaves the input root", name)
			}
			at = at[:len(at)-1]
		default:
			at = append(at, part)
		}
	}
	return "/" + path.Join(at...), nil
}

// program returns the absolute path of what an action runs.
func program(name, dir string) (string, error) {
	switch {
	case strings.HasPrefix(name, "/"):
		return name, nil
	case strings.Contains(name, "/"):
		return path.Join(dir, name), nil
	}
	return "", refused("runs %.60q: give the program's path", name)
}
