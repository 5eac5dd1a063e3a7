// Package watch tells what a process tree read. It starts a program under a
// seccomp filter that reports its calls that name files, and those of all its
// descendants, to this process, which looks at what each call is about to look
// at and lets it go on. No root, no ptrace, no change to what the calls do. (Trace,
// for the one look at a compiler that is new, is the exception.)
//
// It is a leaf: the thin wrapper, the toolchain discovery and the audits import
// it, so it imports neither os nor fmt and has nothing to initialise.
//
// # What an event means
//
// A report arrives before its call is carried out, so results are not known. An
// event says what the watcher found at the path when the call arrived: Errno 0
// and the mode, or why there was nothing. Another process may put a file there
// or take it away between that look and the call's own. That does no harm where
// the report is used to find out what a later outcome depends on: the path is
// told in any case, and whoever believes the report must check anyhow that what
// it names has not changed since the start.
//
// Each pair of Op and Path is told once, as first seen. Paths are as spelled:
// what a path leads to is for the reader to find out, and it may lead through
// links that the tree made. Exceptions: for an open or an execution, names that
// each process has of its own (/dev/fd/3, /dev/stdin, /proc/self/exe) are replaced
// by the path that they lead to, for all calls one that goes on behind such a name
// (/proc/self/cwd/x) is, and List has the directory's path as the kernel knows it. Opens of descriptors without a path (pipes, memfd, unlinked files)
// are not told: what is behind them was open before.
//
// An open that the flags and the state of the file doom to fail (O_EXCL on a
// file that is there) is a Probe. So is the open of a directory; List tells that
// entries were asked for. An open that may fail for another reason (permission,
// a running program) is told as if it succeeded. A Write of a path with an Errno
// made the file; the absence of the file before is told by it and by nothing
// else.
//
// # The tree's own files
//
// Own is set for files that the tree made (or emptied, or got by renaming or
// linking what it is told to have read), by whatever path they are reached, and
// for absences that are the tree's work: in a directory that it made, or of a
// path that it removed. Files are recognised by inode, learned after the call
// that made them. In doubt (the inode was not learned in time, a removed path
// spelled otherwise) Own is not set, so the report has an input too many, not one
// too few. It has one too few only where the tree may not make a file and another
// process makes the very same before the thread's next call.
//
// # What is not seen
//
// Report.Incomplete says so when the tree could read something by a way that is
// not reported: io_uring, handles, sockets, shared memory, another system call
// interface (i386, x32), mounts, memory of other processes, programs that the
// kernel starts by a rule of binfmt_misc. Not seen, and not told either:
//
//   - what is read from descriptors that the child inherits; the caller knows
//     what it hands over, and that of /proc/self/fd/0 is told when it has a path;
//   - a stat that has both a descriptor and a path and AT_EMPTY_PATH as its only
//     flag, which nobody writes: the filter takes it for fstat(2);
//   - names that the kernel tells a process that waits for changes (inotify): what
//     it waits at is told, what came meanwhile is not;
//   - what is no file: clock, random numbers, processor, user and host names;
//   - a program that changes a path in its memory from another thread while a
//     call with it is being looked at. Compilers are not hostile.
//
// The watcher resolves paths with its own root directory, mounts and rights. A
// tree that changes these makes the report incomplete.
//
// # Signals
//
// A signal that arrives before the watcher has received a call interrupts it. With
// a handler that restarts calls nothing shows. With one that does not, an open can
// fail with EINTR, which without a watcher it does only on file systems that
// may wait. No compiler has such a handler for signals that it survives.
//
// # Life of a tree
//
// Wait waits for the first process, and the report is complete when that ends.
// Descendants that live on are served as long as this process lives; if it closed
// the listener, their opens would fail with ENOSYS. A caller that has to end
// calls Leave, and another process serves them.
//
// With CAP_SYS_ADMIN the tree's privileges stay as they are. Without, the child
// takes on no-new-privs: set-user-id programs below it run without their
// privileges, so a caller that needs them must not watch. No thread of the caller
// is changed.
//
// # Cost
//
// About 0.5 ms for a process that does nothing, and for each reported call 8 us of
// processor time where one follows the other, 20 to 30 us where each wakes a
// watcher that has slept, on a busy machine. Most of it is two switches between
// processes; a watcher in C that records nothing takes 11 to 20 us there.
package watch
