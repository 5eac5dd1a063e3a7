package compiler

// Trial is a run of a toolchain's own program on sources of ours that shows what such
// runs look at, whoever asks for them.
type Trial struct {
	Program string            // absolute
	Args    []string          // argv[1:]; relative paths start in a directory of the trial's own
	Env     []string          // the whole environment; "$DIR" in a value is that directory
	Files   map[string]string // the sources by name in it; one that ends in "/" is a directory
	Leaves  []string          // files that a success has left there
}

// Sight is what a Trial has shown. It is as things are now: were anything of it to
// change, the trial would be made again.
type Sight struct {
	// Looks are in order of first sight. Paths below the trial's directory begin with
	// "$DIR/"; the directory itself, those above it and what every program looks at are left out.
	Looks    []Look
	Programs []string // that were started, interpreters included
	Failed   bool     // it did not end well, or has not left what it should
}
