//go:build linux && (amd64 || arm64)

package watch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// play is the test program in another process: what it does with a watch there.
// Scenes run in WATCH_TEST_DIR.
func play(role string) int {
	dir := os.Getenv("WATCH_TEST_DIR")
	spec := func(args ...string) *Spec {
		return &Spec{
			Path: dir + "/tool", Argv: append([]string{"tool"}, args...), Dir: dir,
			Files: []uintptr{0, 1, 2, 3, 4}, Class: All, Deathsig: syscall.SIGKILL,
		}
	}
	switch role {
	case "nested", "unavailable":
		want, permitted := ErrNested, error(nil)
		if role == "unavailable" {
			want, permitted = ErrUnavailable, ErrUnavailable
		}
		if err := Permitted(); err != permitted {
			fmt.Fprintf(os.Stderr, "%s: permitted: %v\n", role, err)
			return 1
		}
		s := spec("nothing")
		s.Files = s.Files[:3]
		if _, err := Start(s); !errors.Is(err, want) {
			fmt.Fprintf(os.Stderr, "%s: error %v\n", role, err)
			return 1
		}
		return 0
	case "plain":
		s := spec(os.Getenv("WATCH_TEST_PLAY"))
		s.Files = s.Files[:3]
		tree, err := Start(s)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if status, _, err := tree.Wait(); err != nil || status != 0 {
			fmt.Fprintln(os.Stderr, status, err)
			return 1
		}
		r := tree.Report()
		for _, line := range told(r, dir) {
			fmt.Println(line)
		}
		return len(r.Incomplete)
	case "parent":
		tree, err := Start(spec("sleeps"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(tree.Pid())
		tree.Wait()
		return 1
	case "leaver":
		return leaver(spec("daemonize"))
	case "serve":
		if err := Serve(3); err != nil {
			return 1
		}
		return 0
	}
	return 2
}

func leaver(spec *Spec) int {
	tree, err := Start(spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, _, err := tree.Wait(); err != nil || !tree.Alive() {
		fmt.Fprintln(os.Stderr, "daemon is not alive:", err)
		return 1
	}
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	start := time.Now()
	if err := tree.Leave(self, []string{self}, []string{"WATCH_TEST_ROLE=serve"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if d := time.Since(start); d > 5*time.Second {
		fmt.Fprintln(os.Stderr, "leaving took", d)
		return 1
	}
	return 0
}
