// Package sandbox runs commands on Linux where they can see only what they are
// given: in an empty root that holds one input tree and nothing else, or in a
// copy-on-write view of the live file system (a shadow) in which nothing that
// they write reaches a real file.
//
// Where the caller is root the level is Isolated, if there are control groups: each
// job runs as a user, and within limits, that no other job has at the time. Else it
// is Rootless.
//
// A slot, which is room for one job, has a keeper: a program of the caller's, as a
// rule the running one, that is started once, in a mount namespace and with no
// network, and talks to the caller over a socket. For each job it mounts a file
// system in memory and on it an overlay, the layers of the job below, and starts
// bubblewrap, which takes every other namespace, drops all capabilities, applies a
// list of allowed calls and makes the overlay the root. The innermost step is a
// program of a few system calls that is made for the job (image.go), since
// bubblewrap sets PWD: it takes limits on, and becomes the command. When all
// processes of the job have ended, the keeper hands out files of the job as open
// descriptors; the caller, which may hold secrets, resolves no path that a job made.
//
// Open runs attack.go in a job and returns no Sandbox that does not withstand it.
//
// The audits use this package, and workers. It imports nothing of ours: layers are
// directories, which package tree lays out.
package sandbox
