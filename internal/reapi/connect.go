package reapi

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// inUse is for how long after it was asked for last a connection that breaks is made again
// at once, before anything has to wait for it.
const inUse = 5 * time.Minute

// Connect has connections made that are not there, and waits for nothing: until a call is to
// be made the round trips that this takes are over. It is cheap enough for every compile.
func (c *Client) Connect() {
	c.asked.Store(time.Now().UnixNano())
	for _, conn := range []*grpc.ClientConn{c.calls, c.bulk} {
		if conn.GetState() == connectivity.Idle {
			conn.Connect()
		}
	}
}

// hold makes a connection again that breaks while the client is in use. One that the service
// has closed for want of calls stays so.
func (c *Client) hold(ctx context.Context, conn *grpc.ClientConn) {
	was := conn.GetState()
	for conn.WaitForStateChange(ctx, was) {
		was = conn.GetState()
		if was == connectivity.Idle && time.Since(time.Unix(0, c.asked.Load())) < inUse {
			conn.Connect()
		}
	}
}
