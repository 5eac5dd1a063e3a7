// Package neverwrong holds the tests that what a caller gets through cachepot is
// what the compiler alone would have given: each case runs the real compiler in
// one directory twice over, first bare and then, from the same start at the same
// path, through the wrapper, and compares every step. Nothing imports it.
package neverwrong
