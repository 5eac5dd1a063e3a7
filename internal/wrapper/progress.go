package wrapper

import (
	"strconv"
	"strings"

	"github.com/cachepot/cachepot/internal/wire"
)

// bar is a progress bar in the last line of the terminal on descriptor 2. It
// shows nothing where that is not a terminal.
type bar struct {
	shown bool
}

const barWidth = 30 // characters

func (b *bar) show(p *wire.Progress) {
	if columns(2) == 0 || p.Total == 0 {
		return
	}
	done := min(p.Done, p.Total)
	filled := int(done * barWidth / p.Total)
	line := "\rcachepot: " + p.What + " [" + strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + "] " +
		strconv.FormatUint(done*100/p.Total, 10) + " %"
	b.shown = writeAll(2, []byte(line)) == nil
}

func (b *bar) clear() {
	if b.shown {
		_ = writeAll(2, []byte("\r\x1b[K")) // a bar that stays is no reason to fail
	}
}
