package coordinator

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/wire"
)

// at returns p as a path of the call.
func (j *job) at(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return j.call.Dir + "/" + p
}

// checkOutputs refuses a call whose outputs would not be plain files of their
// own: a device, a FIFO, a link, a file with other names. What the compiler does
// there (and it differs) is not ours to imitate.
func (j *job) checkOutputs() error {
	for _, o := range j.inv.Outputs {
		if o.Unwritten {
			continue
		}
		p := j.at(o.Path)
		if j.s.HardLinks {
			j.takeBack(p)
		}
		var st unix.Stat_t
		err := unix.Lstat(p, &st)
		switch {
		case err == unix.ENOENT:
			dir := filepath.Dir(p)
			if unix.Stat(dir, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
				return compiler.NotCacheable("output directory missing")
			}
			if unix.Access(dir, unix.W_OK) != nil {
				return compiler.NotCacheable("output directory not writable")
			}
		case err != nil:
			return compiler.NotCacheable("output cannot be looked at")
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			return compiler.NotCacheable("output is not a plain file")
		case st.Nlink != 1 && !o.Unlinks:
			return compiler.NotCacheable("output has several names")
		case st.Size == 0 && !o.InPlace && !o.Unlinks:
			// Some assemblers write into an empty file, as mktemp leaves it, and so
			// keep its mode; one with content they replace.
			return compiler.NotCacheable("output is an empty file")
		case unix.Access(p, unix.W_OK) != nil || unix.Access(filepath.Dir(p), unix.W_OK) != nil:
			return compiler.NotCacheable("output not writable")
		}
	}
	return nil
}

