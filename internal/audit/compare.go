package audit

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/sandbox"
)

// compareFiles says in words where two files differ, "" where they do not.
func compareFiles(want, got *os.File) (string, error) {
	a, b := bufio.NewReaderSize(want, 64<<10), bufio.NewReaderSize(got, 64<<10)
	for at := int64(0); ; at++ {
		x, errA := a.ReadByte()
		y, errB := b.ReadByte()
		endA, endB := errors.Is(errA, io.EOF), errors.Is(errB, io.EOF)
		switch {
		case errA != nil && !endA, errB != nil && !endB:
			return "", errors.Join(errA, errB)
		case endA && endB:
			return "", nil
		case endA:
			return fmt.Sprintf("it is longer than the stored %d bytes", at), nil
		case endB:
			return fmt.Sprintf("it has %d bytes, less than are stored", at), nil
		case x != y:
			return fmt.Sprintf("byte %#x%s is %#02x, stored is %#02x", at, section(want, at), y, x), nil
		}
	}
}

// section names the section of an object file that the byte at offset is of.
func section(f *os.File, offset int64) string {
	object, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	defer object.Close()
	for _, s := range object.Sections {
		start := int64(s.Offset)
		if s.Type != elf.SHT_NOBITS && start <= offset && offset < start+int64(s.FileSize) {
			return " in section " + s.Name
		}
	}
	return ""
}

// compareMessages compares what was printed. Where the caller's two streams were
// one, the stored text of both is in the first.
func compareMessages(want *result.Result, got *sandbox.Result, r *Report) {
	stdout, stderr := plain(want.Stdout), plain(want.Stderr)
	if bytes.Equal(stdout, got.Stdout) && bytes.Equal(stderr, got.Stderr) {
		return
	}
	both := append(bytes.Clone(got.Stdout), got.Stderr...)
	reverse := append(bytes.Clone(got.Stderr), got.Stdout...)
	if len(stderr) == 0 && (bytes.Equal(stdout, both) || bytes.Equal(stdout, reverse)) {
		return
	}
	r.fault("replay: messages differ: stored %q, replayed %q", firstLine(stderr, stdout), firstLine(got.Stderr, got.Stdout))
}

// plain removes colours and hyperlinks from messages: a replay, which writes to
// no terminal, prints none.
//
//	colour = ESC "[" ( digit | ";" )* ( "m" | "K" )
//	link   = ESC "]8;;" address ( BEL | ESC "\" )
func plain(text []byte) []byte {
	if !bytes.ContainsRune(text, '\x1b') {
		return text
	}
	return regexp.MustCompile("\x1b\\[[0-9;]*[mK]|\x1b]8;;[^\x07\x1b]*(\x07|\x1b\\\\)").ReplaceAll(text, nil)
}

// firstLine returns the first line of the first text that has one.
func firstLine(texts ...[]byte) string {
	for _, t := range texts {
		if line, _, _ := strings.Cut(strings.TrimSpace(string(t)), "\n"); line != "" {
			return line
		}
	}
	return ""
}
