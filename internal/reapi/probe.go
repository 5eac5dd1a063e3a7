package reapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
)

// probeStatus is the exit status of the probe's program.
const probeStatus = 42

// ProbeRoot executes a program that lies at an absolute path of its input tree, and
// nowhere else. An error that is an *Unfit says that the service does not use the
// input tree as the root, or cannot execute programs of this machine: then it is of
// no use for what names its files by absolute paths.
func (c *Client) ProbeRoot(ctx context.Context, isa string) error {
	program := probeProgram(isa)
	if program == nil {
		return &Unfit{c.Address(), "cannot be probed: no probe for " + isa}
	}
	job, err := probeJob(program, isa)
	if err != nil {
		return err
	}
	r, err := c.Execute(ctx, job)
	if f, ok := errors.AsType[*Failure](err); ok && f.What == "execute" {
		f.What = "execute a program that lies at an absolute path of the input root"
	}
	if err != nil {
		return err
	}
	if r.ExitCode != probeStatus {
		return &Unfit{c.Address(), fmt.Sprintf("does not use the input root as / (or runs no programs for %s): the probe ended with %d; nothing is executed there",
			isa, r.ExitCode)}
	}
	return nil
}

func probeJob(program []byte, isa string) (*Job, error) {
	var blobs []Blob
	add := func(m protobuf.Message) (*repb.Digest, error) {
		b, err := protobuf.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("encode probe: %w", err)
		}
		d := digest.Of(b)
		blobs = append(blobs, Blob{Digest: d, Bytes: b})
		return proto(d), nil
	}
	file := digest.Of(program)
	blobs = append(blobs, Blob{Digest: file, Bytes: program})
	below, err := add(&repb.Directory{Files: []*repb.FileNode{{Name: "program", Digest: proto(file), IsExecutable: true}}})
	if err != nil {
		return nil, err
	}
	root, err := add(&repb.Directory{Directories: []*repb.DirectoryNode{{Name: "cachepot-probe", Digest: below}}})
	if err != nil {
		return nil, err
	}
	rootDigest, err := parse(root)
	if err != nil {
		return nil, err
	}
	act, err := action.New(&action.Command{Args: []string{"/cachepot-probe/program"}, Dir: "/"}, rootDigest, isa)
	if err != nil {
		return nil, err
	}
	blobs = append(blobs, Blob{Digest: digest.Of(act.Command), Bytes: act.Command}, Blob{Digest: act.Digest, Bytes: act.Action})
	return &Job{Action: act.Digest, Blobs: blobs}, nil
}

// probeProgram returns a Linux program that ends with probeStatus: an ELF header,
// one program header, and exit(2). It is nil for an unknown instruction set.
func probeProgram(isa string) []byte {
	var machine uint16
	var code []byte
	switch isa {
	case "x86-64":
		machine = 62
		code = []byte{0xbf, probeStatus, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05} // mov edi; mov eax, 60; syscall
	case "arm-v8":
		machine = 183
		code = []byte{probeStatus<<5&0xff | 0, probeStatus >> 3, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4} // mov x0; mov x8, 93; svc
	default:
		return nil
	}
	const base, header, segment = 0x400000, 64, 56
	le := binary.LittleEndian
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b = le.AppendUint16(le.AppendUint16(b, 2), machine) // an executable at fixed addresses
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, base+header+segment) // entry
	b = le.AppendUint64(b, header)              // program headers
	b = le.AppendUint64(b, 0)                   // no sections
	b = le.AppendUint32(b, 0)
	for _, n := range []uint16{header, segment, 1, 0, 0, 0} {
		b = le.AppendUint16(b, n)
	}
	b = le.AppendUint32(le.AppendUint32(b, 1), 5) // load, to read and execute
	total := uint64(header + segment + len(code))
	for _, n := range []uint64{0, base, base, total, total, 0x1000} {
		b = le.AppendUint64(b, n)
	}
	return append(b, code...)
}
