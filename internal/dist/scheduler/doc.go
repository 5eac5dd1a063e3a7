// Package scheduler decides which client may use a slot of which worker. It is a state
// machine: it is told what happened and when, and says what is to be told to whom. It has no
// clock, no goroutines and no connections of its own, so that histories can be played to it.
// It sees no action and no blob, and signs nothing.
//
// The transport, internal/dist/broker, imports it, and nobody else. It imports nothing.
// docs/spec/leases.md specifies what it does.
package scheduler
