package main

// rustShare: one history in so many is of Rust, whose calls take about eight
// times as long as those of C.
const rustShare = 6

// newProject picks a project.
func newProject(d dice) *project {
	if d.one(rustShare) {
		return rustProject(d)
	}
	return cProject(d)
}
