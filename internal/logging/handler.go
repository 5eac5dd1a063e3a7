package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// TargetKey is the key of the attribute that holds an event's target.
const TargetKey = "target"

// rootTarget is the target of events that name none.
const rootTarget = "cachepot"

// timeLayout is RFC 3339 with milliseconds, always in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// New returns a logger that writes to w what the filter of that text lets
// through. Directives that are wrong are written to w once, whatever the filter
// says, and else ignored.
func New(w io.Writer, text string) *slog.Logger {
	filter, bad := ParseFilter(text)
	h := NewHandler(w, filter)
	for _, err := range bad {
		h.write(slog.NewRecord(time.Time{}, slog.LevelWarn, "ignored: "+err.Error(), 0), rootTarget)
	}
	return slog.New(h)
}

// Handler prints events as
//
//	event = [ time " " ] LEVEL " " target ": " text *( " " key "=" value ) "\n"
//
// with one Write for each event. An event without a time has none printed. The
// target is the attribute TargetKey outside any group: that of the logger
// (With), or else that of the event. Keys of attributes in groups are joined by
// dots. An error of the writer is returned to slog, which drops it.
type Handler struct {
	out    *output
	filter Filter
	target string // from WithAttrs; "" leaves it to the event
	prefix string // open groups, each followed by a dot
	attrs  []byte // attributes of WithAttrs as printed
}

// output is what a handler and all that were derived from it share.
type output struct {
	mu sync.Mutex // held for one Write
	w  io.Writer
}

// NewHandler returns a handler that writes to w what filter lets through.
func NewHandler(w io.Writer, filter Filter) *Handler {
	return &Handler{out: &output{w: w}, filter: filter}
}

// Enabled implements slog.Handler. Where the target is not known yet it answers
// for the target that is printed most of.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	if h.target == "" {
		return level >= h.filter.lowest()
	}
	return level >= h.filter.Level(h.target)
}

// Handle implements slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	target := h.target
	r.Attrs(func(a slog.Attr) bool {
		if h.takesTarget(a) {
			target = a.Value.Resolve().String()
		}
		return target == ""
	})
	if target == "" {
		target = rootTarget
	}
	if r.Level < h.filter.Level(target) {
		return nil
	}
	return h.write(r, target)
}

func (h *Handler) write(r slog.Record, target string) error {
	line := make([]byte, 0, 256)
	if !r.Time.IsZero() {
		line = r.Time.UTC().AppendFormat(line, timeLayout)
		line = append(line, ' ')
	}
	line = append(line, levelLabel(r.Level)...)
	line = append(line, ' ')
	line = append(line, quote(target)...)
	line = append(line, ": "...)
	line = append(line, quoteText(r.Message)...)
	line = append(line, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		if !h.takesTarget(a) {
			line = appendAttr(line, h.prefix, a)
		}
		return true
	})
	line = append(line, '\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(line)
	return err
}

// levelLabel is levelName in capitals, five columns wide.
func levelLabel(l slog.Level) string {
	switch levelName(l) {
	case "trace":
		return "TRACE"
	case "debug":
		return "DEBUG"
	case "info":
		return "INFO "
	case "warn":
		return "WARN "
	}
	return "ERROR"
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		if a.Key == TargetKey && h.prefix == "" {
			c.target = a.Value.Resolve().String()
			continue
		}
		c.attrs = appendAttr(c.attrs, c.prefix, a)
	}
	return &c
}

// takesTarget reports whether a, an attribute of an event, says the target.
func (h *Handler) takesTarget(a slog.Attr) bool {
	return a.Key == TargetKey && h.prefix == "" && h.target == ""
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

func appendAttr(line []byte, prefix string, a slog.Attr) []byte {
	if a.Equal(slog.Attr{}) { // what slog.Handler says is to be ignored
		return line
	}
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			line = appendAttr(line, prefix, inner)
		}
		return line
	}
	line = append(line, ' ')
	line = append(line, quote(prefix+a.Key)...)
	line = append(line, '=')
	return append(line, quote(v.String())...)
}
