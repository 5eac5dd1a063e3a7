// Package roots finds the directories whose place says nothing about what is
// compiled in them, and names what lies there by places that are the same for
// everybody. docs/adr/0009 says what that is for.
//
// It is a leaf: the standard library only. Which roots are found decides what is
// shared between places, never whether a result is right.
package roots
