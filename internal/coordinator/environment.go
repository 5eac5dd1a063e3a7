package coordinator

import (
	"slices"
	"strconv"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// runEnv returns the environment of a run.
func (j *job) runEnv(added []string) []string {
	env := slices.Clone(added)
	env = merge(env, j.inv.Env)
	env = merge(env, j.inv.Messages)
	return merge(env, lookup(j.call.Env, compiler.Plumbing()))
}

// streamsVariable stands for what shapes messages and is no variable.
const streamsVariable = "CACHEPOT_STREAMS"

// messageEnv returns what shapes a compiler's messages, as variables: those that
// are, and one that stands for the rest; nothing where nothing does.
func (j *job) messageEnv() []string {
	if j.inv.SameMessages {
		if len(j.inv.MessageArgs) == 0 {
			return nil
		}
		return []string{streamsVariable + "="}
	}
	streams := "arg0=" + j.call.Arg0 + " columns=" + strconv.FormatUint(j.msg.Columns, 10)
	if j.msg.SameFile {
		streams += " one"
	}
	return append(slices.Clone(j.inv.Messages), streamsVariable+"="+streams)
}

// loud returns the action of a compiler that has something to say, from that of one
// that has not.
func (j *job) loud(silent *action.Command) *action.Command {
	c := *silent
	c.Args = append(slices.Clone(c.Args), j.inv.MessageArgs...)
	c.Env = merge(c.Env, j.messageEnv())
	return &c
}
