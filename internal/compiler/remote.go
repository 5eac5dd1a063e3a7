package compiler

import "github.com/cachepot/cachepot/internal/action"

// Remote is a Language whose calls can also run elsewhere: in a root that holds what
// they are expected to look at and nothing else, where nobody watches them.
// docs/spec/wire.md says why what comes of that can be believed.
type Remote interface {
	// Away prepares such a run. It may leave side files in scratch, as a run of Plan
	// may. The error, a *Bare, says why the call can run only here.
	Away(call *Call, inv *Invocation, scratch string) (*Away, error)
	// Forecast names what a call is likely to look at, where no earlier run of it is
	// known; of one that has a Scout, what that does not tell. It may name too much. What it leaves out makes the run fail, or come to
	// nothing when Inputs is asked what the run looked at. The error says why there is
	// no telling.
	Forecast(call *Call, inv *Invocation) (*action.PathSet, error)
}

// Away is how a call runs elsewhere.
type Away struct {
	Args []string // argv[1:]
	Env  []string // variables added to Invocation.Env
	Side []string // names of the files that the run may leave in scratch
	Made []string // as in Plan
	// Also names what only shapes messages, and is no input: it is sent where it is here.
	Also *action.PathSet
	// Scout: the call loads code that may look at anything, so only a Scout tells, each
	// time. Partly: it tells not all; an earlier run tells the rest, or Forecast.
	Scout, Partly bool
	// Whole: what Inputs says does not hold all that such a run may have read. All that
	// it was given then counts as read.
	Whole bool
}

// Scout is a Remote whose calls can be asked what they will read by running a part of
// the compiler here, where they load code that may look at anything.
type Scout interface {
	// Scout plans such a run, watched. The error, a *Bare, says why there is none.
	Scout(call *Call, inv *Invocation, scratch string) (*Plan, error)
	// Scouted names all that the run looked at, as Inputs does.
	Scouted(call *Call, inv *Invocation, seen *Observed) (*action.PathSet, error)
}
