package main

import "math/rand/v2"

// dice makes the choices of one history.
type dice struct{ *rand.Rand }

func newDice(seed uint64, number int) dice {
	return dice{rand.New(rand.NewPCG(seed, uint64(number)))}
}

// one is true once in n times.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

// of picks one of the texts.
func (d dice) of(texts ...string) string { return texts[d.IntN(len(texts))] }

// some picks n of the items at most, each once, in random order.
func some[T any](d dice, n int, items []T) []T {
	order := d.Perm(len(items))
	out := make([]T, 0, n)
	for _, at := range order[:min(n, len(items))] {
		out = append(out, items[at])
	}
	return out
}
