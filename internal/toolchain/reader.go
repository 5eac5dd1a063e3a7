package toolchain

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
)

// Progress is told how many bytes of a toolchain have been read, and of how many
// as far as that is known yet. Calls do not overlap.
type Progress func(done, total int64)

// reader has a View read files, several at once and beside other work, so that an
// evaluation finds them known. What it reads in vain does no harm.
type reader struct {
	view *filestate.View
	show Progress
	free chan struct{} // holds a token for each file that is being read
	wg   sync.WaitGroup

	mu          sync.Mutex // guards all below
	wanted      map[filestate.ID]bool
	done, total int64
}

// maxReaders bounds the processors that are taken from compiles: reading is
// bound by the computing of digests, 1.8 GB/s each.
const maxReaders = 4

func newReader(view *filestate.View, show Progress) *reader {
	return &reader{view: view, show: show, free: make(chan struct{}, min(runtime.GOMAXPROCS(0), maxReaders)), wanted: make(map[filestate.ID]bool)}
}

// want has the file that p leads to read, if it is one.
func (r *reader) want(p string) {
	id, err := filestate.Stat(p)
	if err != nil || id.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wanted[id] {
		return
	}
	r.wanted[id] = true
	r.total += id.Size
	r.wg.Go(func() {
		r.free <- struct{}{}
		_, _ = r.view.File(p) // the evaluation meets the error again
		<-r.free
		r.finish(id.Size)
	})
}

func (r *reader) finish(size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += size
	r.show(r.done, r.total)
}

// wantAll has the files of a path set read.
func (r *reader) wantAll(paths *action.PathSet) {
	for _, p := range paths.Paths {
		r.want(p)
	}
	for _, l := range paths.Listings {
		r.wantListing(l)
	}
}

func (r *reader) wantListing(l action.Listing) {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasPrefix(n, l.Prefix) && strings.HasSuffix(n, l.Suffix) {
			r.want(filepath.Join(l.Dir, n))
		}
	}
}

// expect begins with the large files that a compiler is sure to need, before it
// has been watched.
func (r *reader) expect(ctx context.Context, x *examination) {
	if x.tool.Sysroot != "" {
		r.wantListing(action.Listing{Dir: filepath.Join(x.tool.Sysroot, "lib"), Prefix: "lib"})
		listings, _ := sysrootListings(x.tool.Sysroot) // the examination meets the error again
		for _, l := range listings {
			r.wantListing(l)
		}
	}
	proper := compilerProper(x.tool.Family, x.name)
	if proper == "" {
		return
	}
	r.wg.Go(func() {
		path := x.slot.path
		out, err := spawn.Run(ctx, spawn.Command{Path: path, Args: []string{path, "-print-prog-name=" + proper}, Env: x.slot.env, Dir: x.dir})
		if p := strings.TrimSpace(string(out.Stdout)); err == nil && filepath.IsAbs(p) {
			r.want(p)
		}
	})
}

// compilerProper names the program in which gcc keeps a language, "" for what is
// in the driver itself.
func compilerProper(family, lang string) string {
	if family != "gcc" {
		return ""
	}
	switch strings.TrimSuffix(lang, "-cpp-output") {
	case "c", "cpp-output", "assembler-with-cpp":
		return "cc1"
	case "c++":
		return "cc1plus"
	case "objective-c":
		return "cc1obj"
	case "objective-c++":
		return "cc1objplus"
	}
	return ""
}

// wait waits until everything wanted so far has been read.
func (r *reader) wait() { r.wg.Wait() }
