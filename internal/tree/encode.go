package tree

import (
	"encoding/hex"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cachepot/cachepot/internal/digest"
)

// Directory messages are written by hand: a tree of some hundred nodes is made anew for
// almost every miss, and by way of the messages' own types that takes half as long again
// and three times as many allocations. The fields of the protocol:
//
//	Directory     = 1 FileNode* 2 DirectoryNode* 3 SymlinkNode*
//	FileNode      = 1 name 2 Digest [4 executable]
//	DirectoryNode = 1 name 2 Digest
//	SymlinkNode   = 1 name 2 target
//	Digest        = 1 hash [2 size]
const (
	fieldFiles       protowire.Number = 1
	fieldDirectories protowire.Number = 2
	fieldSymlinks    protowire.Number = 3
)

// appendNode appends a FileNode or a DirectoryNode.
func appendNode(b []byte, field protowire.Number, name string, d digest.Digest, executable bool) []byte {
	const hash = 2 * len(d.Hash)
	inner := 1 + protowire.SizeBytes(hash)
	if d.Size != 0 {
		inner += 1 + protowire.SizeVarint(uint64(d.Size))
	}
	size := sizeText(name) + 1 + protowire.SizeBytes(inner)
	if executable {
		size += 2
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(size))
	b = appendText(b, 1, name)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.BytesType), uint64(inner))
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.BytesType), uint64(hash))
	b = hex.AppendEncode(b, d.Hash[:])
	if d.Size != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(d.Size))
	}
	if executable {
		b = protowire.AppendVarint(protowire.AppendTag(b, 4, protowire.VarintType), 1)
	}
	return b
}

// appendLink appends a SymlinkNode.
func appendLink(b []byte, name, target string) []byte {
	b = protowire.AppendVarint(protowire.AppendTag(b, fieldSymlinks, protowire.BytesType), uint64(sizeText(name)+sizeText(target)))
	return appendText(appendText(b, 1, name), 2, target)
}

// appendText appends a field of text; one that is empty is left out.
func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func sizeText(s string) int {
	if s == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(s))
}
