// Package reapi is a client of services that speak the Remote Execution API: it
// uploads what an action needs, has it executed, and hands out what came of it,
// verified. What goes over the wire, in which order and with which limits, is
// specified in docs/spec/wire.md.
//
// Nothing here knows compilers or caches, and nothing that a service says is
// believed but what a digest proves. The coordinator uses it; it imports digest, action,
// the API's generated messages and gRPC.
package reapi
