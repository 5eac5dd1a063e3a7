package sandbox

// measures is a set of what keeps a job from doing harm. Tests leave one out and
// see the attack succeed that it is there for; no configuration leads here.
type measures uint64

const (
	measureUser         measures = 1 << iota // a user who is not root
	measureCapabilities                      // none
	measureDescriptors                       // no descriptors but three
	measureLimits                            // what the kernel bounds for each process
	measureRoot                              // the layers, and nothing else
	measureDevices                           // few
	measureSession                           // a new one, without a terminal
	measureIPC
	measurePID
	measureNet
	measureUserns      // none within
	measureEnvironment // an empty one
	measureFilter      // of calls
	measureSettings    // of the kernel: read-only
	measureTemp        // a size for what is written
	measureGroups      // control groups
	measureWatch       // of memory and processes
	measureEnd         // of all processes, before files are looked at
	measureCheck       // by Open
)

func (m measures) has(other measures) bool { return m&other != 0 }
