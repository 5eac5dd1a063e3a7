// Package filestate knows what lies in the file system at this moment, and
// remembers it only as far as the kernel lets it be known: the content of a file
// is taken from memory while its device, inode, size, times and mode are what
// they were, and the names in a directory while the directory's are.
//
// # When a time stamp proves something
//
// A stamp of the kernel's coarse clock proves nothing within its own tick: a
// second change in the same tick leaves it as it was. So what was read counts as
// known only when its stamp was already past at the start of the reading. On file
// systems whose stamps come from elsewhere (network, FUSE) nothing is remembered.
//
// Since Linux 6.13 no tick need be waited for. A file that is changed after
// somebody has looked at its stamp gets a fine one, and from then on no file gets
// an older stamp: the last fine stamp is a floor under the coarse clock. A View
// that separates (View.Separate) changes a file of its own that it has looked at,
// and looks at the new stamp F. It is newer than every stamp given before; every
// change that begins later is stamped F or newer. So a file stamped before F has
// not been changed since, however little time lies between. Directories are
// judged by ticks all the same: a name may become visible a little after the
// directory was stamped, and the tick makes it unlikely that we look in between.
//
// A write call is stamped when it begins, not when it has ended. So before a file
// is read, its inode is locked for a moment (a seek for data does that), which
// waits for a call that is under way.
//
// What is not seen: a program that keeps a file mapped and writes into a page for
// a second time, which changes no stamp until the page has been written to disk;
// and a clock that is set back between two looks.
//
// # Pins
//
// Most of a hit is looking at files that have not changed. A View that pins
// (View.Pin) keeps O_PATH descriptors of what changes seldom: looking at one costs
// a third of looking up a path. It stands for the path as long as the path cannot
// lead elsewhere: the directory is the one that it was, its entries have not
// changed (its identity, settled), and no mount has come or gone. The first is
// true if the directory was looked up by its path, or is pinned and the same holds
// for the directory above; the last is what the kernel tells a reader of the table
// of mounts. Where anything is in doubt, the path is looked up.
//
// The coordinator and the toolchain package use it.
package filestate
