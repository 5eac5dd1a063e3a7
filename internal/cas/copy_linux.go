package cas

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// cloneFrom is the length in bytes from which blocks are shared. File systems
	// write data that is still in memory to the disk before they share it, and a
	// compiler's output always is: copying less than this takes less time.
	cloneFrom = 256 << 10
	// stride is how much is copied between two looks at the context.
	stride = 64 << 20
)

// copyFile copies the content of src from offset 0 to dst, which is empty, and
// returns how many bytes. The offset of src is not used, since src may share it
// with another process.
func copyFile(ctx context.Context, dst, src *os.File, buf []byte) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "fstat", Path: src.Name(), Err: err}
	}
	if st.Size < cloneFrom {
		return copyRest(ctx, dst, src, 0, buf)
	}
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) == nil {
		return cloned(dst)
	}
	return copyRange(ctx, dst, src, buf)
}

func cloned(dst *os.File) (int64, error) {
	info, err := dst.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// copyRange lets the kernel copy. Where it cannot, or says that there is nothing
// although it may only not know (some file systems do), the rest is copied by
// hand.
func copyRange(ctx context.Context, dst, src *os.File, buf []byte) (int64, error) {
	var total int64
	for {
		if err := done(ctx); err != nil {
			return total, err
		}
		from, to := total, total
		n, err := unix.CopyFileRange(int(src.Fd()), &from, int(dst.Fd()), &to, stride, 0)
		if err != nil || n == 0 {
			break
		}
		total += int64(n)
	}
	return copyRest(ctx, dst, src, total, buf)
}
