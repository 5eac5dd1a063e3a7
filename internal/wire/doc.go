// Package wire is the conversation between the wrapper and the coordinator: its
// frames and messages. docs/spec/frames.md tells the order in which they go.
//
// The wrapper pays for every import here at every compile, so this package
// imports nothing. Both sides of the socket may import it, nobody else.
package wire

// Protocol numbers the grammar of the messages. A peer of another number is
// declined before anything of its message is looked at.
const Protocol = 2

// BuildID names the source that both programs were built from. The linker sets
// it; two programs built without it are taken to be of one build.
var BuildID = "devel"
