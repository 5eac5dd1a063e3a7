// Package witness knows which code of a build, run inside the compiler (procedural
// macros), is known to give the same wherever a project lies. What such code looks at is
// watched, but what it makes of names and variables is not: so its word is not enough, and
// results are taken to another place only once that was seen to make no difference. See
// docs/adr/0010.
//
// The coordinator and the audits use it. It imports digest, result and storage.
package witness

import (
	"context"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/storage"
)

// Set names a set of macros: the digest of
//
//	"macros 1" (0 digest)*
//
// over the digests of the libraries, sorted.
func Set(libraries []digest.Digest) digest.Digest {
	terms := make([]string, len(libraries))
	for i, d := range libraries {
		terms[i] = d.String()
	}
	slices.Sort(terms)
	return digest.Of([]byte(strings.Join(append([]string{"macros 1"}, slices.Compact(terms)...), "\x00")))
}

// Ledger keeps what was seen of sets of macros in a tier: a record of the kind Witness, of
// no content, under the digest of
//
//	"witness 1" 0 set 0 word
//	word = fixed place | variable | "moves" | "varies"
//
// stands for one thing that was seen. So two processes never overwrite what the other saw.
// Of a single action more can be known than of its macros; its digest then is the set.
type Ledger struct{ tier storage.Tier }

// The words against macros: their results depend on where or for whom they run, or are
// others each time.
const (
	moves  = "moves"
	varies = "varies"
)

// Mark stands for the value of a variable where it is only to be told from others: "" where
// it is not set, else the digest of the value, in hexadecimal.
func Mark(value string, set bool) string {
	if !set {
		return ""
	}
	return digest.Of([]byte(value)).Hex()
}

// New returns the Ledger of a tier.
func New(tier storage.Tier) Ledger { return Ledger{tier} }

func key(set digest.Digest, word string) digest.Digest {
	return digest.Of([]byte("witness 1\x00" + set.String() + "\x00" + word))
}

// Settled reports whether the set was seen to give the same wherever the root of that fixed
// place really is, or whatever that variable is, and never anything else.
func (l Ledger) Settled(ctx context.Context, set digest.Digest, place string) bool {
	return l.has(ctx, set, place) && !l.Moves(ctx, set)
}

// Moves reports whether the set was seen to give something else at another place, for
// another user, or when it ran again.
func (l Ledger) Moves(ctx context.Context, set digest.Digest) bool { return l.has(ctx, set, moves) }

func (l Ledger) has(ctx context.Context, set digest.Digest, word string) bool {
	_, err := storage.Get(ctx, l.tier, storage.Witness, key(set, word))
	return err == nil
}

// Settle records that places have been seen to make no difference to the set.
func (l Ledger) Settle(ctx context.Context, set digest.Digest, places ...string) error {
	for _, p := range places {
		if err := storage.Put(ctx, l.tier, storage.Witness, key(set, p), nil); err != nil {
			return err
		}
	}
	return nil
}

// SettleRoots records that roots of a result of an action have been seen to make no
// difference to its macros. That a variable's value stands in the result was then chance, which
// says nothing of other results.
func (l Ledger) SettleRoots(ctx context.Context, action, macros digest.Digest, roots []result.Root) error {
	for _, r := range roots {
		name, shown := r.Variable()
		if shown {
			if err := l.Settle(ctx, action, r.Fixed); err != nil {
				return err
			}
		}
		if name == "" {
			name = r.Fixed
		}
		if err := l.Settle(ctx, macros, name); err != nil {
			return err
		}
	}
	return nil
}

// Varies reports whether the set was seen to give something else where nothing was changed.
func (l Ledger) Varies(ctx context.Context, set digest.Digest) bool { return l.has(ctx, set, varies) }

// Vary records that the set gave something else where nothing was changed. What it gives
// elsewhere can then never be compared: it counts as one that moves, too.
func (l Ledger) Vary(ctx context.Context, set digest.Digest) error {
	if err := storage.Put(ctx, l.tier, storage.Witness, key(set, varies), nil); err != nil {
		return err
	}
	return l.Move(ctx, set)
}

// Move records that a place or a user has been seen to make a difference to the set.
func (l Ledger) Move(ctx context.Context, set digest.Digest) error {
	return storage.Put(ctx, l.tier, storage.Witness, key(set, moves), nil)
}
