package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cachepot/cachepot/internal/digest"
)

// entry is a member of an archive that a test makes.
type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, content}
}

func of(kind byte, name string) entry {
	return entry{tar.Header{Name: name, Typeflag: kind, Mode: 0o755}, ""}
}

func link(kind byte, name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o777}, ""}
}

func pack(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.Size = int64(len(e.content))
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// raw changes the header block at off and makes its checksum right again.
func raw(archive []byte, off int, change func(block []byte)) []byte {
	out := bytes.Clone(archive)
	h := out[off : off+block]
	change(h)
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return out
}

func gz(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packedBy packs content by a program of the system.
func packedBy(t testing.TB, content []byte, program ...string) []byte {
	t.Helper()
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Stdin = bytes.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", program, err)
	}
	return out
}

// read reads an archive and returns what of its contents was asked for.
func read(content []byte, limits Limits) ([]Member, error) {
	return Read(context.Background(), bytes.NewReader(content), limits, func(r io.Reader, _ int64) (digest.Digest, error) { return digest.Read(r) })
}

// small are limits that a test can reach.
var small = Limits{Bytes: 1 << 20, Members: 100, Depth: 10}

// bomb is so many zeros, packed by gzip piece by piece.
func bomb(t testing.TB, bytes int64) []byte {
	t.Helper()
	var b strings.Builder
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Typeflag: tar.TypeReg, Mode: 0o644, Size: bytes}); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	for n := int64(0); n < bytes; n += int64(len(piece)) {
		if _, err := w.Write(piece[:min(int64(len(piece)), bytes-n)]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return []byte(b.String())
}

// refused is an archive that must not be taken, and what is said of it.
type refused struct {
	content []byte
	why     string
}

// hostile returns archives that must not be taken.
func hostile(t testing.TB) map[string]refused {
	ok := pack(t, file("usr/bin/cc", "x"))
	many := make([]entry, small.Members+1)
	for i := range many {
		many[i] = file(fmt.Sprintf("f%d", i), "")
	}
	pax := func(key, value string) []byte { // Go's writer knows better than to write these
		record := fmt.Sprintf(" %s=%s\n", key, value)
		record = fmt.Sprintf("%d%s", len(record)+2, record)
		return raw(pack(t, file("extension", record), file("a", "x")), 0, func(h []byte) { h[156] = tar.TypeXHeader })
	}
	setuid := file("su", "x")
	setuid.Mode = 0o4755
	setgid := file("sg", "x")
	setgid.Mode = 0o2755
	sized := func(size uint64) []byte { // in base 256, as GNU has it
		return raw(ok, 0, func(h []byte) {
			copy(h[124:136], make([]byte, 12))
			h[124] = 0x80
			binary.BigEndian.PutUint64(h[128:136], size)
		})
	}
	all := map[string]refused{
		"parent":                       {pack(t, file("../host/x", "")), `"../host/x" leads out of its directory`},
		"parent inside":                {pack(t, file("usr/../../x", "")), "leads out of its directory"},
		"absolute":                     {pack(t, file("/etc/passwd", "")), `"/etc/passwd" has an absolute name`},
		"two spellings":                {pack(t, file("usr//bin/cc", "")), "two spellings"},
		"dot inside":                   {pack(t, file("usr/./cc", "")), "two spellings"},
		"the root as a file":           {raw(pack(t, of(tar.TypeDir, "./")), 0, func(h []byte) { copy(h, ".\x00\x00"); h[156] = tar.TypeReg }), "two spellings"},
		"empty name":                   {raw(ok, 0, func(h []byte) { copy(h[:100], make([]byte, 100)) }), "is empty"},
		"bad UTF-8":                    {raw(ok, 0, func(h []byte) { copy(h, "usr\xff\xfe") }), "is not in UTF-8"},
		"zero byte in a name":          {pax("path", "a\x00b"), "is damaged"},
		"long name":                    {pack(t, file(strings.Repeat("n", 256), "")), "more than 255 bytes"},
		"long path":                    {pack(t, file(strings.Repeat("n/", 3000)+"x", "")), "longer than 4000 bytes"},
		"deep":                         {pack(t, file(strings.Repeat("d/", 10)+"x", "")), "below more than 10 directories"},
		"link that leaves":             {pack(t, link(tar.TypeSymlink, "usr/x", "../../etc/passwd")), `"usr/x" is a link that leads out of the archive ("../../etc/passwd")`},
		"absolute link leaves":         {pack(t, link(tar.TypeSymlink, "x", "/usr/../../etc")), "leads out of the archive"},
		"chain that leaves":            {pack(t, link(tar.TypeSymlink, "a", "."), link(tar.TypeSymlink, "b", "a/../x")), "leads out of the archive"},
		"circle":                       {pack(t, link(tar.TypeSymlink, "a", "b"), link(tar.TypeSymlink, "b", "a")), "in a circle"},
		"empty target":                 {raw(pack(t, link(tar.TypeSymlink, "a", "b")), 0, func(h []byte) { h[157] = 0 }), "leads to a name that is empty"},
		"target in bad UTF-8":          {pack(t, link(tar.TypeSymlink, "a", "b\xff")), "leads to a name that is not in UTF-8"},
		"link to /proc":                {pack(t, link(tar.TypeSymlink, "a", "/proc/self/root/etc/shadow")), "no file of the archive"},
		"link to /dev":                 {pack(t, link(tar.TypeSymlink, "usr/lib/a", "../../dev/mem")), "no file of the archive"},
		"write through a link":         {pack(t, link(tar.TypeSymlink, "d", "usr"), file("d/x", "")), `"d/x" lies behind the link /d`},
		"link over a directory":        {pack(t, file("d/x", ""), link(tar.TypeSymlink, "d", "usr")), "is there twice"},
		"link, then a file":            {pack(t, link(tar.TypeSymlink, "a", "b"), file("a", "x")), "is there twice"},
		"below a file":                 {pack(t, file("a", ""), file("a/b", "")), `"a/b" lies below the file /a`},
		"hard link that leaves":        {pack(t, link(tar.TypeLink, "a", "../host/secret")), "which leads out of its directory"},
		"absolute hard link":           {pack(t, link(tar.TypeLink, "a", "/etc/shadow")), "which has an absolute name"},
		"hard link by a link":          {pack(t, file("usr/f", ""), link(tar.TypeSymlink, "d", "usr"), link(tar.TypeLink, "a", "d/f")), "no file that came before"},
		"hard link to a link":          {pack(t, link(tar.TypeSymlink, "s", "x"), link(tar.TypeLink, "a", "s")), "no file that came before"},
		"hard link to what is to come": {pack(t, link(tar.TypeLink, "a", "b"), file("b", "")), "no file that came before"},
		"hard link to itself":          {pack(t, link(tar.TypeLink, "a", "a")), "no file that came before"},
		"character device":             {pack(t, of(tar.TypeChar, "null")), `"null" is a device`},
		"block device":                 {pack(t, of(tar.TypeBlock, "sda")), "is a device"},
		"pipe":                         {pack(t, of(tar.TypeFifo, "p")), "is a pipe"},
		"socket":                       {raw(ok, 0, func(h []byte) { h[156] = 's' }), "is a socket"},
		"unknown kind":                 {raw(ok, 0, func(h []byte) { h[156] = 'Q' }), "unknown kind"},
		"contiguous":                   {raw(ok, 0, func(h []byte) { h[156] = '7' }), "unknown kind"},
		"setuid":                       {pack(t, setuid), "setuid"},
		"setgid":                       {pack(t, setgid), "setgid"},
		"twice":                        {pack(t, file("a", "1"), file("a", "2")), `"a" is there twice`},
		"twice by two names":           {pack(t, file("a", "1"), file("./a", "2")), "is there twice"},
		"/dev as a link":               {pack(t, link(tar.TypeSymlink, "dev", "usr")), `"dev" is no directory where one is mounted`},
		"/proc as a file":              {pack(t, file("proc", "")), "no directory where one is mounted"},
		"a link below /sys":            {pack(t, link(tar.TypeSymlink, "sys/x", "../usr")), "no directory where one is mounted"},
		"a device below /dev":          {pack(t, of(tar.TypeChar, "dev/null")), "is a device"},
		"sparse":                       {pax("GNU.sparse.realsize", "1099511627776"), "sparse"},
		"sparse of old":                {raw(ok, 0, func(h []byte) { h[156] = tar.TypeGNUSparse; copy(h[257:265], "ustar  \x00") }), "is sparse"},
		"unknown extension":            {pax("VENDOR.mount", "/"), "extended header that is not known"},
		"extension of all":             {pack(t, entry{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"hdrcharset": "BINARY"}}}, file("a", "")), "extended header that is not known"},
		"directory with bytes":         {raw(pack(t, of(tar.TypeDir, "d/"), file("a", "x")), 0, func(h []byte) { copy(h[124:136], "00000001000\x00") }), "is no file and has 512 bytes"},
		"size beyond the end":          {sized(4096), "ends early"},
		"size of eight exbibytes":      {sized(1<<63 - 1), "archive"},
		"negative size":                {raw(ok, 0, func(h []byte) { copy(h[124:136], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") }), "is damaged"},
		"wrong checksum":               {func() []byte { b := bytes.Clone(ok); b[0] = 'X'; return b }(), "is damaged"},
		"bomb by ratio":                {bomb(t, 200<<20), "is a bomb"},
		"too large":                    {pack(t, file("a", strings.Repeat("x", 1<<20))), "more than the 1048576 bytes"},
		"too large, packed":            {gz(t, pack(t, file("a", strings.Repeat("x", 1<<20)))), "more than the 1048576 bytes"},
		"too many":                     {pack(t, many...), "more than 100 members"},
		"too many directories":         {pack(t, manyDirectories()...), "more than 100 members"},
	}
	maps.Copy(all, hostileStreams(t, ok))
	return all
}

// hostileStreams returns those that are wrong as a whole: cut, followed by something, or packed
// strangely. ok is a good one.
func hostileStreams(t testing.TB, ok []byte) map[string]refused {
	cut := pack(t, file("a", strings.Repeat("x", 2000)))
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	xzOK, zstdOK, bz2OK := packedBy(t, ok, "xz", "-c"), packedBy(t, ok, "zstd", "-c"), packedBy(t, ok, "bzip2", "-c")
	return map[string]refused{
		"cut in a file":           {cut[:block+1000], "ends early"},
		"cut between members":     {cut[:block+2048], "ends early"},
		"half an end":             {cut[:block+2048+block], "ends early"},
		"cut gzip":                {gz(t, ok)[:60], "ends early"},
		"cut xz":                  {xzOK[:len(xzOK)-30], "ends early"},
		"cut zstd":                {zstdOK[:len(zstdOK)-10], "ends early"},
		"cut bzip2":               {bz2OK[:len(bz2OK)-10], "ends early"},
		"garbage behind":          {append(bytes.Clone(ok), "more"...), "goes on behind its end"},
		"another archive behind":  {append(bytes.Clone(ok), ok...), "goes on behind its end"},
		"garbage behind gzip":     {append(gz(t, ok), "garbage, and more of it"...), "is damaged"},
		"garbage behind xz":       {append(bytes.Clone(xzOK), "garbage, and more of it."...), "damaged"},
		"garbage behind zstd":     {append(bytes.Clone(zstdOK), "garbage, and more of it"...), "is damaged"},
		"garbage behind bzip2":    {append(bytes.Clone(bz2OK), "garbage, and more of it"...), "is damaged"},
		"gzip with wrong sum":     {func() []byte { b := gz(t, ok); b[len(b)-8] ^= 1; return b }(), "is damaged"},
		"gzip twice":              {gz(t, gz(t, ok)), "packed twice, the second time by gzip"},
		"xz in zstd":              {packedBy(t, xzOK, "zstd", "-c"), "packed twice, the second time by xz"},
		"xz with a huge memory":   {packedBy(t, big, "xz", "-c", "--lzma2=dict=1GiB"), "of memory to unpack"},
		"zstd with a huge window": {hugeWindow(t), "of memory to unpack"},
		"text":                    {[]byte(strings.Repeat("hello ", 200)), "is no tar archive"},
		"nothing":                 {nil, "is no tar archive"},
		"short":                   {[]byte("ustar"), "is no tar archive"},
		"a packed text":           {gz(t, []byte("hello")), "is no tar archive"},
		"zip":                     {append([]byte("PK\x03\x04"), make([]byte, 600)...), "is no tar archive"},
	}
}

// manyDirectories are few files below many directories.
func manyDirectories() []entry {
	var out []entry
	for i := range small.Members / 8 {
		out = append(out, file(fmt.Sprintf("%d/a/b/c/d/e/f/g/h", i), ""))
	}
	return out
}

// hugeWindow says that its reader must remember 1 GiB.
func hugeWindow(t testing.TB) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := w.EncodeAll(bytes.Repeat([]byte("x"), 4096), nil)
	return append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3}, b[len(b)-4:]...)
}

