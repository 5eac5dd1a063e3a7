// Package lifecycle holds tests of the wrapper and the coordinator as processes:
// how they start, find each other, fail and end, and that a build goes on and is
// right whatever happens to them. They run the real programs before the real
// compilers, each test with a cache, a state directory and a socket directory of
// its own. Nothing imports it.
package lifecycle
