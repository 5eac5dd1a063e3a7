package coordinator

import (
	"context"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

// maxRecipes is how many compiles of one subject are remembered.
const maxRecipes = 8

// subject names what is compiled, whatever the flags, inputs and outputs: the
// source in its directory. A miss is explained by the compiles of its subject.
func (j *job) subject() digest.Digest {
	f := j.faces[0]
	return digest.Of([]byte("subject 1\x00" + f.place(j.call.Dir) + "\x00" + f.place(j.inv.Source) + "\x00" + j.inv.Language))
}

// remember adds a recipe to those of a subject. A subject record has the form of
// a request record. Losing one only makes an explanation poorer.
func (s *Server) remember(ctx context.Context, subject, recipe digest.Digest) {
	ids := []digest.Digest{recipe}
	for _, old := range s.recipes(ctx, subject) {
		if old != recipe && len(ids) < maxRecipes {
			ids = append(ids, old)
		}
	}
	if err := storage.Put(ctx, s.Tier, storage.Subject, subject, encodeDigests(ids)); err != nil {
		s.Log.Debug("subject not stored", "target", "cachepot::coordinator", "error", err)
	}
}

// recipes returns the recipes of a subject, the latest first.
func (s *Server) recipes(ctx context.Context, subject digest.Digest) []digest.Digest {
	b, err := storage.Get(ctx, s.Tier, storage.Subject, subject)
	if err != nil {
		return nil
	}
	return decodeDigests(b)
}

// loadRecipe returns a stored recipe, nil where it is gone.
func (s *Server) loadRecipe(ctx context.Context, id digest.Digest) *action.Recipe {
	b, err := storage.ReadBlob(ctx, s.Tier, id)
	if err != nil {
		return nil
	}
	r, err := action.DecodeRecipe(b)
	if err != nil {
		return nil
	}
	return r
}
