package wire_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/wire"
)

// message is what every message of the conversation can do.
type message interface{ Append([]byte) []byte }

func decode(k wire.Kind, p []byte) (message, error) {
	switch k {
	case wire.KindCompile:
		r, err := wire.DecodeRequest(p)
		if err == nil && (r.Protocol != wire.Protocol || r.Build != wire.BuildID) {
			return nil, wire.ErrMalformed
		}
		return r, err
	case wire.KindDecline:
		return wire.DecodeDecline(p)
	case wire.KindProgress:
		return wire.DecodeProgress(p)
	case wire.KindNotice:
		return wire.DecodeNotice(p)
	case wire.KindRun:
		return wire.DecodeRun(p)
	case wire.KindExited:
		return wire.DecodeExited(p)
	case wire.KindRestore:
		return wire.DecodeRestore(p)
	case wire.KindFail:
		return wire.DecodeFail(p)
	}
	return nil, wire.ErrMalformed
}

var samples = []message{
	&wire.Request{Protocol: wire.Protocol, Build: wire.BuildID, Place: wire.Place{MountNS: "mnt:[1]", RootDev: 3, RootIno: 2},
		Umask: 0o22, SameFile: true, Device: true, Columns: 80, Dir: "/w", Path: "/usr/bin/gcc", Argv: []string{"gcc", "-c", ""}, Env: []string{"A=b\xff"}},
	&wire.Decline{Warning: "no"},
	&wire.Fail{Reason: "no engine", Stderr: []byte("e")},
	&wire.Progress{What: "toolchain", Done: 1, Total: 1 << 40},
	&wire.Notice{Text: "no archive"},
	&wire.Run{Scout: true, Bare: true, Watch: true, Looks: true, Direct: true, Path: "/usr/bin/gcc", Argv: []string{"gcc"}, Env: []string{"A="}},
	&wire.Exited{Status: 256, Nanoseconds: 1e9, Lost: true, Stdout: []byte("o\x00"), Stderr: []byte("e"), Unwatched: "io_uring", Opened: []string{"/a"}, Programs: []string{"/p"},
		Looks: []wire.Look{{Deed: wire.Probed, Path: "/b"}, {Deed: wire.Read, Found: true, Path: "/c"}}},
	&wire.Restore{Stdout: []byte("o"), Stderr: []byte{}, Files: []wire.RestoreFile{{Blob: "/c/x", Path: "x.o", Mode: 0o666, How: wire.InPlace}}},
}

func TestRoundTrip(t *testing.T) {
	for _, m := range samples {
		frame := m.Append([]byte("before"))
		k, p, err := wire.ReadFrame(bytes.NewReader(frame[6:]), wire.DefaultMaxFrame, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(k, p)
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		if d := cmp.Diff(m, got); d != "" {
			t.Errorf("%T (-sent +read):\n%s", m, d)
		}
	}
}

func TestForeignProtocolIsReadAsSuch(t *testing.T) {
	r, err := wire.DecodeRequest([]byte{99, 0xff, 0xff})
	if err != nil || r.Protocol != 99 {
		t.Fatalf("got %v, %v; want protocol 99 and no error", r, err)
	}
}

func TestForeignBuildIsReadAsSuch(t *testing.T) {
	r, err := wire.DecodeRequest([]byte{wire.Protocol, 5, 'o', 't', 'h', 'e', 'r', 0xff, 0xff})
	if err != nil || r.Build != "other" {
		t.Fatalf("got %v, %v; want build other and no error", r, err)
	}
}

func TestUnknownDeedIsRefused(t *testing.T) {
	for d, want := range map[wire.Deed]error{wire.Read: nil, wire.Removed: nil, 0: wire.ErrMalformed, wire.Removed + 1: wire.ErrMalformed} {
		e := &wire.Exited{Looks: []wire.Look{{Deed: d, Path: "/x"}}}
		if _, err := wire.DecodeExited(e.Append(nil)[5:]); err != want {
			t.Errorf("deed %d: %v, want %v", d, err, want)
		}
	}
}

func TestLongFrameIsRefusedBeforeItIsRead(t *testing.T) {
	_, _, err := wire.ReadFrame(bytes.NewReader([]byte{'c', 0xff, 0xff, 0xff, 0xff}), 1<<20, nil)
	if err != wire.ErrTooLong {
		t.Fatalf("got %v, want ErrTooLong", err)
	}
}

// FuzzDecode: no payload makes a decoder fail other than by an error, and what
// is accepted survives another round.
func FuzzDecode(f *testing.F) {
	for _, m := range samples {
		frame := m.Append(nil)
		f.Add(frame[0], frame[5:])
	}
	f.Fuzz(func(t *testing.T, k byte, p []byte) {
		m, err := decode(wire.Kind(k), p)
		if err != nil {
			return
		}
		frame := m.Append(nil)
		again, err := decode(wire.Kind(frame[0]), frame[5:])
		if err != nil {
			t.Fatalf("own encoding refused: %v", err)
		}
		if !bytes.Equal(again.Append(nil), frame) {
			t.Fatal("encoding is not stable")
		}
	})
}
