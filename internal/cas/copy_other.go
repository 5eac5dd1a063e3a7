//go:build !linux

package cas

import (
	"context"
	"os"
)

// copyFile copies the content of src from offset 0 to dst, which is empty, and
// returns how many bytes.
func copyFile(ctx context.Context, dst, src *os.File, buf []byte) (int64, error) {
	return copyRest(ctx, dst, src, 0, buf)
}
