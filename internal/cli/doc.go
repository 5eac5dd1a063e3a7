// Package cli is cachepot's command line: statistics, starting and stopping the
// coordinator, explanations. The wrapper hands over to it everything that is not
// a compile. Only cmd/cachepot-coordinator imports it.
package cli
