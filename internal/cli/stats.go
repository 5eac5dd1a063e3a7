package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"time"

	"github.com/cachepot/cachepot/internal/stats"
)

// report is what --show-stats prints as JSON: the counters under "stats", as
// sccache has them, and what lies around them.
type report struct {
	Stats         *stats.Counters `json:"stats"`
	CacheLocation string          `json:"cache_location"`
	CacheSize     int64           `json:"cache_size"`     // bytes
	MaxCacheSize  int64           `json:"max_cache_size"` // bytes
	Version       string          `json:"version"`
	Watching      string          `json:"watching"` // "seccomp", or "rules only: " and why
}

func (r *report) writeJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(r)
}

// line is one row of the text form.
type line struct {
	label, value string
}

func (r *report) writeText(w io.Writer) error {
	c := r.Stats
	lines := []line{
		{"Compile requests", count(c.CompileRequests)},
		{"Compile requests executed", count(c.Executed)},
		{"Cache hits", count(c.CacheHits.Total())},
	}
	lines = append(lines, byLabel("Cache hits", c.CacheHits.Counts)...)
	lines = append(lines, line{"Cache misses", count(c.CacheMisses.Total())})
	lines = append(lines, byLabel("Cache misses", c.CacheMisses.Counts)...)
	lines = append(lines, []line{
		{"Cache hits rate", rate(c.CacheHits.Total(), c.CacheMisses.Total())},
		{"Cache timeouts", count(c.CacheTimeouts)},
		{"Cache read errors", count(c.CacheReadErrors)},
		{"Forced recaches", count(c.ForcedRecaches)},
		{"Cache write errors", count(c.CacheWriteErrors)},
		{"Cache errors", count(c.CacheErrors.Total())},
		{"Compilations", count(c.Compilations)},
		{"Compilation failures", count(c.CompileFails)},
		{"Non-cacheable compilations", count(c.NonCacheableCompiles)},
		{"Non-cacheable calls", count(c.NotCacheable)},
		{"Non-compilation calls", count(c.NotCompile)},
		{"Unsupported compiler calls", count(c.UnsupportedCompiler)},
		{"Average cache write", mean(c.CacheWriteDuration, c.CacheWrites)},
		{"Average compiler", mean(c.CompilerDuration, c.CacheWrites)},
		{"Average cache read hit", mean(c.CacheReadHitDuration, c.CacheHits.Total())},
		{"Compile time saved", seconds(time.Duration(c.TimeSaved))},
		{"Failed distributed compilations", count(c.DistErrors)},
	}...)
	for _, section := range []struct {
		title string
		rows  stats.Labels
	}{
		{"Distributed compilations:", c.DistCompiles}, {"Hits in the service's cache:", c.DistHits}, {"Failed distributed compilations:", c.DistFailures}, {"Cannot be distributed:", c.DistLocal},
		{"Non-cacheable reasons:", c.NotCached}, {"Results not stored:", c.NotStored}, {"Callers declined:", c.Declined},
	} {
		if len(section.rows) > 0 {
			lines = append(lines, line{}, line{label: section.title})
			lines = append(lines, byLabel("", section.rows)...)
		}
	}
	lines = append(lines, []line{
		{},
		{"Cache location", r.CacheLocation},
		{"Version (client)", r.Version},
		{"Watching", r.Watching},
		{"Cache size", size(r.CacheSize)},
		{"Max cache size", size(r.MaxCacheSize)},
	}...)
	return writeLines(w, lines)
}

func writeLines(w io.Writer, lines []line) error {
	width := 0
	for _, l := range lines {
		if l.value != "" {
			width = max(width, len(l.label))
		}
	}
	for _, l := range lines {
		text := l.label
		if l.value != "" {
			text = fmt.Sprintf("%-*s  %s", width, l.label, l.value)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

func byLabel(prefix string, rows stats.Labels) []line {
	var out []line
	for name, n := range rows {
		label := name
		if prefix != "" {
			label = prefix + " (" + name + ")"
		}
		out = append(out, line{label, count(n)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].label < out[j].label })
	return out
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

func rate(hits, misses uint64) string {
	if hits+misses == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(hits)/float64(hits+misses))
}

func mean(sum stats.Duration, n uint64) string {
	if n == 0 {
		return seconds(0)
	}
	return seconds(time.Duration(sum) / time.Duration(n))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	v, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	i := 0
	for v >= unit && i < len(names)-1 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %s", v, names[i])
}

// DiscardedStats returns statistics that are kept nowhere.
func DiscardedStats() *stats.File { return stats.OpenFile("") }
