// Package stats counts what the coordinator does. The JSON form has the fields
// of sccache's statistics where they mean the same, so that dashboards go on
// working, and cachepot's own beside them. It is a leaf; the coordinator and the
// command line use it.
package stats

import (
	"encoding/json"
	"time"
)

// Counters are the statistics of one coordinator. Durations are sums.
type Counters struct {
	CompileRequests      uint64   `json:"compile_requests"`              // all calls
	UnsupportedCompiler  uint64   `json:"requests_unsupported_compiler"` // of programs that are no known compiler
	NotCompile           uint64   `json:"requests_not_compile"`          // that compile nothing
	NotCacheable         uint64   `json:"requests_not_cacheable"`        // that compile and are run as they are
	Executed             uint64   `json:"requests_executed"`             // that the cache was asked about
	CacheErrors          Counts   `json:"cache_errors"`                  // failures of ours; the compiler was run
	CacheHits            Counts   `json:"cache_hits"`
	CacheMisses          Counts   `json:"cache_misses"`
	CacheTimeouts        uint64   `json:"cache_timeouts"`
	CacheReadErrors      uint64   `json:"cache_read_errors"` // entries that were not what their name says
	NonCacheableCompiles uint64   `json:"non_cacheable_compilations"`
	ForcedRecaches       uint64   `json:"forced_recaches"`
	CacheWriteErrors     uint64   `json:"cache_write_errors"`
	CacheWrites          uint64   `json:"cache_writes"`
	CacheWriteDuration   Duration `json:"cache_write_duration"`
	CacheReadHitDuration Duration `json:"cache_read_hit_duration"` // of the coordinator's part of hits
	Compilations         uint64   `json:"compilations"`
	CompilerDuration     Duration `json:"compiler_write_duration"` // of compiles whose results were stored
	CompileFails         uint64   `json:"compile_fails"`
	NotCached            Labels   `json:"not_cached"`    // calls run as they are, by reason
	DistCompiles         Labels   `json:"dist_compiles"` // by who compiled
	DistHits             Labels   `json:"dist_hits"`     // hits in the cache of a service, by who had compiled
	DistErrors           uint64   `json:"dist_errors"`
	// DistFailures counts the same by reason, and DistLocal the misses that could only
	// be compiled here.
	DistFailures Labels `json:"dist_failures"`
	DistLocal    Labels `json:"dist_local"`
	// NotStored counts successful compiles whose result was not stored, by reason.
	NotStored Labels `json:"not_stored"`
	// Located counts results that were stored for their own directory alone, by reason.
	Located Labels `json:"located"`
	// TimeSaved is the compile time of the results that were restored.
	TimeSaved Duration `json:"time_saved"`
	// Declined counts callers that the coordinator would not serve, by reason.
	Declined Labels `json:"declined"`
}

// Counts is a number by language.
type Counts struct {
	Counts Labels `json:"counts"`
	Adv    Labels `json:"adv_counts"` // by language and compiler, as "C/C++ [gcc]"
}

// Labels is a number by name.
type Labels map[string]uint64

// Add counts one more of name.
func (l *Labels) Add(name string) {
	if *l == nil {
		*l = make(Labels)
	}
	(*l)[name]++
}

// MarshalJSON writes an object even where there is nothing.
func (l Labels) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]uint64(l))
}

// Add counts one more of a language's compiler.
func (c *Counts) Add(language, family string) {
	c.Counts.Add(language)
	c.Adv.Add(language + " [" + family + "]")
}

// Total returns the sum over all languages.
func (c *Counts) Total() uint64 {
	var n uint64
	for _, v := range c.Counts {
		n += v
	}
	return n
}

// Duration is a sum of times, in JSON {"secs":s,"nanos":n}.
type Duration time.Duration

type jsonDuration struct {
	Secs  int64 `json:"secs"`
	Nanos int64 `json:"nanos"`
}

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonDuration{int64(d) / 1e9, int64(d) % 1e9})
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var j jsonDuration
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*d = Duration(j.Secs*1e9 + j.Nanos)
	return nil
}
