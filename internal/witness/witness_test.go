package witness_test

import (
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage/disk"
	"github.com/cachepot/cachepot/internal/witness"
)

func of(text string) digest.Digest { return digest.Of([]byte(text)) }

func TestSet(t *testing.T) {
	a, b := of("a"), of("b")
	if witness.Set([]digest.Digest{a, b}) != witness.Set([]digest.Digest{b, a, b}) {
		t.Error("order and repetition count")
	}
	if witness.Set([]digest.Digest{a}) == witness.Set([]digest.Digest{a, b}) || witness.Set(nil) == witness.Set([]digest.Digest{a}) {
		t.Error("two sets have one name")
	}
}

// TestLedger: what one process has seen another knows, and what speaks against macros
// outweighs all else.
func TestLedger(t *testing.T) {
	tier, err := disk.Open(disk.Config{Dir: t.TempDir(), Limit: 1 << 20, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tier.Close() })
	l, other := witness.New(tier), witness.New(tier)
	ctx, set := t.Context(), of("set")
	if l.Settled(ctx, set, "/src") || l.Moves(ctx, set) {
		t.Error("something is known of a new set")
	}
	if err := l.Settle(ctx, set, "/src", "/build"); err != nil {
		t.Fatal(err)
	}
	if !other.Settled(ctx, set, "/src") || !other.Settled(ctx, set, "/build") {
		t.Error("another process does not know")
	}
	if other.Settled(ctx, set, "/home") || other.Settled(ctx, of("other"), "/src") {
		t.Error("known of what was not seen")
	}
	if err := other.Move(ctx, set); err != nil {
		t.Fatal(err)
	}
	if l.Settled(ctx, set, "/src") || !l.Moves(ctx, set) {
		t.Error("a witness against counts for nothing")
	}
	if other.Varies(ctx, set) {
		t.Error("what moves varies")
	}
	random := of("random")
	if err := l.Settle(ctx, random, "USER"); err != nil {
		t.Fatal(err)
	}
	if err := l.Vary(ctx, random); err != nil {
		t.Fatal(err)
	}
	if !other.Varies(ctx, random) || !other.Moves(ctx, random) || other.Settled(ctx, random, "USER") {
		t.Error("a set that varies may be used elsewhere")
	}
}

// TestMark: a value is told from every other, and from none.
func TestMark(t *testing.T) {
	if a, b := witness.Mark("one", true), witness.Mark("two", true); a == b || a != witness.Mark("one", true) {
		t.Errorf("two values are %q and %q", a, b)
	}
	if witness.Mark("", true) == witness.Mark("", false) {
		t.Error("empty is not set")
	}
}
