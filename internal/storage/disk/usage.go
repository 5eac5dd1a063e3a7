package disk

import (
	"context"
	"os"
	"path/filepath"

	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

// Usage is what a tier takes.
type Usage struct {
	Bytes int64 // of all files, rounded up to blocks; an estimate between two scans
	Files int64
	Limit int64 // bytes
}

// Usage returns the present usage. It waits for the first scan of the directory,
// which Open has started.
func (t *Tier) Usage(ctx context.Context) (Usage, error) {
	select {
	case <-t.ledger.scanned:
	case <-ctx.Done():
		return Usage{}, context.Cause(ctx)
	}
	t.ledger.mu.Lock()
	defer t.ledger.mu.Unlock()
	return Usage{
		Bytes: t.ledger.size.bytes,
		Files: t.ledger.size.files,
		Limit: t.ledger.limit,
	}, nil
}

// progressStep is the number of files between two reports of progress.
const progressStep = 256

// Clear removes all objects, those that other processes put meanwhile perhaps
// not. progress may be nil; it is called now and then, and at the end, with the
// number of files done so far and of all files found. A file that cannot be
// removed does not stop the rest; the error is then a *storage.Fault.
func (t *Tier) Clear(ctx context.Context, progress func(done, total int64)) error {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	var total, done int64
	objects := func(visit func(path string)) {
		walk(ctx, t.dir, func(path string, _ safefile.Info) {
			if !safefile.IsTemp(filepath.Base(path)) {
				visit(path)
			}
		})
	}
	objects(func(string) { total++ })
	var failed error
	t.ledger.begin()
	objects(func(path string) {
		if err := os.RemoveAll(path); err != nil && failed == nil {
			failed = err
		}
		if done++; done%progressStep == 0 {
			progress(min(done, total), total)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed != nil {
		return storage.FaultOf("remove", failed)
	}
	t.ledger.end(tally{})
	progress(total, total)
	return nil
}
