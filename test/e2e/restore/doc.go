// Package restore tests how outputs come out of the local cache: as clones that
// share their blocks, or as links to the blobs, where that is configured. Nothing
// imports it.
package restore
