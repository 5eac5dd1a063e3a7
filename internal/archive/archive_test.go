package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/digest"
)

// checkMembers checks what is true of the members of every archive that is taken.
func checkMembers(t *testing.T, members []Member) {
	t.Helper()
	kinds := map[string]Kind{"/": Directory}
	for _, m := range members {
		if path.Clean(m.Path) != m.Path || !path.IsAbs(m.Path) || kinds[m.Path] != 0 || kinds[path.Dir(m.Path)] != Directory {
			t.Errorf("%+v is not where a member can be", m)
		}
		if mount, _ := mountPoint(m.Path); mount {
			t.Errorf("%+v lies where the kernel has files", m)
		}
		kinds[m.Path] = m.Kind
	}
	if len(members) > small.Members {
		t.Errorf("%d members", len(members))
	}
}

// TestMembers: what an archive may hold comes out, in whichever way it is packed.
func TestMembers(t *testing.T) {
	program := file("./usr/bin/cc", "the compiler")
	program.Mode = 0o755
	long := strings.Repeat("long/", 7) + strings.Repeat("n", 200)
	xattr := file("x", "1")
	xattr.Format, xattr.PAXRecords = tar.FormatPAX, map[string]string{"SCHILY.xattr.trusted.overlay.opaque": "y"}
	sticky := of(tar.TypeDir, "tmp/")
	sticky.Mode = 0o1777
	content := pack(t,
		entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "made by git"}}},
		of(tar.TypeDir, "./"), of(tar.TypeDir, "usr/"), program, of(tar.TypeDir, "usr/bin/"), link(tar.TypeLink, "usr/bin/gcc", "usr/bin/cc"), link(tar.TypeSymlink, "bin", "usr/bin"),
		link(tar.TypeSymlink, "lib", "/usr/lib"), file(long, ""), xattr, sticky, of(tar.TypeDir, "proc/"), file("proc/cpuinfo", ""), file("héllo", "2"))
	cc := digest.Of([]byte("the compiler"))
	want := []Member{
		{Path: "/bin", Kind: Symlink, Target: "usr/bin"},
		{Path: "/héllo", Kind: Regular, Digest: digest.Of([]byte("2"))},
		{Path: "/lib", Kind: Symlink, Target: "/usr/lib"},
	}
	for d, at := "", 0; at < 7; at++ {
		d += "/long"
		want = append(want, Member{Path: d, Kind: Directory})
	}
	want = append(want, Member{Path: "/" + long, Kind: Regular, Digest: digest.Empty()},
		Member{Path: "/tmp", Kind: Directory}, Member{Path: "/usr", Kind: Directory}, Member{Path: "/usr/bin", Kind: Directory},
		Member{Path: "/usr/bin/cc", Kind: Regular, Digest: cc, Executable: true}, Member{Path: "/usr/bin/gcc", Kind: Regular, Digest: cc, Executable: true},
		Member{Path: "/x", Kind: Regular, Digest: digest.Of([]byte("1"))})
	for name, packed := range map[string][]byte{
		"plain": content, "record": append(bytes.Clone(content), make([]byte, 10240)...), "gzip": gz(t, content), "two gzips": append(gz(t, content[:700]), gz(t, content[700:])...),
		"xz": packedBy(t, content, "xz", "-c", "-9"), "xz by threads": packedBy(t, content, "xz", "-c", "-T0"), "zstd": packedBy(t, content, "zstd", "-c", "--ultra", "-22", "--long=27"),
		"bzip2": packedBy(t, content, "bzip2", "-c"),
	} {
		got, err := read(packed, small)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	got, err := read(content, small)
	if err != nil {
		t.Fatal(err)
	}
	checkMembers(t, got)
}

// TestErrors: what goes wrong while contents are taken in is no fault of the archive,
// and the end of the caller's patience ends the reading.
func TestErrors(t *testing.T) {
	content, full := pack(t, file("a", "x"), file("b", "y")), errors.New("disk full")
	_, err := Read(t.Context(), bytes.NewReader(content), small, func(io.Reader, int64) (digest.Digest, error) { return digest.Digest{}, full })
	if !errors.Is(err, full) {
		t.Errorf("%v, want that the disk is full", err)
	}
	if _, err = read(content, small); err != nil {
		t.Error(err)
	}
	_, err = Read(t.Context(), bytes.NewReader(content), small, func(io.Reader, int64) (digest.Digest, error) { return digest.Empty(), nil })
	if err == nil || !strings.Contains(err.Error(), "has 0 bytes and says 1") {
		t.Errorf("%v, want that a byte is missing", err)
	}
	if err := checkText("a", "is a name that", "a\x00b"); err == nil {
		t.Error("a zero byte is taken")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	patience := errors.New("gone")
	taken := 0
	_, err = Read(ctx, bytes.NewReader(content), small, func(r io.Reader, _ int64) (digest.Digest, error) {
		taken++
		cancel(patience)
		return digest.Read(r)
	})
	if !errors.Is(err, patience) || taken != 1 {
		t.Errorf("%v after %d files, want %v after one", err, taken, patience)
	}
}

// TestRefusedQuotes: names of an archive cannot write to a terminal or a log.
func TestRefusedQuotes(t *testing.T) {
	got := (&Refused{"a\x1b[2J\n" + strings.Repeat("x", 5000), "is bad"}).Error()
	if strings.ContainsAny(got, "\x1b\n") || len(got) > 300 {
		t.Errorf("%q", got)
	}
	for _, m := range []string{"\x1b]0;x\a", "a\nb"} {
		_, err := read(pack(t, link(tar.TypeSymlink, m, "../.."+m)), small)
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\n\a") {
			t.Errorf("%v", fmt.Sprintf("%q", err))
		}
	}
}
