package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// JobUser is the first of the users and groups of jobs where the caller is root. Each
// slot of each sandbox on the machine has its own. No job is ever root to the kernel.
// They are below 65536, which containers map, and in a range (60706 to 61183) that
// neither distributions nor systemd hand out.
const (
	JobUser  = 61000
	maxSlots = 61183 - JobUser + 1
)

// claims is where the users that are taken have locked files, named by number. A lock
// goes with the process that has it.
const claims = "/run/cachepot-sandbox"

// claimUsers takes n users that nobody else has.
func claimUsers(n int) ([]int, []*os.File, error) {
	if err := os.MkdirAll(claims, 0o700); err != nil {
		return nil, nil, fmt.Errorf("claim users for jobs: %w", err)
	}
	var users []int
	var locks []*os.File
	for u := JobUser; len(users) < n; u++ {
		if u >= JobUser+maxSlots {
			return nil, nil, errors.Join(fmt.Errorf("claim users for jobs: %d wanted, %d are not taken", n, len(users)), release(locks))
		}
		f, err := os.OpenFile(filepath.Join(claims, strconv.Itoa(u)), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("claim users for jobs: %w", err), release(locks))
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close() // somebody has it
			continue
		}
		users, locks = append(users, u), append(locks, f)
	}
	return users, locks, nil
}

func release(locks []*os.File) error {
	var errs []error
	for _, f := range locks {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
