package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/archive"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
)

// Blobs keeps the contents of archives. A *cas.Store is one.
type Blobs interface {
	// Path returns the file that holds a blob, verified. An error: it is not there.
	Path(ctx context.Context, d digest.Digest) (string, error)
	// Name returns where a blob lies if it is there.
	Name(d digest.Digest) string
	// PutStream stores all that content yields. An error of content is handed on.
	PutStream(ctx context.Context, content io.Reader) (digest.Digest, error)
}

// Unusable says why a toolchain of the configuration cannot be used. Label is short
// and names no file: it is for the statistics.
type Unusable struct{ Label, Detail string }

func (u *Unusable) Error() string {
	if u.Detail == "" {
		return u.Label
	}
	return u.Label + ": " + u.Detail
}

// Archives knows the contents of toolchain archives. It is safe for concurrent use.
type Archives struct {
	view    *filestate.View
	blobs   Blobs
	records Records // beside the blobs, so that both are lost together
	limit   int64   // bytes that a toolchain may take

	mu   sync.Mutex // guards the map
	held map[string]*heldArchive
}

// NewArchives returns the archives whose contents blobs keeps. limit is how many bytes
// it holds.
func NewArchives(view *filestate.View, blobs Blobs, records Records, limit int64) *Archives {
	return &Archives{view: view, blobs: blobs, records: records, limit: limit, held: make(map[string]*heldArchive)}
}

// heldArchive is what is known of the archive at one path; its lock is held while it is
// read, so that this happens once.
type heldArchive struct {
	mu      sync.Mutex
	packed  *Packed
	refused *Unusable
	of      filestate.ID // the file that this is true of
	checked time.Time    // when the blobs were last seen to be there
}

// checkEvery is how often is looked whether blobs have been evicted. One that is gone
// in between makes an upload fail, and the call is compiled here.
const checkEvery = 20 * time.Second

// Packed is an archive that was read.
type Packed struct {
	path    string
	id      filestate.ID
	blobs   Blobs
	members []archive.Member
	nodes   map[string]*archive.Member // by path
}

// archiveRecord is kept of an archive, as JSON under the digest of
//
//	"archive 1" 0 path 0 limit
//
// and believed while the file's identity is the recorded one.
type archiveRecord struct {
	File    filestate.ID
	Refused *Unusable
	Members []memberRecord
}

type memberRecord struct {
	Path       string
	Digest     string `json:",omitempty"`
	Executable bool   `json:",omitempty"`
	Target     string `json:",omitempty"`
}

// Open returns the archive at path as it is now. The error is an *Unusable where it is
// no good.
func (a *Archives) Open(ctx context.Context, path string, show Progress) (*Packed, error) {
	a.mu.Lock()
	h := a.held[path]
	if h == nil {
		h = &heldArchive{}
		a.held[path] = h
	}
	a.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, &Unusable{"toolchain archive is missing", err.Error()}
	}
	id, err := filestate.Stat(real)
	if err != nil || id.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &Unusable{"toolchain archive is no file", path}
	}
	if h.of == id && h.refused != nil {
		return nil, h.refused
	}
	if h.of == id && h.packed != nil && (time.Since(h.checked) < checkEvery || h.packed.here(ctx)) {
		return h.packed, nil
	}
	h.packed, h.refused, h.of = nil, nil, filestate.ID{}
	if h.packed, h.refused = a.recall(ctx, real, id); h.packed == nil && h.refused == nil {
		h.packed, err = a.read(ctx, real, id, show)
		if u, ok := errors.AsType[*Unusable](err); ok {
			h.refused = u
		} else if err != nil {
			return nil, err
		}
	}
	h.of, h.checked = id, time.Now()
	if h.refused != nil {
		return nil, h.refused
	}
	return h.packed, nil
}

// quietWait is how long is waited until a change of an archive is sure to show.
const quietWait = 20 * time.Millisecond

