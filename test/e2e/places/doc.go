// Package places tests that the same source is a hit wherever it lies, and that what
// it gets there is what a compile there gives. Nothing imports it.
package places
