package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStatistics(t *testing.T) {
	tests := []struct {
		name  string
		parse func([]byte) (counts, error)
		in    string
		want  counts
		fails bool
	}{
		{
			"ccache", parseCcache,
			"cache_miss\t3\ndirect_cache_hit\t5\npreprocessed_cache_hit\t1\ncalled_for_link\t2\nfiles_in_cache\t9\n",
			counts{Hits: 6, Misses: 3, Uncached: 2}, false,
		},
		{"ccache, other text", parseCcache, "Summary: none at all\n", counts{}, true},
		{
			"sccache", parseSccache,
			`{"stats":{"compile_requests":12,"cache_hits":{"counts":{"C/C++":4,"Rust":1}},"cache_misses":{"counts":{"Rust":2}},` +
				`"requests_not_cacheable":1,"compile_fails":2,"not_cached":{"-o":1,"--print":2},"not_stored":{"input changed":1}}}`,
			counts{
				Hits: 5, Misses: 2, Uncached: 5, Refused: 1, Failed: 2,
				Reasons: map[string]int{"-o": 1, "--print": 2}, NotStored: map[string]int{"input changed": 1},
			}, false,
		},
		{"sccache, other JSON", parseSccache, `{"hits": 5}`, counts{}, true},
		{"sccache, no JSON", parseSccache, `error`, counts{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.parse([]byte(tt.in))
			if (err != nil) != tt.fails {
				t.Fatalf("error %v, want one: %t", err, tt.fails)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAudit(t *testing.T) {
	passed, gone, err := parseAudit([]byte("Entries passed      31\nInputs gone          2\nEntries failed       0\n"))
	if passed != 31 || gone != 2 || err != nil {
		t.Errorf("%d passed, %d gone, %v", passed, gone, err)
	}
	for _, text := range []string{"", "Entries passed 3\n", "Entries passed x\nInputs gone 0\n"} {
		if _, _, err := parseAudit([]byte(text)); err == nil {
			t.Errorf("%q was taken for a summary", text)
		}
	}
}

func TestSourceList(t *testing.T) {
	got := sourceList("http://mirror.example/debian/ bookworm main\nhttp://mirror.example/debian/ bookworm-updates main\n" +
		"http://mirror.example/debian/ bookworm main\nhttp://mirror.example/debian/ bookworm contrib\n")
	want := "deb-src http://mirror.example/debian/ bookworm contrib\ndeb-src http://mirror.example/debian/ bookworm main\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

// TestSources reads the real list and finds every project in it.
func TestSources(t *testing.T) {
	sources, err := readSources("sources.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range projectTable() {
		if _, ok := sources[p.source]; !ok && p.source != "" {
			t.Errorf("project %s: sources.txt has no %s", p.name, p.source)
		}
		if p.files != "" {
			if _, err := os.Stat(filepath.Join("testdata", p.files)); err != nil {
				t.Errorf("project %s: %v", p.name, err)
			}
		}
	}
}

func TestSourcesRejected(t *testing.T) {
	for _, line := range []string{"deb zlib file.tar", "git zlib 1.0 " + hash('0'), "crate a 1.0 abc"} {
		path := filepath.Join(t.TempDir(), "sources.txt")
		write(t, path, line)
		if got, err := readSources(path); err == nil {
			t.Errorf("%q was read as %v", line, got)
		}
	}
}

func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "archive")
	write(t, path, "")
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if err := verify(path, empty); err != nil {
		t.Error(err)
	}
	if err := verify(path, hash('0')); err == nil {
		t.Error("an archive with another digest was taken")
	}
}

func TestSpread(t *testing.T) {
	tests := []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3, 1}},
		{[]float64{9, 1, 2}, spread{2, 1, 9, 3}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9, 4}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, spreadOf(tt.in)); diff != "" {
			t.Errorf("spread of %v (-want +got):\n%s", tt.in, diff)
		}
	}
	if diff := cmp.Diff([]float64{2, 0.5}, ratios([]float64{4, 1, 7}, []float64{2, 2})); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
}