// TestHostile: no archive that could mean more than it shows is taken, and what is
// wrong is said with the member.
func TestHostile(t *testing.T) {
	cases := hostile(t)
	if len(cases) < 30 {
		t.Errorf("only %d", len(cases))
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			limits := small
			if name == "bomb by ratio" {
				limits.Bytes = 1 << 40
			}
			members, err := read(c.content, limits)
			r, ok := errors.AsType[*Refused](err)
			if !ok {
				t.Fatalf("taken: %v, %v", members, err)
			}
			if !strings.Contains(r.Error(), c.why) {
				t.Errorf("%s\nwant: %s", r, c.why)
			}
		})
	}
}

// FuzzRead: whatever the bytes are, reading ends, within bounds, and what is taken has
// clean names, no two of them one, and no link that leads out.
func FuzzRead(f *testing.F) {
	for name, c := range hostile(f) {
		if name != "bomb by ratio" && len(c.content) < 1<<16 {
			f.Add(c.content)
		}
	}
	f.Add(pack(f, of(tar.TypeDir, "usr/"), file("usr/bin/cc", "x"), link(tar.TypeSymlink, "bin", "usr/bin")))
	f.Fuzz(func(t *testing.T, content []byte) {
		late := time.AfterFunc(20*time.Second, func() { panic("reading does not end") })
		defer late.Stop()
		members, err := read(content, small)
		if err != nil {
			if _, ok := errors.AsType[*Refused](err); !ok {
				t.Errorf("%v is no refusal", err)
			}
			return
		}
		checkMembers(t, members)
	})
}
