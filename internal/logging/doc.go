// Package logging turns the filter of CACHEPOT_LOG and RUST_LOG into a
// log/slog handler. An event belongs to a target, a path like
// "cachepot::coordinator"; the filter gives each target its level. Each event is
// one line, and whatever a compiler, a file name or a peer put into it is quoted.
//
// It imports the standard library only. Every package but the thin wrapper may
// import it.
package logging
