//go:build !unix

package safefile

import "os"

// checkPrivate can tell little here: a directory below the user's profile
// inherits an access list that keeps others out.
func checkPrivate(dir string) error {
	_, err := os.Stat(dir)
	return err
}
