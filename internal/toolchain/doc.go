// Package toolchain knows compilers as trees of files: what an executable is,
// which helpers, libraries and built-in files it needs whatever it compiles, and
// whether all of that is still what it was. A toolchain is what a compiler needs
// for one source language, found by watching it at a small probe compile; it is
// part of the input tree of every action of that language.
//
// The coordinator uses it. It imports compiler (for Tool), action, filestate,
// safefile, tree, spawn and watch.
package toolchain
