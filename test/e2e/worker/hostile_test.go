package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
)

func (w *worker) dial() *grpc.ClientConn {
	w.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+w.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return conn
}

// resident returns the memory of the process, in bytes.
func (w *worker) resident() int64 {
	w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", w.cmd.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestThreat21Zeros: ten GiB of zeros, as they are and compressed, are refused once they
// are more than their name says, and take no memory.
func TestThreat21Zeros(t *testing.T) {
	w := start(t, withoutToken())
	conn := w.dial()
	before := w.resident()
	most := int64(0)
	piece := make([]byte, 1<<20)
	zeros := digest.NewHasher()
	for range 200 {
		_, _ = zeros.Write(piece)
	}
	d := zeros.Digest() // 200 MiB
	send := func(name string, data func() ([]byte, bool)) error {
		stream, err := bytestream.NewByteStreamClient(conn).Write(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var offset int64
		for n := 0; err == nil; n++ {
			b, more := data()
			if !more {
				break
			}
			if err = stream.Send(&bytestream.WriteRequest{ResourceName: name, WriteOffset: offset, Data: b}); n%16 == 0 {
				most = max(most, w.resident()-before)
			}
			offset += int64(len(b))
		}
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		_, err = stream.CloseAndRecv()
		return err
	}
	sent := 0
	err := send("uploads/1/blobs/"+d.String(), func() ([]byte, bool) { sent++; return piece, sent <= 10<<10 })
	if status.Code(err) != codes.InvalidArgument || sent > 1000 {
		t.Errorf("after %d MiB: %v", sent, err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	frames := bytes.NewReader(bytes.Repeat(z.EncodeAll(make([]byte, 64<<20), nil), 160)) // 10 GiB
	err = send("uploads/2/compressed-blobs/zstd/"+d.String(), func() ([]byte, bool) {
		b := make([]byte, 64<<10)
		n, _ := frames.Read(b)
		return b[:n], n > 0
	})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("bomb: %v", err)
	}
	t.Logf("%d MiB more", most>>20)
	if most > 64<<20 {
		t.Errorf("took %d MiB", most>>20)
	}
	sent = 0
	if _, err := bytestream.NewByteStreamClient(conn).QueryWriteStatus(t.Context(), &bytestream.QueryWriteStatusRequest{ResourceName: "uploads/1/blobs/" + d.String()}); err != nil {
		t.Error(err)
	}
	found, err := repb.NewContentAddressableStorageClient(conn).FindMissingBlobs(t.Context(), &repb.FindMissingBlobsRequest{
		BlobDigests: []*repb.Digest{{Hash: d.Hex(), SizeBytes: d.Size}},
	})
	if err != nil || len(found.MissingBlobDigests) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestThreat22Connections: thousands that connect and say nothing, or half of something,
// keep nobody out, and leave nothing behind.
func TestThreat22Connections(t *testing.T) {
	w := start(t, "[client_auth]\ntype = \"token\"\ntoken = \"t0ken\"\n")
	descriptors := func() int {
		names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := descriptors()
	var idle []net.Conn
	for i := range 3000 {
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 1: // a header that never ends
			_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n")
		case 2: // one of HTTP/2, and then nothing
			_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}
		idle = append(idle, c)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer t0ken")
	for range 20 {
		begun := time.Now()
		conn := w.dial()
		if _, err := repb.NewCapabilitiesClient(conn).GetCapabilities(ctx, &repb.GetCapabilitiesRequest{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("a call took %s", took)
		}
		conn.Close()
	}
	if n := descriptors(); n > before+1100 {
		t.Errorf("%d descriptors", n)
	}
	// Without the token no call comes in, whatever it is.
	if _, err := repb.NewExecutionClient(w.dial()).Execute(t.Context(), &repb.ExecuteRequest{}); err == nil {
		stream, err := bytestream.NewByteStreamClient(w.dial()).Read(t.Context(), &bytestream.ReadRequest{ResourceName: "blobs/" + digest.Empty().String()})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("without a token: %v", err)
		}
	}
	for _, c := range idle {
		c.Close()
	}
	for end := time.Now().Add(20 * time.Second); descriptors() > before+5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors, %d before", descriptors(), before)
		}
	}
}
