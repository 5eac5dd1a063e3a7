package coordinator

import (
	"bytes"
	"io"
	"path"
	"slices"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/roots"
	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/wire"
)

// faceOf decides under which face a run is stored. For the shared one it returns the
// outputs that are text, by their numbers, with fixed places in them.
func (j *job) faceOf(m *made, n *Note) (*face, map[int][]byte, error) {
	located := j.locatedFace()
	if j.s.Roots == nil {
		return located, nil, nil
	}
	why := j.located
	if f := j.faces[0]; f != located {
		var texts map[int][]byte
		var err error
		if texts, why, err = f.betrayed(m.x, m.paths, m.snap, m.outputs); err != nil {
			return nil, nil, err
		}
		if m.away && j.places.Macros {
			why = "macros ran elsewhere, and which they were is not known"
		}
		if why == "" {
			return f, texts, nil
		}
	}
	j.located = why
	j.stay(why, n)
	return located, nil, nil
}

// stay counts why a result is for this directory alone.
func (j *job) stay(why string, n *Note) {
	j.s.Stats.Do(func(c *stats.Counters) { c.Located.Add(why) })
	n.Reason = alone + why
}

// leadsOut is why a call is located that goes from one directory of it to another, or
// to what lies beside, in steps that depend on how they are called.
const leadsOut = "a path leads out of the project in relative steps"

// betrayed returns how the real places show in what a run has left, "" where they
// do not, and then the outputs that are text and named them, with fixed ones.
func (f *face) betrayed(x *wire.Exited, paths *action.PathSet, snap *filestate.Snapshot, outputs []taken) (texts map[int][]byte, why string, err error) {
	if slices.ContainsFunc(paths.Found, func(p string) bool { return f.places.Leaves(f.j.at(p)) }) || slices.ContainsFunc(snap.Links(), f.linkLeaves) {
		return nil, leadsOut, nil
	}
	if f.climbs(paths, snap) {
		return nil, "a file above the project is read", nil
	}
	if slices.ContainsFunc(paths.Found, func(p string) bool { return f.j.mapsTouch(f.places, f.j.at(p)) }) {
		return nil, beside, nil
	}
	if paths.SpeaksOfFile && slices.ContainsFunc(f.j.places.Spelled, f.showsInMacros) {
		return nil, "a source asks for its own name, which holds the project's directory", nil
	}
	if slices.ContainsFunc(paths.Renamed, func(p string) bool { return f.places.Names([]byte(p)) != "" }) {
		return nil, "a #line names the project's directory", nil
	}
	asked := paths.Asked
	if asked == nil {
		asked = paths.EnvNames
	}
	for _, kv := range lookup(f.j.call.Env, asked) {
		if f.places.Names([]byte(kv)) != "" && !slices.Contains(paths.Leading, compiler.Name(kv)) {
			return nil, "a source asks for a variable that names the project's directory", nil
		}
	}
	if why, err := f.inputsName(snap); why != "" || err != nil {
		return nil, why, err
	}
	for _, text := range [][]byte{x.Stdout, x.Stderr} {
		if why := f.messageNames(text); why != "" {
			return nil, why, nil
		}
	}
	texts = make(map[int][]byte)
	for i := range outputs {
		text, why, err := f.move(&outputs[i])
		if why != "" || err != nil {
			return nil, why, err
		}
		if text != nil {
			texts[i] = text
		}
	}
	return texts, "", nil
}

// messageNames returns why a message cannot be told elsewhere, "" where it can.
func (f *face) messageNames(text []byte) string {
	fixed := f.places.FixedText(text)
	switch {
	case bytes.Contains(text, []byte(roots.Base)):
		return standIn
	case f.places.Names(fixed) != "":
		return "messages name the project's directory"
	case !bytes.Equal(fixed, text) && (f.j.msg.Columns > 0 || f.j.places.Wraps):
		return "messages name the project's directory, and are wrapped"
	}
	return ""
}

