// Package archtest holds the rules of this source tree as tests: who may import
// whom, what must be documented, which calls are banned and why, how long a file
// may be, and what the wrapper may weigh. It has no code of its own besides
// tests, and nobody may import it.
//
// Each gate is a function from a tree to findings. The same function is run on
// the real tree, where it must find nothing, and on small trees that break its
// rule, where it must find exactly that.
package archtest
