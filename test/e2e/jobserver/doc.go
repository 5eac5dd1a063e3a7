// Package jobserver holds tests that make's and cargo's jobservers reach the
// compilers behind the wrapper: they count the compiler processes and code
// generation threads that are alive while a build runs. Nothing imports it.
package jobserver
