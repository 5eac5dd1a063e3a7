package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// TestNoSpace fills a small file system, which a child mounts in a mount namespace
// of its own. Where that is not allowed, a limit on the size of files stands in.
func TestNoSpace(t *testing.T) {
	dir := t.TempDir()
	cmd := childCommand(t, "filler", dir, "tmpfs")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || bytes.Contains(out, []byte("mount: ")) {
		t.Logf("no mounts here (%v %s): limiting the size of files instead", err, out)
		out, err = childCommand(t, "filler", dir, "limit").CombinedOutput()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

const (
	smallDisk = 1 << 20 // bytes of the file system
	fileLimit = 100_000 // bytes of a file, where there is only that limit
)

// filler puts objects until there is no room, checks what is there then, makes
// room, and puts again.
func filler(args []string) error {
	dir := args[0]
	if args[1] == "tmpfs" {
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", smallDisk))
		}
		if err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	} else {
		signal.Ignore(syscall.SIGXFSZ)
		limit := unix.Rlimit{Cur: fileLimit, Max: fileLimit}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	tier, err := disk.Open(disk.Config{Dir: dir, Limit: 1 << 40, Memory: 1 << 20, Now: time.Now})
	if err != nil {
		return err
	}
	defer tier.Close()
	first, err := fill(tier)
	if err != nil {
		return err
	}
	if err := tier.Clear(context.Background(), nil); err != nil {
		return err
	}
	again, err := fill(tier)
	if err == nil && again == 0 {
		err = errors.New("nothing can be put after clearing")
	}
	fmt.Printf("%d objects, then full; cleared; %d objects, then full", first, again)
	return err
}

// fill puts ever larger blobs, with a record for each, until a put fails, and
// returns how many there are.
func fill(tier *disk.Tier) (int, error) {
	ctx := context.Background()
	var err error
	var put []digest.Digest
	for i := 1; err == nil; i++ {
		b := bytes.Repeat([]byte{byte(i)}, 20_000*i)
		d := digest.Of(b)
		if err = tier.PutBlob(ctx, d, bytes.NewReader(b)); err == nil {
			put = append(put, d)
			err = storage.Put(ctx, tier, storage.Entry, d, []byte("payload"))
		} else if tier.Blobs().Has(d) {
			return 0, errors.New("a put that failed left its blob")
		}
	}
	if f, ok := errors.AsType[*storage.Fault](err); !ok || f.Trouble != storage.Full {
		return 0, fmt.Errorf("put on a full disk: %w, want the fault Full", err)
	}
	for _, d := range put {
		if _, err := storage.ReadBlob(ctx, tier, d); err != nil {
			return 0, fmt.Errorf("read on a full disk: %w", err)
		}
		if _, err := storage.Get(ctx, tier, storage.Entry, d); err != nil && !storage.IsMiss(err) {
			return 0, fmt.Errorf("get on a full disk: %w", err)
		}
	}
	return len(put), nil
}
