package layout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/storage"
)

// pool holds the files that trees link to.
type pool struct {
	dir   string
	limit int64
	now   func() time.Time

	mu      sync.Mutex // guards what follows
	entries map[key]*entry
	bytes   int64
	fresh   int // files begun, which names the next
}

// key names a file: its mode is the inode's, so content that is wanted both ways lies there twice.
type key struct {
	content digest.Digest
	exec    bool
}

// entry is a file of the pool. Whoever finds it not ready makes it so, holding mu.
type entry struct {
	key  key
	used int64 // nanoseconds since 1970; guarded by the pool's mu

	mu    sync.Mutex
	ready bool // it is there, and is what its name says
}

// String returns the name of the file.
func (k key) String() string {
	suffix := ""
	if k.exec {
		suffix = "x"
	}
	return fmt.Sprintf("%s-%d%s", k.content.Hex(), k.content.Size, suffix)
}

func (k key) mode() fs.FileMode {
	if k.exec {
		return 0o555
	}
	return 0o444
}

func parseKey(name string) (key, bool) {
	name, exec := strings.CutSuffix(name, "x")
	hash, size, _ := strings.Cut(name, "-")
	d, err := digest.FromHex(hash, size)
	return key{d, exec}, err == nil
}

// openPool returns the pool in dir. Nothing in it is believed yet. When a file was used
// last is not kept over a start: they all count as used when they were made.
func openPool(dir string, limit int64, now func() time.Time) (*pool, error) {
	p := &pool{dir: dir, limit: limit, now: now, entries: map[key]*entry{}}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read pool: %w", err)
	}
	for _, n := range names {
		k, ok := parseKey(n.Name())
		info, err := n.Info()
		if !ok || err != nil || info.Size() != k.content.Size {
			if err := os.RemoveAll(filepath.Join(dir, n.Name())); err != nil {
				return nil, fmt.Errorf("clear pool: %w", err)
			}
			continue
		}
		p.entries[k] = &entry{key: k, used: info.ModTime().UnixNano()}
		p.bytes += k.content.Size
	}
	return p, nil
}

// has reports whether there is a file with that content.
func (p *pool) has(d digest.Digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[key{d, false}] != nil || p.entries[key{d, true}] != nil
}

// link makes a hard link at a path to the file called k, which is made first where it
// is not there. The error is a *Lacking where the realm does not have the content.
func (p *pool) link(ctx context.Context, k key, realm *blobs.Realm, at string) (*entry, error) {
	for tries := 0; ; tries++ {
		e, err := p.get(ctx, k, realm)
		if err != nil {
			return nil, err
		}
		err = os.Link(p.path(k), at)
		switch {
		case err == nil:
			return e, nil
		case errors.Is(err, syscall.EMLINK):
			// As many names as the file system lets one file have: begin another.
			p.forget(e)
		case !errors.Is(err, fs.ErrNotExist) || tries == 3:
			return nil, fmt.Errorf("lay out tree: %w", err)
		default: // evicted between the two
			p.forget(e)
		}
	}
}

func (p *pool) path(k key) string { return p.dir + "/" + k.String() }

// get returns the entry of a file that is there.
func (p *pool) get(ctx context.Context, k key, realm *blobs.Realm) (*entry, error) {
	e := p.enter(k)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ready {
		return e, nil
	}
	err := p.verify(k)
	if err != nil {
		err = p.take(ctx, k, realm)
	}
	if err != nil {
		p.forget(e)
		return nil, err
	}
	e.ready = true
	p.keep(e)
	return e, nil
}

// keep enters an entry that somebody else has forgotten meanwhile.
func (p *pool) keep(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.entries[e.key] == nil {
		p.entries[e.key] = e
		p.bytes += e.key.content.Size
	}
}

// enter finds or makes an entry and counts its use.
func (p *pool) enter(k key) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[k]
	if e == nil {
		e = &entry{key: k}
		p.entries[k] = e
		p.bytes += k.content.Size
	}
	e.used = p.now().UnixNano()
	return e
}

// forget removes an entry and its file. Links to the file stay what they are.
func (p *pool) forget(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remove(e)
}

func (p *pool) remove(e *entry) {
	if p.entries[e.key] == e {
		delete(p.entries, e.key)
		p.bytes -= e.key.content.Size
		_ = os.Remove(p.path(e.key)) // what stays is put to use or removed at the next start
	}
}

// verify looks whether a file of an earlier process is what its name says.
func (p *pool) verify(k key) error {
	f, err := os.Open(p.path(k))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode() != k.mode() || int(stat.Uid) != os.Geteuid() {
		return storage.ErrWrongContent
	}
	found, err := digest.Read(f)
	if err != nil {
		return err
	}
	if found != k.content {
		return storage.ErrWrongContent
	}
	return nil
}

// take copies a blob of the realm to a new file and verifies the copy, which has its
// name only then.
func (p *pool) take(ctx context.Context, k key, realm *blobs.Realm) error {
	from, err := realm.Open(ctx, k.content)
	if storage.IsMiss(err) {
		return &Lacking{[]digest.Digest{k.content}}
	}
	if err != nil {
		return err
	}
	defer from.Close()
	p.mu.Lock()
	p.fresh++
	temp := filepath.Join(p.dir, fmt.Sprintf("new-%d", p.fresh))
	p.mu.Unlock()
	to, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("take in file: %w", err)
	}
	defer os.Remove(temp) // has another name by then, if all went well
	defer to.Close()
	if err := p.fill(to, from, k); err != nil {
		return fmt.Errorf("take in file: %w", err)
	}
	if err := os.Rename(temp, p.path(k)); err != nil {
		return fmt.Errorf("take in file: %w", err)
	}
	return nil
}

func (p *pool) fill(to, from *os.File, k key) error {
	h := digest.NewHasher()
	if k.content.Size < 1<<20 {
		if _, err := io.Copy(io.MultiWriter(to, h), from); err != nil {
			return err
		}
	} else {
		if _, err := io.Copy(to, from); err != nil { // the kernel copies, or shares blocks
			return err
		}
		if _, err := io.Copy(h, io.NewSectionReader(to, 0, 1<<62)); err != nil {
			return err
		}
	}
	if h.Digest() != k.content {
		return storage.ErrWrongContent
	}
	return to.Chmod(k.mode()) // no umask applies
}

// excess reports whether the pool holds more than it may.
func (p *pool) excess() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes > p.limit
}

// trim removes what was used last the longest ago, layers first, until the pool holds
// nine tenths of what it may. What jobs have in use stays.
func (l *Layout) trim() {
	p := l.pool
	if !p.excess() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	by := map[*entry][]*layer{}
	for _, known := range l.layers {
		for _, e := range known.files {
			e.used = max(e.used, known.used)
			by[e] = append(by[e], known)
		}
	}
	all := make([]*entry, 0, len(p.entries))
	for _, e := range p.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	goal := p.limit / 10 * 9
	for _, e := range all {
		if p.bytes <= goal {
			break
		}
		if !l.release(by[e]) {
			continue
		}
		p.remove(e)
	}
}

// release discards layers so that a file of theirs can go. It reports false where one is
// in use: then removing the name would free nothing.
func (l *Layout) release(layers []*layer) bool {
	for _, known := range layers {
		if known.inUse > 0 {
			return false
		}
	}
	for _, known := range layers {
		if l.layers[known.place] == known {
			delete(l.layers, known.place)
			l.discard(known)
		}
	}
	return true
}
