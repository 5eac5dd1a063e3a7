package action

import (
	"encoding/binary"
	"errors"

	"github.com/cachepot/cachepot/internal/digest"
)

// Recipe is an action written out: what it was made of, file by file. It lets a
// later miss be explained and an entry be made again; no key is derived from it.
type Recipe struct {
	Request   digest.Digest
	Toolchain digest.Digest // of the toolchain's tree alone
	Part      string        // which part of the compiler that is
	PathSet   digest.Digest
	Command   Command
	// Files are the inputs beyond the toolchain, by real path; Links the symbolic
	// links and Dirs the directories on the way.
	Files []RecipeFile
	Links []RecipeLink
	Dirs  []string
	// Roots are the directories that the action names by fixed places, and where they
	// lay when it ran.
	Roots []RecipeRoot
	// Located is why the result is for its own directory alone, "" where it is not, or
	// where that is not known.
	Located string
}

// RecipeRoot is one such directory.
type RecipeRoot struct{ Place, Real string }

// RecipeFile is an input file.
type RecipeFile struct {
	Path       string
	Digest     digest.Digest
	Executable bool
}

// RecipeLink is a symbolic link.
type RecipeLink struct{ Path, Target string }

// A recipe is encoded as
//
//	recipe  = "RC3" digest(request) digest(toolchain) text(part) digest(pathset)
//	          list(args) list(env) text(dir) list(outputs)
//	          count file* count link* list(dirs) count root* [ text(located) ]
//	file    = text(path) digest byte(executable)
//	link    = text(path) text(target)
//	root    = text(place) text(real)
//	digest  = 32*byte count(size)
//
// with the terms of a path set's grammar.
const recipeMagic = "RC3"

var errRecipe = errors.New("not a recipe")

// Encode returns the encoding of r.
func (r *Recipe) Encode() []byte {
	b := make([]byte, 0, 4096+len(r.Files)*100)
	b = append(b, recipeMagic...)
	b = appendText(appendDigest(appendDigest(b, r.Request), r.Toolchain), r.Part)
	b = appendDigest(b, r.PathSet)
	b = appendList(appendList(b, r.Command.Args), r.Command.Env)
	b = appendList(appendText(b, r.Command.Dir), r.Command.Outputs)
	b = binary.AppendUvarint(b, uint64(len(r.Files)))
	for i := range r.Files {
		f := &r.Files[i]
		b = appendDigest(appendText(b, f.Path), f.Digest)
		if f.Executable {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(r.Links)))
	for _, l := range r.Links {
		b = appendText(appendText(b, l.Path), l.Target)
	}
	b = binary.AppendUvarint(appendList(b, r.Dirs), uint64(len(r.Roots)))
	for _, root := range r.Roots {
		b = appendText(appendText(b, root.Place), root.Real)
	}
	if r.Located != "" {
		b = appendText(b, r.Located)
	}
	return b
}

// DecodeRecipe reads what Encode wrote.
func DecodeRecipe(b []byte) (*Recipe, error) {
	if len(b) < len(recipeMagic) || string(b[:len(recipeMagic)]) != recipeMagic {
		return nil, errRecipe
	}
	rd := reader{b: b[len(recipeMagic):]}
	r := &Recipe{Request: rd.digest(), Toolchain: rd.digest(), Part: rd.text(), PathSet: rd.digest()}
	r.Command.Args, r.Command.Env = rd.list(), rd.list()
	r.Command.Dir, r.Command.Outputs = rd.text(), rd.list()
	for n := rd.count(); n > 0 && !rd.bad; n-- {
		r.Files = append(r.Files, RecipeFile{rd.text(), rd.digest(), rd.byte() == 1})
	}
	for n := rd.count(); n > 0 && !rd.bad; n-- {
		r.Links = append(r.Links, RecipeLink{rd.text(), rd.text()})
	}
	r.Dirs = rd.list()
	for n := rd.count(); n > 0 && !rd.bad; n-- {
		r.Roots = append(r.Roots, RecipeRoot{rd.text(), rd.text()})
	}
	if len(rd.b) > 0 {
		r.Located = rd.text()
	}
	if rd.bad || len(rd.b) != 0 {
		return nil, errRecipe
	}
	return r, nil
}

func appendDigest(b []byte, d digest.Digest) []byte {
	return binary.AppendUvarint(append(b, d.Hash[:]...), uint64(d.Size))
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) digest() digest.Digest {
	var d digest.Digest
	if len(r.b) < len(d.Hash) {
		r.bad, r.b = true, nil
		return d
	}
	copy(d.Hash[:], r.b)
	r.b = r.b[len(d.Hash):]
	n, w := binary.Uvarint(r.b)
	if w <= 0 || int64(n) < 0 {
		r.bad, r.b = true, nil
		return d
	}
	r.b = r.b[w:]
	d.Size = int64(n)
	return d
}