// takeBack removes an output that is a blob of ours by another name, as an earlier
// hit has left it: what is compiled now must not be written into the blob.
func (j *job) takeBack(p string) {
	var st, blob unix.Stat_t
	if unix.Lstat(p, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink < 2 {
		return
	}
	f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer f.Close()
	d, err := digest.Read(f)
	if err != nil || unix.Lstat(j.s.Blobs.Name(d), &blob) != nil || blob.Dev != st.Dev || blob.Ino != st.Ino {
		return
	}
	_ = unix.Unlink(p) // else it is found to have several names
}

// restoreFrames returns the frame that puts e in place. fresh are outputs that e was just
// made of, if it was.
func (f *face) restoreFrames(ctx context.Context, e *result.Result, fresh []taken) ([]byte, error) {
	r := &wire.Restore{Stdout: e.Stdout, Stderr: e.Stderr, Files: make([]wire.RestoreFile, len(e.Outputs))}
	for i, o := range e.Outputs {
		file, err := f.restoreFile(ctx, o, fresh)
		if err != nil {
			return nil, err
		}
		r.Files[i] = file
	}
	return r.Append(nil), nil
}

func (f *face) restoreFile(ctx context.Context, o result.Output, fresh []taken) (wire.RestoreFile, error) {
	j := f.j
	kind, ok := f.output(o.Path)
	if !ok {
		return wire.RestoreFile{}, fmt.Errorf("%s is no output of the call", o.Path)
	}
	file := wire.RestoreFile{Path: kind.Path, Mode: o.Mode &^ result.ExactMode}
	if o.Mode&result.ExactMode != 0 {
		file.How |= wire.ExactMode
	}
	if kind.InPlace {
		file.How |= wire.InPlace
	}
	if i := slices.IndexFunc(fresh, func(t taken) bool { return t.Path == o.Path && t.content != nil }); i >= 0 && !j.s.HardLinks {
		file.How |= wire.Inline
		file.Blob = string(fresh[i].content)
		return file, nil
	}
	if f.places != nil && kind.Text != nil {
		text, err := storage.ReadBlob(ctx, j.s.Tier, o.Digest)
		if err != nil {
			return file, err
		}
		real, ok := kind.Text(text, f.places.RealText)
		if !ok {
			return file, fmt.Errorf("%s: not as the compiler lays it out", o.Path)
		}
		file.How |= wire.Inline
		file.Blob = string(real)
		return file, nil
	}
	var err error
	if file.Blob, err = j.s.Blobs.Path(ctx, o.Digest); err != nil {
		return file, err
	}
	if !kind.InPlace && j.s.HardLinks && o.Mode&0o111 == 0 { // a blob has the mode of a document
		file.How |= wire.HardLink
	}
	return file, nil
}

// output returns what the call says of the output that is stored as path. The call may
// spell it in another way.
func (f *face) output(path string) (compiler.Output, bool) {
	for _, o := range f.j.inv.Outputs {
		if o.Path == path || f.place(o.Path) == f.place(path) {
			return o, true
		}
	}
	return compiler.Output{}, false
}

// taken is a copy of an output that the compiler has just written.
type taken struct {
	compiler.Output
	staged    *cas.Staged
	mode      uint32
	published *digest.Digest // the blob that staged has become; nil: none yet
	content   []byte         // of a small one that came from elsewhere; nil: see staged
}

// takeOutputs copies what the compiler wrote. The wrapper still waits, so nobody
// has told the caller yet that the files are there to be changed.
func (j *job) takeOutputs(ctx context.Context, start filestate.Moment) ([]taken, error) {
	var out []taken
	for _, o := range j.inv.Outputs {
		if o.Unwritten {
			continue
		}
		t, err := j.takeOutput(ctx, o, start)
		if err != nil {
			discard(out)
			return nil, err
		}
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

func (j *job) takeOutput(ctx context.Context, o compiler.Output, start filestate.Moment) (*taken, error) {
	f, err := os.OpenFile(j.at(o.Path), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if os.IsNotExist(err) && o.Optional {
		return nil, nil
	}
	if err != nil {
		return nil, compiler.NotCacheable("output missing")
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		return nil, compiler.NotCacheable("output is not a plain file")
	}
	if !j.s.View.StampedSince(j.at(o.Path), st.Dev, st.Ctim.Nano(), start) { // left by an earlier run
		if o.Optional {
			return nil, nil
		}
		return nil, compiler.NotCacheable("output missing")
	}
	staged, err := j.s.Blobs.Stage(ctx, f)
	if err != nil {
		return nil, err
	}
	mode := uint32(created) // in place: the file's own may be that of one that was there before
	if !o.InPlace {
		if mode, err = beforeUmask(st.Mode&0o777, j.msg.Umask); err != nil {
			staged.Discard()
			return nil, err
		}
	}
	return &taken{Output: o, staged: staged, mode: mode}, nil
}

// contentsOf returns the outputs of a result by their absolute paths; nil for nil.
func (j *job) contentsOf(e *result.Result) map[string]digest.Digest {
	if e == nil {
		return nil
	}
	made := make(map[string]digest.Digest, len(e.Outputs))
	for _, o := range e.Outputs {
		made[j.at(o.Path)] = o.Digest
	}
	return made
}

// contents returns the outputs that were taken, for Observed.
func contents(outputs []taken) func(path string) (*io.SectionReader, error) {
	return func(path string) (*io.SectionReader, error) {
		for _, t := range outputs {
			if t.Path == path {
				return t.staged.Content(), nil
			}
		}
		return nil, fmt.Errorf("no output %s", path)
	}
}

// created are the permissions that a program asks for which opens a file to write
// text or data.
const created = 0o666

// beforeUmask returns the permissions that a program asked for when it made a
// file: nearly all ask for 0666 or 0777. A umask that forbids everyone to execute
// hides which.
func beforeUmask(mode, umask uint32) (uint32, error) {
	data, program := created&^umask, 0o777&^umask
	switch {
	case mode == data && data == program:
		return 0, compiler.NotCacheable("umask that hides modes")
	case mode == data:
		return created, nil
	case mode == program:
		return 0o777, nil
	}
	return mode | result.ExactMode, nil
}

// publish makes blobs of outputs, of those in texts with that content.
func (j *job) publish(ctx context.Context, outputs []taken, texts map[int][]byte) ([]result.Output, error) {
	var out []result.Output
	for i := range outputs {
		t := &outputs[i]
		d := t.published
		if text, ok := texts[i]; ok {
			made, err := j.s.Blobs.PutBytes(ctx, text)
			if err != nil {
				return nil, err
			}
			d = &made
		} else if d == nil {
			made, err := t.staged.Publish(ctx)
			if err != nil {
				return nil, err
			}
			d, t.published = &made, &made
		}
		out = append(out, result.Output{Path: t.Path, Digest: *d, Mode: t.mode})
	}
	return out, nil
}

func discard(list []taken) {
	for _, t := range list {
		t.staged.Discard()
	}
}
