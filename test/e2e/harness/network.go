package harness

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Network is hosts on this machine that see each other by a bridge, each a network namespace.
// Root alone can make one.
type Network struct {
	name   string // the names of all namespaces begin so
	spaces []string
}

// NewNetwork makes a network without hosts.
func NewNetwork() (*Network, error) {
	n := &Network{name: "cl" + strings.ToLower(rand.Text()[:8])}
	err := n.space(n.name)
	if err == nil {
		err = ip("-n", n.name, "link", "add", "bridge", "type", "bridge")
	}
	if err == nil {
		err = ip("-n", n.name, "link", "set", "bridge", "up")
	}
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Close removes the network. What runs on its hosts has to end first.
func (n *Network) Close() error {
	var err error
	for _, name := range n.spaces {
		err = errors.Join(err, ip("netns", "del", name))
	}
	n.spaces = nil
	return err
}

func (n *Network) space(name string) error {
	if err := ip("netns", "add", name); err != nil {
		return err
	}
	n.spaces = append(n.spaces, name)
	return nil
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Host is a machine with an address. A nil *Host is the one that the tests run on.
type Host struct {
	Address string
	name    string
}

// Host makes the host with a number, from 1 to 254.
func (n *Network) Host(number int) (*Host, error) {
	h := &Host{fmt.Sprintf("10.99.0.%d", number), fmt.Sprintf("%s-%d", n.name, number)}
	if err := n.space(h.name); err != nil {
		return nil, err
	}
	port := fmt.Sprint("port", number)
	for _, args := range [][]string{
		{"-n", n.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", h.name},
		{"-n", n.name, "link", "set", port, "master", "bridge", "up"},
		{"-n", h.name, "addr", "add", h.Address + "/24", "dev", "eth0"},
		{"-n", h.name, "link", "set", "eth0", "up"},
		{"-n", h.name, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// In returns a command line that runs argv on the host. Its files are everybody's: another
// mount namespace would be a container's.
func (h *Host) In(argv ...string) []string {
	if h == nil {
		return argv
	}
	return append([]string{"nsenter", "--net=/run/netns/" + h.name}, argv...)
}

// Do runs f on a thread that is on the host: sockets that f makes are there, and stay there.
func (h *Host) Do(f func() error) error {
	runtime.LockOSThread()
	// Where it fails the thread is no use to anybody. It must not end otherwise: what it has
	// started may be bound to end with it.
	home, err := enter("/proc/thread-self/ns/net", "/run/netns/"+h.name)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	failed := f()
	if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
		return errors.Join(failed, fmt.Errorf("come back from host %s: %w", h.name, err))
	}
	runtime.UnlockOSThread()
	return failed
}

// enter makes the thread one of a network namespace and returns the one it was in.
func enter(from, to string) (home int, err error) {
	if home, err = unix.Open(from, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return 0, fmt.Errorf("open namespace: %w", err)
	}
	there, err := unix.Open(to, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Setns(there, unix.CLONE_NEWNET)
		unix.Close(there)
	}
	if err != nil {
		unix.Close(home)
		return 0, fmt.Errorf("enter %s: %w", to, err)
	}
	return home, nil
}

// Drop has packets dropped that leave the host and match, in the words of nft, until heal is
// called. Nobody is told of it. One rule of a host holds at a time.
func (h *Host) Drop(match ...string) (heal func() error, err error) {
	nft := func(args ...string) error {
		argv := h.In(append([]string{"nft"}, args...)...)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", argv, err, out)
		}
		return nil
	}
	for _, args := range [][]string{
		{"add", "table", "ip", "cut"},
		{"add", "chain", "ip", "cut", "out", "{ type filter hook output priority 0; }"},
		append(append([]string{"add", "rule", "ip", "cut", "out"}, match...), "drop"),
	} {
		if err := nft(args...); err != nil {
			return nil, err
		}
	}
	return func() error { return nft("delete", "table", "ip", "cut") }, nil
}

// Cut drops what the host sends to other, until heal is called.
func (h *Host) Cut(other *Host) (heal func() error, err error) {
	return h.Drop("ip", "daddr", other.Address)
}
