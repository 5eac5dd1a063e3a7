// Package config is the only reader of the environment and of the configuration
// file. Load turns both into one validated Config; ForCall reads what a single
// compile may ask for; Identity tells cheaply whether two processes would get
// the same Config. One table, Settings, holds every key and variable and drives
// parsing, validation, the reference in the manual and the tests.
//
// The coordinator and the mains may import it, the thin wrapper must not: it
// meets the coordinator by internal/rendezvous alone. It imports digest and
// rendezvous.
package config
