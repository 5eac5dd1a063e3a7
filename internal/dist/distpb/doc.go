// Package distpb is the messages and calls by which workers and clients speak to a
// scheduler, generated from dist.proto by scripts/generate. docs/spec/leases.md says how they
// are used. The scheduler's transport, the client and the worker's registration import it.
package distpb
