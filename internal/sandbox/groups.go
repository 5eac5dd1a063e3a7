package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// groups are the control groups of one slot: a directory for each controller of
// version 1, or one of version 2 for all. None at all is the zero value.
type groups struct {
	Dirs map[string]string // by controller: memory, pids, cpu
	V2   bool              // all Dirs are one
}

// controllers are those that a slot must have, and one that it may.
func controllers() (must []string, may string) { return []string{"memory", "pids"}, "cpu" }

// makeGroups makes the control groups for a number of slots, below those of this
// process. The directories of processes that are gone are removed.
func makeGroups(slots int) ([]groups, error) {
	own, v2, err := ownGroups()
	if err != nil {
		return nil, err
	}
	must, may := controllers()
	if v2 != "" && !slices.ContainsFunc(must, func(c string) bool { return own[c] != "" }) {
		if filepath.Base(v2) == leafGroup { // an earlier sandbox of this process has moved it
			v2 = filepath.Dir(v2)
		}
		if err := enable(v2, must); err != nil {
			return nil, err
		}
		for _, c := range must {
			own[c] = v2
		}
		if enable(v2, []string{may}) == nil {
			own[may] = v2
		}
	} else {
		v2 = ""
	}
	for _, c := range must {
		if own[c] == "" {
			return nil, fmt.Errorf("there is no control group for %s", c)
		}
	}
	return groupsBelow(own, v2 != "", slots)
}

// groupsBelow makes groups for a number of slots in the directories of controllers. Those that
// share a directory share a group: a process is in one group of each hierarchy.
func groupsBelow(own map[string]string, v2 bool, slots int) ([]groups, error) {
	out := make([]groups, slots)
	for i := range out {
		g := groups{Dirs: map[string]string{}, V2: v2}
		made := map[string]string{}
		for c, dir := range own {
			if made[dir] == "" {
				var err error
				if made[dir], err = makeGroup(dir, i); err != nil {
					return nil, errors.Join(err, removeGroups(append(out, g)))
				}
			}
			g.Dirs[c] = made[dir]
		}
		out[i] = g
	}
	return out, nil
}

const (
	groupPrefix = "cachepot-"
	// leafGroup is where enable moves this process.
	leafGroup = groupPrefix + "worker"
)

// makeGroup makes a group of a name that no other sandbox has.
//
//	name = "cachepot-" process "-" slot "-" number
func makeGroup(parent string, slot int) (string, error) {
	stale, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*")) // a pattern that is right
	for _, dir := range stale {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(unix.Kill(n, 0), unix.ESRCH) {
			_ = unix.Rmdir(dir) // fails where something is left in it
		}
	}
	for n := 0; ; n++ {
		dir := filepath.Join(parent, fmt.Sprintf("%s%d-%d-%d", groupPrefix, os.Getpid(), slot, n))
		err := os.Mkdir(dir, 0o755)
		if err == nil || !errors.Is(err, fs.ErrExist) || n > 1000 {
			return dir, wrapIf("make control group", err)
		}
	}
}

func wrapIf(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// ownGroups returns where the groups of this process are: by controller, of
// version 1, and the one of version 2.
func ownGroups() (map[string]string, string, error) {
	mine, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, "", fmt.Errorf("read control groups: %w", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, "", fmt.Errorf("read mounts: %w", err)
	}
	v1, v2 := parseGroups(string(mine), string(mounts))
	return v1, v2, nil
}

// parseGroups finds directories. Of mine, a line is
//
//	number ":" [ controller *( "," controller ) ] ":" path
//
// with no controller for version 2; of mounts, one is
//
//	id SP parent SP device SP root SP point SP options *( SP tag ) SP "-" SP type SP source SP super
func parseGroups(mine, mounts string) (v1 map[string]string, v2 string) {
	paths := map[string]string{} // by controller; "": version 2
	for line := range strings.Lines(mine) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		list, path, _ := strings.Cut(rest, ":")
		for _, c := range strings.Split(list, ",") {
			paths[c] = path
		}
	}
	must, may := controllers()
	v1 = map[string]string{}
	for line := range strings.Lines(mounts) {
		before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 {
			continue
		}
		dir := func(controller string) string {
			path, ok := paths[controller]
			rel, err := filepath.Rel(place[3], path)
			if !ok || err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
				return ""
			}
			return filepath.Join(place[4], rel)
		}
		switch kind[0] {
		case "cgroup2":
			v2 = dir("")
		case "cgroup":
			for _, c := range strings.Split(kind[2], ",") {
				if slices.Contains(must, c) || c == may {
					if d := dir(c); d != "" {
						v1[c] = d
					}
				}
			}
		}
	}
	return v1, v2
}

// enable lets the groups below dir have controllers. Where the rule of version 2
// is in the way, that no group has both processes and groups with controllers,
// this process moves to a group of its own.
func enable(dir string, controllers []string) error {
	control := filepath.Join(dir, "cgroup.subtree_control")
	text := "+" + strings.Join(controllers, " +")
	err := put(control, text)
	if errors.Is(err, unix.EBUSY) {
		leaf := filepath.Join(dir, leafGroup)
		if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make control group: %w", err)
		}
		if err := put(filepath.Join(leaf, "cgroup.procs"), "0"); err != nil {
			return err
		}
		err = put(control, text)
	}
	return err
}

