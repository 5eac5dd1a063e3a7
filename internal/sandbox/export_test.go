package sandbox

import "context"

// Measures are what tests leave out, to see the attack succeed that they are for.
type Measures = measures

const (
	User         = measureUser
	Capabilities = measureCapabilities
	Descriptors  = measureDescriptors
	KernelLimits = measureLimits
	RootDir      = measureRoot
	Devices      = measureDevices
	Session      = measureSession
	IPC          = measureIPC
	PID          = measurePID
	Net          = measureNet
	Userns       = measureUserns
	Environment  = measureEnvironment
	Filter       = measureFilter
	Settings     = measureSettings
	Temp         = measureTemp
	Groups       = measureGroups
	Watch        = measureWatch
	End          = measureEnd
	Check        = measureCheck
)

// RunWithout runs a job without some measures.
func (s *Sandbox) RunWithout(ctx context.Context, j *Job, without Measures) (*Result, error) {
	return s.run(ctx, &jobSpec{Job: *j, Without: without})
}

// Attack runs the self-test without some measures and returns what broke out.
func (s *Sandbox) Attack(ctx context.Context, without Measures) (map[string]string, error) {
	return s.attack(ctx, without)
}

// OpenWithout opens a sandbox whose keepers lack some measures.
func OpenWithout(ctx context.Context, c Config, without Measures) (*Sandbox, error) {
	c.without = without
	return Open(ctx, c)
}

// Older is what the version of bubblewrap is judged by.
func Older(a, b string) bool { return older(a, b) }
