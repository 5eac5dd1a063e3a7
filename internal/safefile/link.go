package safefile

import "os"

// linkAndRemove renames old to path if path is free, where the system has no
// such call.
func linkAndRemove(old, path string) error {
	if err := os.Link(old, path); err != nil {
		return err
	}
	return os.Remove(old)
}
