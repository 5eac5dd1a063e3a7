package coordinator

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachepot/cachepot/internal/wire"
)

// TestLifeSigns: a caller that was told of progress goes on hearing signs of life for
// as long as it waits.
func TestLifeSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		p := &peer{Conn: ours}
		p.keepAlive()
		go p.send(wire.Frame(wire.KindProgress, nil))
		signs := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			_ = theirs.SetReadDeadline(time.Now().Add(2 * time.Second))
			kind, _, err := wire.ReadFrame(theirs, 100, nil)
			if err != nil {
				t.Fatalf("after %d signs: %v", signs, err)
			}
			if kind == wire.KindWorking {
				signs++
			}
		}
		p.stopAlive()
		ours.Close()
		theirs.Close()
		if signs < 100 {
			t.Errorf("%d signs in a minute", signs)
		}
	})
}
