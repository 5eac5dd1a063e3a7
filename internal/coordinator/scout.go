package coordinator

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/wire"
)

// scout has the wrapper run the part of the compiler that shows what the call reads. A
// *homeError says that this does not tell.
func (j *job) scout(lang compiler.Remote, a *awayRun) (*action.PathSet, error) {
	s, ok := lang.(compiler.Scout)
	if !ok {
		return nil, &homeError{"has to be watched"}
	}
	scratch := filepath.Join(a.scratch, "scout")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fmt.Errorf("make scratch directory: %w", err)
	}
	plan, err := s.Scout(j.call, j.inv, scratch)
	if err != nil {
		return nil, &homeError{err.Error()}
	}
	run := &wire.Run{
		Scout: true, Watch: plan.Watch, Looks: plan.Looks, Direct: plan.Direct, Path: j.call.Path,
		Argv: append([]string{j.call.Arg0}, j.withMaps(plan.Args)...), Env: j.runEnv(plan.Env),
	}
	j.p.answer(run.Append(nil))
	x, err := j.report()
	if err != nil {
		return nil, errGone
	}
	j.p.keepAlive()
	switch ws := syscall.WaitStatus(x.Status); {
	case ws.Signaled():
		return nil, errGone // the wrapper ends likewise
	case ws != 0:
		return nil, &homeError{"does not compile"}
	case x.Unwatched != "":
		return nil, &homeError{"not watched: " + x.Unwatched}
	}
	paths, err := s.Scouted(j.call, j.inv, &compiler.Observed{
		Scratch: scratch, Opened: x.Opened, Looks: looks(x), Programs: x.Programs, Stdout: x.Stdout, Stderr: x.Stderr})
	if err != nil {
		return nil, &homeError{err.Error()}
	}
	paths.Paths = slices.DeleteFunc(paths.Paths, j.tool.Names)
	return paths, nil
}
