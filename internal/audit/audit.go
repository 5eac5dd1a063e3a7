package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/tree"
	"github.com/cachepot/cachepot/internal/witness"
)

// Store is the tier whose entries are audited. Nothing is written to it.
type Store interface {
	storage.Tier
	Keys(ctx context.Context, kind storage.Kind) ([]digest.Digest, error)
	Blobs() *cas.Store
}

// Config is what an Auditor needs.
type Config struct {
	Store Store
	// Program is a static executable, as a rule the running one, that is started
	// for each stage: with the arguments Self and one more it calls Inner with that.
	Program string
	Self    []string
	Bwrap   string // the path of bubblewrap, 0.8 or later
	// Temp is where a directory is made for what the audits lay out: as large as
	// the compilers, at most. Empty: the system's place. For root it is another
	// where not everybody may pass through this one.
	Temp string
	Root bool // the caller is root
}

// Auditor audits entries, one at a time. It keeps the compilers it has laid out.
type Auditor struct {
	store  Store
	box    *sandbox.Sandbox
	dir    string
	view   *filestate.View
	tools  *toolchain.Registry
	pool   *tree.Pool
	layers map[digest.Digest]string // toolchains that are laid out
	// What it finds out of macros is kept: it decides who is served with their results.
	witnesses witness.Ledger
	isa       string
}

// Report says how an entry came off. It passed where Gone is empty and there are
// no Faults.
type Report struct {
	Action digest.Digest
	Label  string // the outputs and the directory, for people
	// Gone is why the entry could not be audited: an input or a part of the entry
	// is not there any more.
	Gone string
	// Faults are what is wrong with the entry, each in one line.
	Faults []string
	// limited: the replay was ended for what it used.
	limited bool
}

// New checks that both audits work on this machine and returns an Auditor, which
// has to be closed. The error says what the machine lacks.
func New(ctx context.Context, c Config) (*Auditor, error) {
	dir, err := os.MkdirTemp(place(c), "cachepot-verify-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	// The sandbox's user must get through; it cannot list what is there.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	view := filestate.New(filestate.Clock)
	a := &Auditor{
		store: c.Store, dir: dir, view: view,
		tools:  toolchain.NewRegistry(view, toolchain.Watch, records{c.Store}),
		layers: make(map[digest.Digest]string), isa: action.ISA(runtime.GOARCH), witnesses: witness.New(c.Store),
	}
	if err := a.open(ctx, c); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// place returns where to lay things out. For root the sandbox runs as another
// user, who has to get through to there: some systems give each user a private
// place for temporary files.
func place(c Config) string {
	if !c.Root {
		return c.Temp
	}
	for _, dir := range []string{c.Temp, "/var/tmp", "/tmp"} {
		if dir != "" && passable(dir) {
			return dir
		}
	}
	return c.Temp // and the sandbox says what is wrong
}

// passable reports whether everybody may pass through dir and all above it.
func passable(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func (a *Auditor) open(ctx context.Context, c Config) error {
	for _, name := range []string{"jobs", "pool"} {
		if err := os.Mkdir(filepath.Join(a.dir, name), 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	var err error
	a.box, err = sandbox.Open(ctx, sandbox.Config{Program: c.Program, Self: c.Self, Bwrap: c.Bwrap, Dir: filepath.Join(a.dir, "jobs"), Root: c.Root, Slots: 1})
	if err != nil {
		return err
	}
	a.pool = tree.NewPool(filepath.Join(a.dir, "pool"), -1)
	return nil
}

// Close removes what the Auditor has laid out.
func (a *Auditor) Close() error {
	var err error
	if a.box != nil {
		err = a.box.Close()
	}
	return errors.Join(err, sandbox.Remove(a.dir))
}

// Entries returns the keys of all entries.
func (a *Auditor) Entries(ctx context.Context) ([]digest.Digest, error) {
	return a.store.Keys(ctx, storage.Entry)
}

// Check audits one entry. An error means that audits do not work here, or that
// ctx is done; it says nothing about the entry.
func (a *Auditor) Check(ctx context.Context, key digest.Digest) (*Report, error) {
	r := &Report{Action: key}
	err := a.check(ctx, key, r)
	var gone *goneError
	switch {
	case errors.As(err, &gone):
		r.Gone = gone.why
	case err != nil:
		return nil, fmt.Errorf("audit %s: %w", key.Hex(), err)
	}
	return r, nil
}

func (a *Auditor) check(ctx context.Context, key digest.Digest, r *Report) error {
	s, err := a.load(ctx, key, r)
	if err != nil || s == nil {
		return err
	}
	r.Label = label(&s.here.Command)
	in, err := a.inputs(ctx, s)
	if err != nil {
		return err
	}
	if err := a.checkKey(s, in, r); err != nil {
		return err
	}
	if err := a.checkLive(s, in, r); err != nil {
		return err
	}
	if s.result.Bound != nil {
		if err := a.testify(ctx, s, in); err != nil {
			return err
		}
	} else if err := a.present(ctx, s, in, r); err != nil {
		return err
	}
	return a.rerun(ctx, s, in, r)
}

// Witness finds out whether the macros that had a hand in an entry care where they run, and
// nothing else of it. The entry is named by its action, as "hash/size". An error means the
// same as one of Check.
func (a *Auditor) Witness(ctx context.Context, action string) error {
	key, err := digest.Parse(action)
	if err != nil {
		return err
	}
	r := &Report{Action: key}
	s, err := a.load(ctx, key, r)
	if err != nil || s == nil || s.result.Bound == nil {
		return ignoreGone(err)
	}
	in, err := a.inputs(ctx, s)
	if err != nil {
		return ignoreGone(err)
	}
	if err := a.checkLive(s, in, r); err != nil || len(r.Faults) > 0 {
		return ignoreGone(err)
	}
	return ignoreGone(a.testify(ctx, s, in))
}

func ignoreGone(err error) error {
	if _, ok := errors.AsType[*goneError](err); ok {
		return nil
	}
	return err
}

// maxFaults bounds what is told of one entry.
const maxFaults = 20

func (r *Report) fault(format string, args ...any) {
	switch n := len(r.Faults); {
	case n < maxFaults:
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	case n == maxFaults:
		r.Faults = append(r.Faults, "and more")
	}
}

// goneError says that an entry cannot be audited any more.
type goneError struct{ why string }

func (e *goneError) Error() string { return e.why }

func gone(format string, args ...any) error { return &goneError{fmt.Sprintf(format, args...)} }

func label(c *action.Command) string {
	what := strings.Join(c.Outputs, " ")
	if what == "" {
		what = c.Args[0]
	}
	return what + " in " + c.Dir
}
