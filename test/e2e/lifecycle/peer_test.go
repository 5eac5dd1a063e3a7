package lifecycle

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/wire"
)

// TestOtherBuild: a wrapper of another build compiles alone while the old
// coordinator makes room.
func TestOtherBuild(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("4")
	i.write("x.c", "int x;\n")
	call := []string{"gcc", "-c", "x.c", "-o", "x.o"}
	i.ok(call...)
	old := i.pid()
	slow := i.background(append([]string{i.wrapper()}, slowCall()...)...)
	i.await("sleep")
	other := i.with()
	other.bin = strings.TrimSuffix(i.bin, "one") + "two"
	other.ok(call...)
	other.ok(call...)
	if now := other.pid(); now == 0 || now == old {
		t.Errorf("coordinator %d, was %d", now, old)
	}
	if !alive(old) {
		t.Error("the old one has not waited for its compile")
	}
	if r := slow.wait(); r.code != 0 || r.stderr != "" {
		t.Errorf("compile under way: %d %s", r.code, r.stderr)
	}
	eventually(t, "end of the old coordinator", func() bool { return !alive(old) })
	other.want(2, 0, func() { other.ok(call...); other.ok(slowCall()...) })
	if s := other.stats(); s.Declined["other build"] != 1 {
		t.Errorf("declined: %v", s.Declined)
	}
	i.ok(call...) // and back
	i.ok(call...)
	i.want(1, 0, func() { i.ok(call...) })
	// Commands of one build to a coordinator of another.
	for _, arg := range []string{"--show-stats", "--zero-stats", "--stop-coordinator"} {
		if r := other.cachepot(arg); r.code != 0 {
			t.Errorf("%s of another build: %d %s", arg, r.code, r.stderr)
		}
	}
}

// TestOtherProtocol: what another protocol puts behind its number is not looked at.
func TestOtherProtocol(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	old := i.pid()
	c := i.dial()
	defer c.Close()
	frame := wire.Frame(wire.KindCompile, append([]byte{wire.Protocol + 1}, "whatever comes"...))
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	kind, payload, err := wire.ReadFrame(c, 1000, nil)
	if err != nil || kind != wire.KindDecline {
		t.Errorf("answer %q %q, %v; want it declined", kind, payload, err)
	}
	eventually(t, "the old one's end", func() bool { return !alive(old) })
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
}

// TestGarbage: whatever is sent, others are served and nothing is kept.
func TestGarbage(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	pid := i.pid()
	before := descriptors(pid)
	lie := func(kind byte, length uint32, payload string) string {
		return string([]byte{kind, byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length)}) + payload
	}
	current := string([]byte{wire.Protocol}) // of another the coordinator makes room
	bad := []string{"", "GET / HTTP/1.0\r\n\r\n", strings.Repeat("\xff", 1<<16), strings.Repeat("\x00", 1<<16), lie('c', 0xffffffff, ""),
		lie('c', 16<<20, "short"), lie('c', 0, ""), lie('c', 3, current+"\x02\x03"), lie('e', 0, ""), lie('a', 4, "0000"), lie('k', 9, "{\"op\":1}}"),
		lie('k', 2, "{}"), lie('k', 15, `{"op":"reboot"}`), lie('z', 1, "z"), lie('c', 12, current+"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		lie('k', 27, `{"op":"explain","call":{}}  `), string(wire.Frame(wire.KindExited, []byte("x")))}
	full := (&wire.Request{Protocol: wire.Protocol, Build: "one", Dir: "/", Path: "/usr/bin/gcc", Argv: nil, Env: []string{"=", "", "A"}}).Append(nil)
	bad = append(bad, string(full))
	for n := range len(full) { // every prefix, ended by the sender
		bad = append(bad, string(full[:n]))
	}
	for n, text := range bad {
		c := i.dial()
		if c == nil {
			t.Fatalf("case %d: nobody listens any more after %.40q", n, bad[n-1])
		}
		_, _ = c.Write([]byte(text))
		_ = c.CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		var buf [4096]byte
		for {
			if _, err := c.Read(buf[:]); err != nil {
				if os.IsTimeout(err) {
					t.Errorf("case %d, %.40q: the coordinator holds on to a sender that has ended", n, text)
				}
				break
			}
		}
		c.Close()
	}
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
	if i.pid() != pid {
		t.Error("it was replaced")
	}
	eventually(t, "descriptors to be given back", func() bool { return descriptors(pid) <= before+2 })
	if rss := peakMemory(pid); rss > 200<<20 {
		t.Errorf("lengths that lie have cost %d MiB", rss>>20)
	}
}

// TestLyingLengths: a length is no reason to take memory before bytes come.
func TestLyingLengths(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	pid := i.pid()
	for range 4 { // memory that is used again has to be cleared, and so is really taken
		var conns []*net.UnixConn
		for range 100 {
			c := i.dial()
			conns = append(conns, c)
			_, err := c.Write([]byte{'c', 0, 0xff, 0xff, 0xff, 1}) // nearly 16 MiB are announced
			i.must(err)
		}
		i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
		for _, c := range conns {
			c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	if rss := peakMemory(pid); rss > 200<<20 {
		t.Errorf("the coordinator took %d MiB, want less than 200", rss>>20)
	}
}

func descriptors(pid int) int {
	l, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(l)
}

// TestSlowSenders: one byte a second is not waited for, and holds nobody up.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	i := start(t, "CACHEPOT_IDLE_TIMEOUT=1")
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	frame := (&wire.Request{Protocol: wire.Protocol, Build: "one"}).Append(nil)
	var wg sync.WaitGroup
	for range 20 {
		c := i.dial()
		wg.Go(func() {
			defer c.Close()
			for n := range 30 {
				if _, err := c.Write(frame[n : n+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
			t.Error("a sender of a byte a second was heard for 30 s")
		})
	}
	for range 5 {
		if r := i.ok("gcc", "-c", "x.c", "-o", "x.o"); r.took > 2*time.Second {
			t.Errorf("a call took %v", r.took)
		}
	}
	wg.Wait()
}

// TestManyIdle: ten thousand connections that say nothing.
func TestManyIdle(t *testing.T) {
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	pid := i.pid()
	before := descriptors(pid)
	const n = 10000
	var limit syscall.Rlimit
	i.must(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < n+200 {
		t.Skipf("%d descriptors are too few", limit.Cur)
	}
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	eventually(t, "ten thousand connections", func() bool {
		for len(conns) < n {
			c, err := net.Dial("unix", i.socket())
			if err != nil { // the queue is full for a moment
				return false
			}
			conns = append(conns, c)
		}
		return true
	})
	for k := range 200 {
		i.write(fmt.Sprintf("x%d.c", k), fmt.Sprintf("int x%d;\n", k))
	}
	i.want(0, 200, func() {
		for k := 0; k < 200; k += 8 {
			for _, r := range i.together(8, func(d int) []string {
				return []string{"gcc", "-c", fmt.Sprintf("x%d.c", k+d), "-o", fmt.Sprintf("x%d.o", k+d)}
			}) {
				if r.code != 0 || r.stderr != "" {
					t.Errorf("status %d: %s", r.code, r.stderr)
				}
			}
		}
	})
	if rss := peakMemory(pid); rss > 512<<20 {
		t.Errorf("the coordinator took %d MiB, want less than 512", rss>>20)
	}
	for _, c := range conns {
		c.Close()
	}
	eventually(t, "descriptors to be given back", func() bool { return descriptors(pid) <= before+5 })
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
}
