package action

import (
	"fmt"
	"path"
	"sort"
	"strings"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// Salt numbers the canonical form. Whoever changes what a byte of an action
// means, the rules for inputs included, counts it up: old entries are then
// entries of other actions.
const Salt = "cachepot-1"

// Command is one compilation, less its input tree.
type Command struct {
	Args    []string // Args[0] is the absolute path of the executable
	Env     []string // "NAME=value"; order does not matter
	Dir     string   // working directory, absolute
	Outputs []string // relative to Dir or absolute; order does not matter
}

// Canonical is an action in its one form.
type Canonical struct {
	Digest  digest.Digest // the key, in every tier
	Action  []byte        // encoded Action
	Command []byte        // encoded Command
	Outputs []string      // as Command names them
}

// New returns the canonical action of cmd over the input tree root, which
// stands for "/". isa names the instruction set ("x86-64").
func New(cmd *Command, root digest.Digest, isa string) (*Canonical, error) {
	return Rendered(cmd, root, isa, nil)
}

// Rendered returns the action of cmd as an engine wants it that has to be told other
// things of the platform: properties, as "name=value". Without any it is the canonical
// one; no other is ever a key.
func Rendered(cmd *Command, root digest.Digest, isa string, properties []string) (*Canonical, error) {
	msg, err := command(cmd)
	if err != nil {
		return nil, err
	}
	platform, err := platform(isa, properties)
	if err != nil {
		return nil, err
	}
	if len(properties) > 0 {
		msg.Platform = platform // where engines before 2.2 look
	}
	enc := proto.MarshalOptions{Deterministic: true}
	c := &Canonical{Outputs: msg.OutputPaths}
	if c.Command, err = enc.Marshal(msg); err != nil {
		return nil, fmt.Errorf("encode command: %w", err)
	}
	cd := digest.Of(c.Command)
	act := &repb.Action{
		CommandDigest:   &repb.Digest{Hash: cd.Hex(), SizeBytes: cd.Size},
		InputRootDigest: &repb.Digest{Hash: root.Hex(), SizeBytes: root.Size},
		Salt:            []byte(Salt),
		Platform:        platform,
	}
	if c.Action, err = enc.Marshal(act); err != nil {
		return nil, fmt.Errorf("encode action: %w", err)
	}
	c.Digest = digest.Of(c.Action)
	return c, nil
}

// platform returns the properties of an action, in order of names.
func platform(isa string, properties []string) (*repb.Platform, error) {
	if len(properties) == 0 {
		properties = []string{"ISA=" + isa, "OSFamily=linux", "root=input"}
	}
	p := &repb.Platform{}
	for _, kv := range properties {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("platform property %q is not of the form name=value", kv)
		}
		p.Properties = append(p.Properties, &repb.Platform_Property{Name: name, Value: value})
	}
	sort.SliceStable(p.Properties, func(i, j int) bool {
		a, b := p.Properties[i], p.Properties[j]
		return a.Name < b.Name || a.Name == b.Name && a.Value < b.Value
	})
	return p, nil
}

// ISA returns the instruction set's name in platform properties for a GOARCH.
func ISA(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86-64"
	case "arm64":
		return "arm-v8"
	}
	return goarch
}

func command(cmd *Command) (*repb.Command, error) {
	if !strings.HasPrefix(cmd.Dir, "/") || len(cmd.Args) == 0 {
		return nil, fmt.Errorf("command without a directory or an executable")
	}
	msg := &repb.Command{
		Arguments:        cmd.Args,
		WorkingDirectory: strings.TrimPrefix(path.Clean(cmd.Dir), "/"),
	}
	for _, kv := range cmd.Env {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fmt.Errorf("environment entry %q has no value", kv)
		}
		msg.EnvironmentVariables = append(msg.EnvironmentVariables,
			&repb.Command_EnvironmentVariable{Name: name, Value: value})
	}
	sort.SliceStable(msg.EnvironmentVariables, func(i, j int) bool {
		return msg.EnvironmentVariables[i].Name < msg.EnvironmentVariables[j].Name
	})
	for _, o := range cmd.Outputs {
		msg.OutputPaths = append(msg.OutputPaths, fromDir(path.Clean(cmd.Dir), o))
	}
	msg.OutputPaths = sortUnique(msg.OutputPaths)
	return msg, nil
}

// fromDir spells p relative to dir, as output paths must be.
func fromDir(dir, p string) string {
	if !strings.HasPrefix(p, "/") {
		return path.Clean(p)
	}
	p = path.Clean(p)
	up := ""
	for dir != "/" && p != dir && !strings.HasPrefix(p, dir+"/") {
		dir, up = path.Dir(dir), up+"../"
	}
	return up + strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
}
