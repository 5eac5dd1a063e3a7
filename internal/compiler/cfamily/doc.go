// Package cfamily is what the command lines of gcc and clang have in common:
// option tables, the reading of a call, the names of the files it writes, and
// the rules by which a preprocessor and an assembler look for files. Only the
// packages of single C compilers (gcc, clang) may import it.
package cfamily
