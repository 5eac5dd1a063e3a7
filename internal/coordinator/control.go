package coordinator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cachepot/cachepot/internal/stats"
	"github.com/cachepot/cachepot/internal/wire"
)

// Op is what the command line asks a running coordinator for.
type Op string

// The operations.
const (
	OpStats   Op = "stats"
	OpZero    Op = "zero"
	OpStop    Op = "stop"
	OpExplain Op = "explain"
	OpDist    Op = "dist"
)

// ControlRequest is the payload of a KindControl frame, in JSON.
type ControlRequest struct {
	Op Op `json:"op"`
	// Call is the call to explain; nil is the latest that was no hit.
	Call *wire.Request `json:"call,omitempty"`
}

// ControlReply is the payload of a KindReply frame, in JSON.
type ControlReply struct {
	Error       string          `json:"error,omitempty"`
	Stats       *stats.Counters `json:"stats,omitempty"`
	Explanation *Explanation    `json:"explanation,omitempty"`
	// Remote comes with OpDist: how the engine is doing, nil where there is none.
	Remote *RemoteStatus `json:"remote,omitempty"`
	// Unwatched comes with Stats: why the coordinator cannot watch, "" where it can.
	Unwatched string `json:"unwatched,omitempty"`
}

// control answers the command line.
func (s *Server) control(ctx context.Context, p *peer, payload []byte) {
	p.keepAlive()
	reply := s.controlReply(ctx, payload)
	enc, err := json.Marshal(reply)
	if err != nil {
		enc = []byte(`{"error":"cannot encode the answer"}`)
	}
	p.answer(wire.Frame(wire.KindReply, enc))
}

func (s *Server) controlReply(ctx context.Context, payload []byte) *ControlReply {
	var req ControlRequest
	if err := json.Unmarshal(payload, &req); err != nil {
		return &ControlReply{Error: "request is no JSON"}
	}
	reply := &ControlReply{}
	err := s.do(ctx, &req, reply)
	if err != nil {
		reply.Error = err.Error()
	}
	return reply
}

func (s *Server) do(ctx context.Context, req *ControlRequest, reply *ControlReply) (err error) {
	s.settled() // what has been compiled is to be counted
	switch req.Op {
	case OpZero:
		err = s.Stats.Zero()
	case OpStop:
		s.Drain()
	case OpStats:
		if s.Unwatched != nil {
			reply.Unwatched = s.Unwatched()
		}
	case OpDist:
		if s.Broken != "" {
			return fmt.Errorf("%s", s.Broken)
		}
		if s.Remote != nil {
			reply.Remote = s.Remote.Status(ctx, s.ISA)
		}
		return nil
	case OpExplain:
		if s.Broken != "" {
			return fmt.Errorf("%s", s.Broken)
		}
		if req.Call == nil {
			reply.Explanation, err = s.ExplainLast(ctx)
		} else {
			reply.Explanation, err = s.ExplainCall(ctx, req.Call)
		}
		return err
	default:
		return fmt.Errorf("unknown request %q", req.Op)
	}
	if err != nil {
		return err
	}
	total, err := s.Stats.Total()
	reply.Stats = &total
	return err
}
