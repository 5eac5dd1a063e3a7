package cli

import (
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cachepot/cachepot/internal/coordinator"
)

// distStatus prints one JSON object with one key, which says what the value is:
//
//	{"Disabled": "disabled"}
//	{"NotConnected": [url, why]}
//	{"SchedulerStatus": [url, {"num_workers": workers, "num_cpus": jobs at a time, "in_progress": jobs}]}
//	{"EngineStatus": [url, {"executes": true, "in_progress": calls}]}
func distStatus(_ *cobra.Command, e *Env) error {
	c, err := e.Load()
	if err != nil {
		return err
	}
	if c.Dist == nil || c.Dist.SchedulerURL == "" {
		return e.printStatus("Disabled", "disabled")
	}
	url := c.Dist.SchedulerURL
	req := &coordinator.ControlRequest{Op: coordinator.OpDist}
	reply, err := e.ask(req)
	if errors.Is(err, errNoCoordinator) {
		if err := e.startBackground(); err != nil {
			return err
		}
		reply, err = e.ask(req)
	}
	switch {
	case err != nil:
		return err
	case reply.Remote == nil:
		return e.printStatus("NotConnected", []any{url, "the coordinator that runs was started without it; stop it"})
	case reply.Remote.Error != "":
		return e.printStatus("NotConnected", []any{reply.Remote.URL, reply.Remote.Error})
	}
	r := reply.Remote
	if r.Cluster != nil {
		return e.printStatus("SchedulerStatus", []any{r.URL, r.Cluster})
	}
	return e.printStatus("EngineStatus", []any{r.URL, map[string]any{"executes": r.Executes, "in_progress": r.Running}})
}

func (e *Env) printStatus(key string, value any) error {
	return json.NewEncoder(e.Stdout).Encode(map[string]any{key: value})
}
