package main

import "testing"

func TestJudgeClustered(t *testing.T) {
	six := counts{Misses: 6}
	all := map[string]int{"a": 4, "b": 2}
	tests := []struct {
		name  string
		of    clustered
		fails bool
	}{
		{"all by workers", clustered{Counts: six, Away: away{Compiles: all}}, false},
		{"some can only be here", clustered{Counts: counts{Misses: 8}, Away: away{Compiles: all, Local: map[string]int{"why": 2}}}, false},
		{"one was here", clustered{Counts: counts{Misses: 7}, Away: away{Compiles: all}}, true},
		{"a worker failed", clustered{Counts: six, Away: away{Compiles: all, Errors: 1}}, true},
		{"other bytes", clustered{Counts: six, Away: away{Compiles: all}, Differ: []string{"a.o"}}, true},
		{"nothing", clustered{}, true},
	}
	for _, tt := range tests {
		if err := judgeClustered([]*clustered{&tt.of}); (err != nil) != tt.fails {
			t.Errorf("%s: error %v, want one: %t", tt.name, err, tt.fails)
		}
	}
}
