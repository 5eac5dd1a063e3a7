// Package cluster builds projects with a scheduler and its workers, and does to these what
// happens to servers. Nothing imports it.
package cluster