func TestCleanEnv(t *testing.T) {
	got := cleanEnv([]string{"PATH=/bin", "CACHEPOT_DIR=/x", "MAKEFLAGS=-j9", "CC=gcc", "CCOLOR=1", "RUSTC_WRAPPER=sccache"})
	for _, kv := range []string{"PATH=/bin", "CCOLOR=1", "SOURCE_DATE_EPOCH=1"} {
		if !slices.Contains(got, kv) {
			t.Errorf("%s is lost", kv)
		}
	}
	if len(got) != 2+len(cleanEnv(nil)) {
		t.Errorf("a setting of a cache or a build survives: %v", got)
	}
}

func TestCollectAndDifferences(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.o"), "\x7fELF one")
	write(t, filepath.Join(dir, "lib.a"), "!<arch>\n")
	write(t, filepath.Join(dir, "a.d"), "")
	write(t, filepath.Join(dir, "a.c"), "int a;")
	write(t, filepath.Join(dir, "b"), "x")
	write(t, filepath.Join(dir, "old.o"), "\x7fELF old")
	since := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "old.o"), since, since.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	first, err := collect(dir, since)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 4 || first["old.o"].made || !first["a.o"].made {
		t.Fatalf("products %v, want a.o, lib.a and a.d, and old.o as older", first)
	}
	write(t, filepath.Join(dir, "a.o"), "\x7fELF two")
	write(t, filepath.Join(dir, "new.d"), "")
	write(t, filepath.Join(dir, "old.o"), "\x7fELF older")
	if err := os.Chtimes(filepath.Join(dir, "old.o"), since, since.Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	second, err := collect(dir, since)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.o", "new.d"}, differences(first, second, nil)); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if got := differences(second, first, map[string]bool{"a.o": true}); len(got) != 1 || got[0] != "new.d" {
		t.Errorf("differences apart from a.o: %v", got)
	}
	if got := differences(first, first, nil); len(got) != 0 {
		t.Errorf("differences of a build from itself: %v", got)
	}
	if _, err := collect(t.TempDir(), since); err == nil {
		t.Error("a build that made nothing was taken")
	}
}

func TestChooseProjects(t *testing.T) {
	chosen, err := chooseProjects(projectTable(), "ripgrep,lua", "build")
	if err != nil || len(chosen) != 2 || chosen[0].name != "ripgrep" {
		t.Errorf("chosen %v, %v", projectNames(chosen), err)
	}
	chosen, err = chooseProjects(projectTable(), "lua,workspace", "build,test")
	if err != nil || len(chosen) != 3 || chosen[0].title() != "lua" || chosen[1].title() != "workspace" || chosen[2].title() != "workspace-test" {
		t.Errorf("chosen %v, %v", chosen, err)
	}
	for _, step := range chosen[2].build(chosen[2], "", 3) {
		if got := strings.Join(step.argv, " "); !strings.HasSuffix(got, "cargo test --no-run --locked --offline -j 3 --workspace") {
			t.Errorf("runs %s", got)
		}
	}
	for _, of := range [][2]string{{"lua,nosuch", "build"}, {"lua", "nosuch"}, {"lua", ""}} {
		if _, err := chooseProjects(projectTable(), of[0], of[1]); err == nil {
			t.Errorf("%q in the modes %q was taken", of[0], of[1])
		}
	}
}

func TestJudgeSamples(t *testing.T) {
	good := sampled{Project: "p", Again: counts{Hits: 3, Uncached: 1}}
	tests := []struct {
		name  string
		mend  func(*sampled)
		fails bool
	}{
		{"good", func(*sampled) {}, false},
		{"a miss", func(s *sampled) { s.Again.Misses = 1 }, true},
		{"no hit at all", func(s *sampled) { s.Again.Hits = 0 }, true},
		{"a compile not cached", func(s *sampled) { s.Again.Refused, s.Again.Reasons = 1, map[string]int{"no": 1} }, true},
		{"a probe not cached", func(s *sampled) { s.Again.Refused, s.Again.Reasons = 1, map[string]int{"-": 1} }, false},
		{"other bytes", func(s *sampled) { s.Differ = []string{"a.o"} }, true},
	}
	for _, tt := range tests {
		s := good
		tt.mend(&s)
		if err := judgeSamples([]sampled{s}); (err != nil) != tt.fails {
			t.Errorf("%s: error %v, want one: %t", tt.name, err, tt.fails)
		}
	}
}

func hash(c byte) string { return string(slices.Repeat([]byte{c}, 64)) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
