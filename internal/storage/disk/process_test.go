//go:build linux

package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// childVar names what a copy of the test binary is to do instead of tests.
const childVar = "CACHEPOT_TEST_CHILD"

func TestMain(m *testing.M) {
	children := map[string]func(args []string) error{
		"worker": worker,
		"writer": writer,
		"filler": filler,
	}
	child, ok := children[os.Getenv(childVar)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func childCommand(t *testing.T, what string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childVar+"="+what)
	return cmd
}

// numbered returns the content of the blob with that number: 0 to 40 kB, a few
// larger than what is copied by hand.
func numbered(i int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	size := r.IntN(40_000)
	if i%50 == 0 {
		size = 400_000
	}
	return bytes.Repeat(fmt.Appendf(nil, "%08d", i), size/8)
}

// checkFiles verifies every visible file below dir and returns how many there are.
// The second result is the number of files that are being written.
func checkFiles(t *testing.T, dir string) (files, temps int) {
	t.Helper()
	tier := open(t, disk.Config{Dir: dir, Limit: 1 << 40})
	defer tier.Close()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if safefile.IsTemp(e.Name()) {
			temps++
			return nil
		}
		files++
		hash, size, _ := strings.Cut(e.Name(), "-")
		d, err := digest.FromHex(hash, size)
		if err != nil {
			return err
		}
		kind := filepath.Base(filepath.Dir(filepath.Dir(path)))
		return checkObject(t.Context(), tier, kind, d)
	})
	if err != nil {
		t.Fatalf("a visible file is not what its name says: %v", err)
	}
	return files, temps
}

func checkObject(ctx context.Context, tier storage.Tier, kind string, d digest.Digest) error {
	for _, k := range storage.Kinds() {
		if k.String() == kind {
			_, err := storage.Get(ctx, tier, k, d)
			return err
		}
	}
	return storage.CopyBlob(ctx, tier, d, io.Discard)
}

// TestKill kills a process that writes, again and again, at random points. What
// it said it had stored is there, all that is visible is whole, and nothing is
// left behind that a later look could take for an object.
func TestKill(t *testing.T) {
	kills := 200
	if testing.Short() {
		kills = 20
	}
	dir := t.TempDir()
	stored := 0
	for i := range kills {
		stored += killOne(t, dir, i)
		if i%20 == 19 {
			checkFiles(t, dir)
		}
	}
	files, temps := checkFiles(t, dir)
	if stored < kills/10 {
		t.Errorf("%d kills met only %d rounds of puts", kills, stored)
	}
	t.Logf("%d kills, %d rounds of puts acknowledged, %d files, %d temporary files left", kills, stored, files, temps)
}

// killOne runs a writer for a random time and returns how many rounds it did.
func killOne(t *testing.T, dir string, run int) int {
	t.Helper()
	cmd := childCommand(t, "writer", dir, strconv.Itoa(run))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(out, first); err != nil {
		t.Fatalf("the writer did not start: %v", err)
	}
	time.Sleep(rand.N(15 * time.Millisecond))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	acknowledged, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	tier := open(t, disk.Config{Dir: dir, Limit: 1 << 40})
	defer tier.Close()
	lines := strings.Split(string(acknowledged), "\n")
	lines = lines[:len(lines)-1] // what follows the last newline was cut
	for _, line := range lines {
		i, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		checkRound(t, tier, i)
	}
	return len(lines)
}

// checkRound checks what round i of a writer has put.
func checkRound(t *testing.T, tier *disk.Tier, i int) {
	t.Helper()
	b := numbered(i)
	d := digest.Of(b)
	object{0, d, b}.check(t, tier, "a kill")
	for _, k := range []storage.Kind{storage.Entry, storage.Request} {
		if _, err := storage.Get(t.Context(), tier, k, d); err != nil {
			t.Errorf("round %d: what was acknowledged is lost: %v", i, err)
		}
	}
	if !tier.Blobs().Has(d) {
		t.Errorf("round %d: the blob is lost", i)
	}
}