// read reads the archive and stores what is in it.
func (a *Archives) read(ctx context.Context, path string, id filestate.ID, show Progress) (*Packed, error) {
	start := a.view.Now()
	for end := time.Now().Add(quietWait); !a.view.Quiet(path, start) && time.Now().Before(end); start = a.view.Now() {
		time.Sleep(time.Millisecond)
	}
	steady := a.view.Quiet(path, start)
	f, err := os.Open(path)
	if err != nil {
		return nil, &Unusable{"toolchain archive cannot be read", err.Error()}
	}
	defer f.Close()
	p := &Packed{path: path, id: id, blobs: a.blobs}
	p.members, err = archive.Read(ctx, &metered{f, 0, id.Size, show}, archive.Defaults(a.limit),
		func(content io.Reader, _ int64) (digest.Digest, error) { return a.blobs.PutStream(ctx, content) })
	refused, bad := errors.AsType[*archive.Refused](err)
	if err != nil && !bad {
		return nil, fmt.Errorf("read toolchain archive: %w", err)
	}
	if now, err := filestate.Stat(path); err != nil || now != id {
		return nil, fmt.Errorf("read toolchain archive %s: it changes", path)
	}
	rec := archiveRecord{File: id}
	if bad {
		rec.Refused = &Unusable{"toolchain archive is refused", path + ": " + refused.Error()}
	}
	for _, m := range p.members {
		rec.Members = append(rec.Members, recordOf(m))
	}
	if b, err := json.Marshal(rec); err == nil && steady {
		a.records.Save(ctx, a.key(path), b)
	}
	if bad {
		return nil, rec.Refused
	}
	p.index()
	return p, nil
}

// metered shows how much of a file has been read.
type metered struct {
	f           *os.File
	done, total int64
	show        Progress
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.f.Read(b)
	m.done += int64(n)
	m.show(m.done, m.total)
	return n, err
}

func (a *Archives) key(path string) digest.Digest {
	return recordKey("archive 1", path, strconv.FormatInt(a.limit, 10))
}

// recall returns what an earlier process found in the archive, if all of it is still
// there.
func (a *Archives) recall(ctx context.Context, path string, id filestate.ID) (*Packed, *Unusable) {
	var rec archiveRecord
	b, ok := a.records.Load(ctx, a.key(path))
	if !ok || json.Unmarshal(b, &rec) != nil || rec.File != id {
		return nil, nil
	}
	if rec.Refused != nil {
		return nil, rec.Refused
	}
	p := &Packed{path: path, id: id, blobs: a.blobs}
	for _, r := range rec.Members {
		m, err := r.member()
		if err != nil {
			return nil, nil
		}
		p.members = append(p.members, m)
	}
	if p.index(); !p.here(ctx) {
		return nil, nil
	}
	return p, nil
}

func recordOf(m archive.Member) memberRecord {
	r := memberRecord{Path: m.Path, Executable: m.Executable, Target: m.Target}
	if m.Kind == archive.Regular {
		r.Digest = m.Digest.String()
	}
	return r
}

func (r memberRecord) member() (archive.Member, error) {
	m := archive.Member{Path: r.Path, Kind: archive.Directory, Executable: r.Executable, Target: r.Target}
	var err error
	switch {
	case r.Digest != "":
		m.Kind = archive.Regular
		m.Digest, err = digest.Parse(r.Digest)
	case r.Target != "":
		m.Kind = archive.Symlink
	}
	return m, err
}

func (p *Packed) index() {
	p.nodes = make(map[string]*archive.Member, len(p.members))
	for i := range p.members {
		p.nodes[p.members[i].Path] = &p.members[i]
	}
}

// here reports whether all contents are in the store, and marks them as used.
func (p *Packed) here(ctx context.Context) bool {
	for _, m := range p.members {
		if m.Kind == archive.Regular {
			if _, err := p.blobs.Path(ctx, m.Digest); err != nil {
				return false
			}
		}
	}
	return true
}

// Unchanged reports whether the archive is the file that was read.
func (p *Packed) Unchanged() bool {
	id, err := filestate.Stat(p.path)
	return err == nil && id == p.id
}
