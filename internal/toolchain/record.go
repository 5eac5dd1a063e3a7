package toolchain

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
)

// Records keeps what was found out about compilers across restarts. A miss is
// (nil, false).
type Records interface {
	Load(ctx context.Context, key digest.Digest) ([]byte, bool)
	Save(ctx context.Context, key digest.Digest, record []byte)
}

// toolRecord is kept of an executable, as JSON under the digest of
//
//	"compiler 1" 0 path 0 variable (0 variable)*
//
// It saves asking a compiler what it is, and is believed no further than Get says.
type toolRecord struct {
	File filestate.ID
	Tool compiler.Tool
}

// partRecord is kept of a part, as JSON under the digest of
//
//	"toolchain 2" 0 path 0 part 0 variable (0 variable)*
//
// Files lets a restart skip the hashing of a compiler's hundreds of megabytes:
// each is believed as long as its identity is the recorded one.
type partRecord struct {
	Tool   compiler.Tool
	Digest string
	Paths  []byte // encoded path set
	Files  []recordFile
}

type recordFile struct {
	ID     filestate.ID
	Digest string
}

func recordKey(terms ...string) digest.Digest {
	return digest.Of([]byte(strings.Join(terms, "\x00")))
}

func (s *slot) toolKey() digest.Digest {
	return recordKey(append([]string{"compiler 1", s.path}, s.env...)...)
}

func (r *Registry) recallTool(ctx context.Context, s *slot, file filestate.ID) (compiler.Tool, bool) {
	var rec toolRecord
	b, ok := r.records.Load(ctx, s.toolKey())
	if !ok || json.Unmarshal(b, &rec) != nil || rec.File != file {
		return compiler.Tool{}, false
	}
	return rec.Tool, true
}

func (r *Registry) rememberTool(ctx context.Context, s *slot, file filestate.ID, tool compiler.Tool) {
	if b, err := json.Marshal(toolRecord{file, tool}); err == nil {
		r.records.Save(ctx, s.toolKey(), b)
	}
}

func (x *examination) key() digest.Digest {
	return recordKey(append([]string{"toolchain 2", x.slot.path, x.name}, x.slot.env...)...)
}

func (x *examination) remember(ctx context.Context, t *Toolchain) {
	rec := partRecord{Tool: t.Tool, Digest: t.Digest.String(), Paths: t.paths.Encode()}
	for _, f := range t.Files() {
		if f.Settled {
			rec.Files = append(rec.Files, recordFile{f.ID, f.Digest.String()})
		}
	}
	if b, err := json.Marshal(rec); err == nil {
		x.r.records.Save(ctx, x.key(), b)
	}
}

// recall returns the part of an earlier process, if all of it is unchanged.
func (x *examination) recall(ctx context.Context) *Toolchain {
	b, ok := x.r.records.Load(ctx, x.key())
	if !ok {
		return nil
	}
	var rec partRecord
	if json.Unmarshal(b, &rec) != nil {
		return nil
	}
	paths, err := action.DecodePathSet(rec.Paths)
	if err != nil {
		return nil
	}
	for _, f := range rec.Files {
		if d, err := digest.Parse(f.Digest); err == nil {
			x.r.view.Learn(f.ID, d)
		}
	}
	snap, err := x.evaluate(paths, newReader(x.r.view, x.show))
	if err != nil {
		return nil
	}
	t, err := newToolchain(x.slot.path, x.name, rec.Tool, paths, snap)
	if err != nil || t.Digest.String() != rec.Digest {
		return nil
	}
	return t
}