// standIn is why a call is located in whose texts the places of roots stand already:
// where they are read again they would be taken for ours.
const standIn = "a text names a place that stands for directories"

// move returns an output that is text with fixed places in it, nil where it names none,
// and says how real ones show in it or in any other.
func (f *face) move(t *taken) (text []byte, why string, err error) {
	const betrayed = "an output names the project's directory"
	if t.Text == nil {
		named, err := t.speaksOf(f.places)
		if named {
			why = betrayed
		}
		return nil, why, err
	}
	text, err = io.ReadAll(t.staged.Content())
	if err != nil {
		return nil, "", err
	}
	fixed, ok := t.Text(text, f.places.FixedText)
	switch {
	case bytes.Contains(text, []byte(roots.Base)):
		return nil, standIn, nil
	case !ok:
		return nil, "a list of dependencies is laid out in an unknown way", nil
	case f.places.Names(fixed) != "":
		return nil, betrayed, nil
	case bytes.Equal(fixed, text):
		return nil, "", nil
	}
	return fixed, "", nil
}

// speaksOf reports whether an output has what m looks for, in a compressed section too.
func (t *taken) speaksOf(m speech) (bool, error) {
	named, err := names(m, t.staged.Content())
	if err == nil && !named {
		named, err = sectionsName(m, t.staged.Content())
	}
	return named, err
}

// linkLeaves reports whether a symbolic link, given as path and target, leads from one
// root to elsewhere in relative steps.
func (f *face) linkLeaves(link [2]string) bool {
	return !path.IsAbs(link[1]) && f.places.Leaves(path.Dir(link[0])+"/"+link[1])
}

// climbs reports whether something was found above a root by climbing up from it: from its
// fixed place that is not reached.
func (f *face) climbs(paths *action.PathSet, snap *filestate.Snapshot) bool {
	above := func(p string) bool { return paths.Climbed(p, f.places) }
	return slices.ContainsFunc(snap.Files(), func(file filestate.File) bool { return above(file.Path) }) ||
		slices.ContainsFunc(snap.Links(), func(link [2]string) bool { return above(link[0]) })
}

// speech finds out whether a text speaks of something: it returns what, or "".
type speech interface{ Names(text []byte) string }

// names reports whether content speaks of what is looked for, which is no longer than a path.
func names(m speech, content io.Reader) (bool, error) {
	return finds(content, func(b []byte) bool { return m.Names(b) != "" })
}

// finds reports whether content has what in tells of, which is no longer than a path.
func finds(content io.Reader, in func([]byte) bool) (bool, error) {
	const overlap = 4096 // a path is no longer
	size := 1 << 20
	if sized, ok := content.(interface{ Size() int64 }); ok {
		size = int(min(int64(size), max(sized.Size()+1, 2*overlap)))
	}
	buf := make([]byte, 0, size)
	for {
		n, err := io.ReadFull(content, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if in(buf) {
			return true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		buf = append(buf[:0], buf[len(buf)-overlap:]...)
	}
}

// stored returns e as it is kept: by the names of the face. The digests of text
// outputs are those of text with fixed places already.
func (f *face) stored(e *result.Result) *result.Result {
	if f.places == nil {
		return e
	}
	out := *e
	out.Stdout, out.Stderr = f.places.FixedText(e.Stdout), f.places.FixedText(e.Stderr)
	out.Outputs = slices.Clone(e.Outputs)
	for i := range out.Outputs {
		out.Outputs[i].Path = f.place(out.Outputs[i].Path)
	}
	return &out
}

// toReal undoes stored, in e itself.
func (f *face) toReal(e *result.Result) {
	if f.places == nil {
		return
	}
	e.Stdout, e.Stderr = f.places.RealText(e.Stdout), f.places.RealText(e.Stderr)
	for i := range e.Outputs {
		e.Outputs[i].Path = f.real(e.Outputs[i].Path)
	}
}