// writer puts objects until it is killed, and says so after each round.
func writer(args []string) error {
	ctx := context.Background()
	run, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	tier, err := disk.Open(disk.Config{Dir: args[0], Limit: 1 << 40, Memory: mib, Now: time.Now})
	if err != nil {
		return err
	}
	fmt.Print(">")
	for i := 1000 * run; ; i++ {
		src, err := os.CreateTemp("", "")
		if err != nil {
			return err
		}
		os.Remove(src.Name())
		if _, err := src.Write(numbered(i)); err != nil {
			return err
		}
		d, err := tier.Blobs().PutFile(ctx, src)
		if err != nil {
			return err
		}
		src.Close()
		err = errors.Join(
			storage.Put(ctx, tier, storage.Entry, d, []byte("entry")),
			storage.Put(ctx, tier, storage.Request, d, []byte("request")),
			storage.Put(ctx, tier, storage.Request, d, []byte("longer request")))
		if err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// TestManyProcesses lets 16 processes put, get, drop and evict in one directory
// that is too small for what they put; one of them also clears it now and then.
func TestManyProcesses(t *testing.T) {
	const limit = 4 * mib
	length := 5 * time.Second
	if testing.Short() {
		length = time.Second
	}
	dir := t.TempDir()
	var all []*exec.Cmd
	for i := range 16 {
		cmd := childCommand(t, "worker", dir, strconv.Itoa(i), strconv.Itoa(limit), length.String())
		cmd.Stderr = &bytes.Buffer{}
		cmd.Stdout = &bytes.Buffer{}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for i, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, cmd.Stderr)
		}
		t.Logf("process %d: %s", i, cmd.Stdout)
	}
	tier := open(t, disk.Config{Dir: dir, Limit: limit})
	if u := usage(t, tier); u.Bytes > limit || u.Bytes < limit/2 {
		t.Errorf("usage after the next start: %+v, want at most the limit and, since eviction keeps most, half of it", u)
	}
	tier.Close()
	checkFiles(t, dir)
}

// worker does random things for a while. Any bytes but those that were put, and
// any error but a miss, ends it.
func worker(args []string) error {
	dir := args[0]
	seed, err1 := strconv.ParseUint(args[1], 10, 64)
	limit, err2 := strconv.ParseInt(args[2], 10, 64)
	length, err3 := time.ParseDuration(args[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, 3))
	config := disk.Config{Dir: dir, Limit: limit, Memory: mib, Now: time.Now}
	tier, err := disk.Open(config)
	if err != nil {
		return err
	}
	defer func() { tier.Close() }()
	ops, hits := 0, 0
	end := time.Now().Add(length)
	patience := end.Add(time.Minute) // a busy machine may grant few steps
	for now := time.Now(); now.Before(end) || hits == 0 && now.Before(patience); now = time.Now() {
		ops++
		if r.IntN(1000) == 0 {
			tier.Close()
			if tier, err = disk.Open(config); err != nil {
				return err
			}
		}
		if seed == 0 && r.IntN(100) == 0 && time.Until(end) > length/2 {
			if err := tier.Clear(context.Background(), nil); err != nil {
				return err
			}
		}
		hit, err := step(r, tier)
		if err != nil && !storage.IsMiss(err) {
			return err
		}
		if hit {
			hits++
		}
	}
	if hits == 0 {
		return errors.New("not a single hit")
	}
	u, err := tier.Usage(context.Background())
	fmt.Printf("%d steps, %d hits, usage %d of %d", ops, hits, u.Bytes, u.Limit)
	return err
}

// step does one random thing and reports whether it was a hit.
func step(r *rand.Rand, tier *disk.Tier) (bool, error) {
	ctx := context.Background()
	b := numbered(r.IntN(400))
	d := digest.Of(b)
	k := []storage.Kind{storage.Entry, storage.Request, storage.Subject}[r.IntN(3)]
	switch n := r.IntN(1000); {
	case n < 300:
		_, err := tier.Blobs().PutBytes(ctx, b)
		return false, err
	case n < 500:
		return false, storage.Put(ctx, tier, k, d, b[:min(len(b), 3000)])
	case n < 750:
		got, err := storage.ReadBlob(ctx, tier, d)
		return err == nil, wrong(got, b, err)
	case n < 950:
		got, err := storage.Get(ctx, tier, k, d)
		return err == nil, wrong(got, b[:min(len(b), 3000)], err)
	}
	return false, tier.DropRecord(ctx, k, d)
}

func wrong(got, want []byte, err error) error {
	if err == nil && !bytes.Equal(got, want) {
		return errors.New("wrong bytes")
	}
	return err
}
