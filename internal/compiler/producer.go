package compiler

import "github.com/cachepot/cachepot/internal/digest"

// Producer is a Language whose calls make files that other calls depend on in
// ways that their content does not tell. It is told of every call that runs,
// cached or not, and of those that are answered with a stored result. Contents of
// outputs are given by their absolute paths.
type Producer interface {
	// Producing is called before a call runs. The result is nil where the call
	// makes nothing of interest; else it must be called after the run, with
	// whether it succeeded. In between the files count as being made. The contents
	// are given of outputs that have been stored: the caller may have removed them
	// by now. The others are looked at where they lie.
	Producing(call *Call) (done func(succeeded bool, stored map[string]digest.Digest))
	// Replayed is called before a stored result of call is put in place. What was
	// once known of its outputs may have been evicted. What it learns about the
	// inputs counts only if unchanged then says that they are those of the result.
	Replayed(call *Call, stored map[string]digest.Digest, unchanged func() bool)
}
