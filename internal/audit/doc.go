// Package audit proves of stored entries that their keys hold what the compiler
// can see, by running the compiler again in two ways.
//
// The replay is for presence: in a root that holds the action's input tree and
// nothing else, the command has to give the stored bytes. The watched run is for
// absence, to which a replay is blind, since all that is not listed is absent
// there: in a shadow of the live file system the command is watched, and all that
// it reads, looks for in vain or lists has to be in the tree or among the paths
// that the entry names.
//
// An entry whose inputs are no longer what they were says nothing and is no
// failure. Only the command line imports this package.
package audit
