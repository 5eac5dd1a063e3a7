package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// counts is what a cache says about the calls it saw.
type counts struct {
	Hits     int `json:"hits"`
	Misses   int `json:"misses"`
	Uncached int `json:"uncached"` // run as they were: not compilations, or not cacheable
	// Refused are those of Uncached that compile something, Failed those whose
	// compiler failed, as build scripts try out what it knows; Reasons say why calls
	// were run as they were, and NotStored why results of misses were not kept.
	Refused   int            `json:"refused"`
	Failed    int            `json:"failed"`
	Reasons   map[string]int `json:"reasons,omitempty"`
	NotStored map[string]int `json:"not_stored,omitempty"`
	// Located says why results of misses were stored for their directory alone.
	Located map[string]int `json:"located,omitempty"`
}

func (c counts) calls() int { return c.Hits + c.Misses + c.Uncached }

// probes counts the compiles by which build scripts try out what a compiler knows:
// of a text on its standard input, or of one to a file that is named by -o.
func (c counts) probes() int { return c.Reasons["-"] + c.Reasons["-o"] }

// located counts the misses that no other place can share.
func (c counts) located() int { return sum(c.Located) }

// rate is the share of hits among cacheable calls, in percent.
func (c counts) rate() float64 {
	if c.Hits+c.Misses == 0 {
		return 0
	}
	return 100 * float64(c.Hits) / float64(c.Hits+c.Misses)
}

// parseCcache reads "ccache --print-stats": lines of a counter and its value.
func parseCcache(out []byte) (counts, error) {
	var c counts
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 2 {
			return counts{}, fmt.Errorf("ccache statistics: line %q", line)
		}
		n, err := strconv.Atoi(f[1])
		if err != nil {
			return counts{}, fmt.Errorf("ccache statistics: %w", err)
		}
		switch f[0] {
		case "direct_cache_hit", "preprocessed_cache_hit":
			c.Hits += n
		case "cache_miss":
			c.Misses += n
		case "called_for_link", "called_for_preprocessing", "no_input_file", "unsupported_compiler_option",
			"unsupported_source_language", "multiple_source_files", "output_to_stdout", "compile_failed",
			"could_not_use_precompiled_header", "bad_compiler_arguments", "preprocessor_error", "autoconf_test":
			c.Uncached += n
		}
	}
	return c, nil
}

// parseSccache reads the JSON statistics of sccache, whose fields cachepot shares.
func parseSccache(out []byte) (counts, error) {
	type byLanguage struct {
		Counts map[string]int `json:"counts"`
	}
	var report struct {
		Stats *struct {
			Requests  int            `json:"compile_requests"`
			Refused   int            `json:"requests_not_cacheable"`
			Failed    int            `json:"compile_fails"`
			Hits      byLanguage     `json:"cache_hits"`
			Misses    byLanguage     `json:"cache_misses"`
			NotCached map[string]int `json:"not_cached"`
			NotStored map[string]int `json:"not_stored"`
			Located   map[string]int `json:"located"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return counts{}, fmt.Errorf("decode statistics: %w", err)
	}
	if report.Stats == nil {
		return counts{}, fmt.Errorf("decode statistics: no field stats")
	}
	c := counts{
		Hits: sum(report.Stats.Hits.Counts), Misses: sum(report.Stats.Misses.Counts), Refused: report.Stats.Refused, Failed: report.Stats.Failed,
		Reasons: report.Stats.NotCached, NotStored: report.Stats.NotStored, Located: report.Stats.Located,
	}
	c.Uncached = report.Stats.Requests - c.Hits - c.Misses
	return c, nil
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}
