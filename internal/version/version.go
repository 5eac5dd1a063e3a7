// Package version holds the number that all programs print. It imports nothing; the
// mains and the command lines may import it.
package version

// Version is what --version prints.
const Version = "0.1.0"
