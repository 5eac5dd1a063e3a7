// Package sandbox runs commands on Linux where they can see only what they are
// given: in an empty root that holds one input tree and nothing else, or in a
// copy-on-write view of the live file system (a shadow) in which nothing that
// they write reaches a real file.
//
// A root is two namespaces deep. A program of the caller's, as a rule the running
// one, is started in a user and mount namespace, as a user that is not root, and
// there mounts an overlay: the layers it was given below, a fresh directory on
// top. Inside, bubblewrap takes every other namespace, drops all capabilities and
// makes the overlay the root. The innermost step is the same program again, by
// descriptor, since bubblewrap sets PWD: it sets the exact environment, the
// directory and the limits, and becomes the command.
//
// The audits use it, and workers will. It imports nothing of ours: layers are
// directories, which package tree lays out.
package sandbox
