package spawn

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// GiveWay has this process, and all that it starts from now on, run when nothing else wants
// to. A process has no priority, only its threads do: those of a group are told at once.
func GiveWay() error {
	if err := unix.Setpgid(0, 0); err != nil {
		return fmt.Errorf("make process group: %w", err)
	}
	if err := unix.Setpriority(unix.PRIO_PGRP, 0, 19); err != nil {
		return fmt.Errorf("lower priority: %w", err)
	}
	return nil
}
