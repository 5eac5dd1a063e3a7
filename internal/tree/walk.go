package tree

import (
	"fmt"
	"strings"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// Kind says what a node of a tree is.
type Kind uint8

// The kinds of nodes.
const (
	Directory Kind = iota + 1
	Regular
	Symlink
)

// Node is one node of a tree.
type Node struct {
	Kind       Kind
	Digest     digest.Digest // of a Regular file's content
	Executable bool          // of a Regular file
	Target     string        // of a Symlink
}

// maxNodes bounds a walk: equal directories are one message, so that a few
// kilobytes of messages can stand for more nodes than any disk holds.
const maxNodes = 1 << 18

// Walk calls visit for every node but the root, a directory before what lies in
// it. Paths are absolute. Trees may come from elsewhere: names that would lead
// out of their directory are an error, and so is a directory that is missing.
func (t *Tree) Walk(visit func(path string, n Node) error) error {
	w := &walker{t: t, visit: visit}
	return w.dir("", t.Root)
}

type walker struct {
	t     *Tree
	visit func(string, Node) error
	nodes int
}

func (w *walker) dir(at string, d digest.Digest) error {
	enc, ok := w.t.Dirs[d]
	if !ok {
		return fmt.Errorf("input tree: directory %s (%s) is missing", at, d)
	}
	var msg repb.Directory
	if err := proto.Unmarshal(enc, &msg); err != nil {
		return fmt.Errorf("decode directory %s: %w", at, err)
	}
	for _, f := range msg.Files {
		content, err := digestOf(f.Digest)
		if err != nil {
			return fmt.Errorf("input tree: %s/%s: %w", at, f.Name, err)
		}
		if err := w.node(at, f.Name, Node{Kind: Regular, Digest: content, Executable: f.IsExecutable}); err != nil {
			return err
		}
	}
	for _, l := range msg.Symlinks {
		if err := w.node(at, l.Name, Node{Kind: Symlink, Target: l.Target}); err != nil {
			return err
		}
	}
	for _, sub := range msg.Directories {
		content, err := digestOf(sub.Digest)
		if err != nil {
			return fmt.Errorf("input tree: %s/%s: %w", at, sub.Name, err)
		}
		if err := w.node(at, sub.Name, Node{Kind: Directory}); err != nil {
			return err
		}
		if err := w.dir(at+"/"+sub.Name, content); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) node(at, name string, n Node) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("input tree: %s: %q is no name", at, name)
	}
	if w.nodes++; w.nodes > maxNodes {
		return fmt.Errorf("input tree: more than %d nodes", maxNodes)
	}
	return w.visit(at+"/"+name, n)
}

func digestOf(d *repb.Digest) (digest.Digest, error) {
	return digest.Parse(fmt.Sprintf("%s/%d", d.GetHash(), d.GetSizeBytes()))
}
