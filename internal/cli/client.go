package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/wire"
)

// errNoCoordinator says that none is running on the port in question.
var errNoCoordinator = errors.New("no coordinator is running")

// silence is how long a coordinator may say nothing before it is given up.
const silence = 10 * time.Second

// ask sends a request to the coordinator that listens on socket.
func ask(socket string, req *coordinator.ControlRequest) (*coordinator.ControlReply, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, errNoCoordinator
	}
	defer conn.Close()
	if !coordinator.OwnPeer(conn) {
		return nil, fmt.Errorf("%s belongs to another user", socket)
	}
	payload, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(wire.Frame(wire.KindControl, payload)); leaves(err) {
		return nil, errNoCoordinator
	} else if err != nil {
		return nil, fmt.Errorf("ask coordinator: %w", err)
	}
	for {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return nil, err
		}
		kind, answer, err := wire.ReadFrame(conn, wire.DefaultMaxFrame, nil)
		if leaves(err) {
			return nil, errNoCoordinator
		}
		if err != nil {
			return nil, fmt.Errorf("wait for coordinator: %w", err)
		}
		if kind != wire.KindReply {
			continue
		}
		var reply coordinator.ControlReply
		if err := json.Unmarshal(answer, &reply); err != nil {
			return nil, fmt.Errorf("read coordinator's answer: %w", err)
		}
		if reply.Error != "" {
			return nil, errors.New(reply.Error)
		}
		return &reply, nil
	}
}

// leaves reports whether err comes of a coordinator that ended between taking the
// connection and taking the request: it had stopped to listen already.
func leaves(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
