package tree

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestEncoding: what is written by hand is what the protocol's own types write.
func TestEncoding(t *testing.T) {
	var b Builder
	for i := range 40 {
		content := digest.Of([]byte(strings.Repeat("x", i*i*i)))
		content.Size <<= i % 40
		b.File(fmt.Sprintf("/dir%d/%s", i%7, strings.Repeat("name", i+1)), content, i%3 == 0)
		b.Dir(fmt.Sprintf("/dir%d/empty%d", i%5, i))
		b.Symlink(fmt.Sprintf("/dir%d/link%d", i%5, i), strings.Repeat("../é", i+1))
	}
	b.File("/nothing", digest.Of(nil), true)
	got, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[digest.Digest][]byte)
	if root := byTypes(t, &b.root, want); root != got.Root {
		t.Errorf("root %s, want %s", got.Root, root)
	}
	for d, enc := range want {
		if !bytes.Equal(got.Dirs[d], enc) {
			t.Errorf("directory %s: %x, want %x", d, got.Dirs[d], enc)
		}
	}
	if len(got.Dirs) != len(want) {
		t.Errorf("%d directories, want %d", len(got.Dirs), len(want))
	}
	for name, add := range map[string]func(*Builder){
		"file":   func(b *Builder) { b.File("/\xff", digest.Of(nil), false) },
		"dir":    func(b *Builder) { b.Dir("/\xff") },
		"link":   func(b *Builder) { b.Symlink("/\xff", "x") },
		"target": func(b *Builder) { b.Symlink("/x", "\xff") },
	} {
		var b Builder
		add(&b)
		if _, err := b.Build(); err == nil {
			t.Errorf("%s that is no UTF-8: no error", name)
		}
	}
}

// byTypes encodes a directory and those below by the protocol's own types.
func byTypes(t *testing.T, d *dir, all map[digest.Digest][]byte) digest.Digest {
	msg := &repb.Directory{}
	for _, name := range sortedKeys(d.files) {
		f := d.files[name]
		msg.Files = append(msg.Files, &repb.FileNode{Name: name, Digest: Proto(f.digest), IsExecutable: f.exec})
	}
	for _, name := range sortedKeys(d.dirs) {
		msg.Directories = append(msg.Directories, &repb.DirectoryNode{Name: name, Digest: Proto(byTypes(t, d.dirs[name], all))})
	}
	for _, name := range sortedKeys(d.links) {
		msg.Symlinks = append(msg.Symlinks, &repb.SymlinkNode{Name: name, Target: d.links[name]})
	}
	enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg)
	if err != nil {
		t.Fatal(err)
	}
	all[digest.Of(enc)] = enc
	return digest.Of(enc)
}

func BenchmarkBuild(b *testing.B) {
	d := digest.Of([]byte("x"))
	for b.Loop() {
		var t Builder
		for i := range 140 {
			t.File(fmt.Sprintf("/usr/include/x86_64-linux-gnu/bits/dir%d/header%d.h", i%8, i), d, false)
		}
		if _, err := t.Build(); err != nil {
			b.Fatal(err)
		}
	}
}