func put(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set control group: %w", err)
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("set control group: %w", err), f.Close())
	}
	return f.Close()
}

func removeGroups(all []groups) error {
	var errs []error
	for _, g := range all {
		for _, dir := range g.Dirs {
			if err := removeGroup(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove control group: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// removeGroup waits a while for processes that are killed and not gone.
func removeGroup(dir string) error {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// joined are the groups of a slot as its keeper has them.
type joined struct {
	groups
	fd             int    // of the group of version 2
	set            Limits // what they are set to
	memory, forked int    // descriptors: where the kernel counts what went beyond the limits
	seen           exceeded
}

// join puts the calling thread into the groups of version 1, so that what it starts
// is in them from its first moment. It alone: the keeper is no part of a job. Those
// of version 2 take no single threads; what is started there is started into them.
// From then on they are reached by descriptor, whatever is mounted over them.
func (g groups) join() (*joined, error) {
	j := &joined{groups: groups{Dirs: map[string]string{}, V2: g.V2}}
	for c, dir := range g.Dirs {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open control group: %w", err)
		}
		j.fd, j.Dirs[c] = fd, "/proc/self/fd/"+strconv.Itoa(fd)
		if g.V2 {
			continue
		}
		if err := put(filepath.Join(j.Dirs[c], "tasks"), "0"); err != nil {
			return nil, err
		}
	}
	if len(g.Dirs) == 0 {
		return j, nil
	}
	events := "memory.oom_control"
	if g.V2 {
		events = "memory.events"
	}
	var err error
	if j.memory, err = unix.Open(filepath.Join(j.Dirs["memory"], events), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open control group: %w", err)
	}
	if j.forked, err = unix.Open(filepath.Join(j.Dirs["pids"], "pids.events"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open control group: %w", err)
	}
	j.exceeded()
	return j, nil
}

// into has a process started in the groups.
func (j *joined) into(attr *syscall.SysProcAttr) {
	if j.V2 {
		attr.UseCgroupFD, attr.CgroupFD = true, j.fd
	}
}

// limit sets what the groups of the slot bound. What is written to files in memory
// counts as memory.
func (j *joined) limit(l *Limits) error {
	if len(j.Dirs) == 0 || j.set == *l {
		return nil
	}
	memory := strconv.FormatUint(l.Memory+l.Temp, 10)
	// One more: on version 1 the keeper's thread is in the group.
	processes := strconv.FormatUint(l.Processes+1, 10)
	type setting struct{ controller, file, text string }
	list := []setting{{"pids", "pids.max", processes}}
	swap := setting{"memory", "memory.swap.max", "0"}
	if j.V2 {
		list = append(list, setting{"memory", "memory.max", memory}, setting{"memory", "memory.oom.group", "1"})
	} else {
		// With swap it is never less than without.
		swap = setting{"memory", "memory.memsw.limit_in_bytes", memory}
		list = append(list, setting{"memory", "memory.limit_in_bytes", memory})
		if before := j.set.Memory + j.set.Temp; before != 0 && before < l.Memory+l.Temp {
			list = slices.Insert(list, 1, swap)
		}
	}
	for _, s := range append(list, swap) {
		err := put(filepath.Join(j.Dirs[s.controller], s.file), s.text)
		if s.file == swap.file && errors.Is(err, fs.ErrNotExist) {
			continue // the kernel does not count swap
		}
		if err != nil {
			return err
		}
	}
	j.set = *l
	return nil
}

// share sets how many processors a job can keep busy, where that can be.
func (j *joined) share(processors float64) error {
	dir, ok := j.Dirs["cpu"]
	if !ok || processors <= 0 {
		return nil
	}
	const period = 100_000 // microseconds
	quota := strconv.Itoa(int(processors * period))
	if j.V2 {
		return put(filepath.Join(dir, "cpu.max"), quota+" "+strconv.Itoa(period))
	}
	return errors.Join(put(filepath.Join(dir, "cpu.cfs_period_us"), strconv.Itoa(period)), put(filepath.Join(dir, "cpu.cfs_quota_us"), quota))
}

// exceeded counts how often groups have met their limits.
type exceeded struct{ memory, processes int }

// exceeded returns what has been added to the counts since it was last called.
func (j *joined) exceeded() exceeded {
	if len(j.Dirs) == 0 {
		return exceeded{}
	}
	now := exceeded{count(j.memory, "oom_kill"), count(j.forked, "max")}
	more := exceeded{now.memory - j.seen.memory, now.processes - j.seen.processes}
	j.seen = now
	return more
}

// count returns the number behind a word at the beginning of a line of a file, 0
// where there is none.
func count(fd int, word string) int {
	b := make([]byte, 1024)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b[:n])) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == word {
			n, _ := strconv.Atoi(fields[1]) // 0 where it is no number
			return n
		}
	}
	return 0
}
