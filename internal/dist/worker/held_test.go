package worker

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestHeld: what toolchains are there is known after a restart, and not of those whose largest
// file has gone.
func TestHeld(t *testing.T) {
	file := filepath.Join(t.TempDir(), "held")
	gone := map[digest.Digest]bool{}
	open := func() *Held {
		return OpenHeld(file, func(d digest.Digest) bool { return !gone[d] }, slog.New(slog.DiscardHandler))
	}
	tool := func(name string) digest.Digest { return digest.Of([]byte(name)) }
	want := func(what string, h *Held, names ...string) {
		t.Helper()
		if got := h.Affinities(); !slices.Equal(got, names) {
			t.Errorf("%s: %q, want %q", what, got, names)
		}
	}
	h := open()
	want("at first", h)
	h.note("gcc", tool("cc1"))
	h.note("a\nline \"quoted\"", tool("x"))
	h.note("", tool("y")) // a job without a lease
	h.note("rust", tool("rustc"))
	want("noted", h, "gcc", "a\nline \"quoted\"", "rust")
	h.note("gcc", tool("cc1"))
	want("used again", h, "a\nline \"quoted\"", "rust", "gcc")
	gone[tool("rustc")] = true
	h = open()
	want("after a restart", h, "gcc", "a\nline \"quoted\"")
	h.note("rust", tool("another rustc"))
	want("there again", h, "gcc", "a\nline \"quoted\"", "rust")
	for i := range 2 * maxHeld {
		h.note(fmt.Sprint(i), tool("z"))
	}
	if got := open().Affinities(); len(got) != maxHeld || got[maxHeld-1] != fmt.Sprint(2*maxHeld-1) {
		t.Errorf("%d are remembered, the last is %s", len(got), got[len(got)-1])
	}
	for _, text := range []string{"", "{", `[{"affinity": "x", "largest": "../../x"}, {}]`, "null"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want(text, open())
	}
	(*Held)(nil).note("gcc", tool("cc1"))
}
