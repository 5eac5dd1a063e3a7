// Package coordinator is the pipeline behind the wrapper: it takes a compiler
// call, says what its action is, looks the action up, and either gives the stored
// result back or has the wrapper run the compiler and stores what comes of it.
// There is one coordinator for each user and port.
//
// Only cmd/cachepot-coordinator imports it. It knows the languages and tiers by
// their interfaces; that program chooses them.
package coordinator
