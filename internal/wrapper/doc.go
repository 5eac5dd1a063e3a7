// Package wrapper is the thin client that stands before every compiler call: it
// asks the coordinator, then puts a stored result in place or runs the compiler
// as its own child and reports. Whatever fails on the way, it becomes the
// compiler itself (exec), so that the caller gets what the bare compiler gives.
//
// Every compile pays for its start, so it may import only wire, rendezvous,
// watch, golang.org/x/sys/unix and the cheapest packages of the standard library.
// Only cmd/cachepot imports it.
package wrapper
