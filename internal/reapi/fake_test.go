package reapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/bazelbuild/remote-apis/build/bazel/semver"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
)

// fake is a service in memory that records what it is asked.
type fake struct {
	repb.UnimplementedCapabilitiesServer
	repb.UnimplementedContentAddressableStorageServer
	repb.UnimplementedExecutionServer
	longrunning.UnimplementedOperationsServer
	bytestream.UnimplementedByteStreamServer

	caps      *repb.ServerCapabilities
	pipelined bool // it says that an action may come ahead of its blobs
	// execute answers executions, the first with n = 1.
	execute func(n int, send func(*longrunning.Operation) error) error
	wait    func(send func(*longrunning.Operation) error) error

	mu        sync.Mutex // guards all below
	blobs     map[string][]byte
	calls     []string
	largest   int // bytes of content in one batch
	instances map[string]bool
	reads     []string
	squeezed  int // blobs that travelled compressed
}

func expand(b []byte) []byte {
	z, err := zstd.NewReader(nil)
	if err != nil {
		panic(err)
	}
	defer z.Close()
	out, err := z.DecodeAll(b, nil)
	if err != nil {
		return nil
	}
	return out
}

func squeeze(b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

func good() *repb.ServerCapabilities {
	return &repb.ServerCapabilities{
		LowApiVersion: &semver.SemVer{Major: 2}, HighApiVersion: &semver.SemVer{Major: 2, Minor: 12},
		CacheCapabilities:     &repb.CacheCapabilities{DigestFunctions: []repb.DigestFunction_Value{repb.DigestFunction_SHA256}},
		ExecutionCapabilities: &repb.ExecutionCapabilities{ExecEnabled: true, DigestFunction: repb.DigestFunction_SHA256},
	}
}

// serve starts the service and returns a client of it.
func (f *fake) serve(t *testing.T, instance string) *reapi.Client {
	t.Helper()
	f.blobs, f.instances = map[string][]byte{}, map[string]bool{}
	if f.caps == nil {
		f.caps = good()
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(4 << 20))
	repb.RegisterCapabilitiesServer(s, f)
	repb.RegisterContentAddressableStorageServer(s, f)
	repb.RegisterExecutionServer(s, f)
	longrunning.RegisterOperationsServer(s, f)
	bytestream.RegisterByteStreamServer(s, f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	c, err := reapi.New(reapi.Config{Address: l.Addr().String(), Instance: instance, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (f *fake) note(call, instance string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	f.instances[instance] = true
}

// took returns the calls since the last time.
func (f *fake) took() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := strings.Join(f.calls, " ")
	f.calls = nil
	return calls
}

func (f *fake) GetCapabilities(ctx context.Context, r *repb.GetCapabilitiesRequest) (*repb.ServerCapabilities, error) {
	f.note("caps", r.GetInstanceName())
	if f.pipelined {
		if err := grpc.SetHeader(ctx, metadata.Pairs("cachepot-pipelined", "1")); err != nil {
			return nil, err
		}
	}
	return f.caps, nil
}

func (f *fake) FindMissingBlobs(_ context.Context, r *repb.FindMissingBlobsRequest) (*repb.FindMissingBlobsResponse, error) {
	f.note(fmt.Sprintf("find(%d)", len(r.GetBlobDigests())), r.GetInstanceName())
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &repb.FindMissingBlobsResponse{}
	for _, d := range r.GetBlobDigests() {
		if _, ok := f.blobs[d.GetHash()]; !ok {
			out.MissingBlobDigests = append(out.MissingBlobDigests, d)
		}
	}
	return out, nil
}

func (f *fake) BatchUpdateBlobs(_ context.Context, r *repb.BatchUpdateBlobsRequest) (*repb.BatchUpdateBlobsResponse, error) {
	f.note(fmt.Sprintf("update(%d)", len(r.GetRequests())), r.GetInstanceName())
	f.mu.Lock()
	defer f.mu.Unlock()
	out, total := &repb.BatchUpdateBlobsResponse{}, 0
	for _, b := range r.GetRequests() {
		total += len(b.GetData())
		if b.GetCompressor() == repb.Compressor_ZSTD {
			f.squeezed++
			b.Data = expand(b.GetData())
		}
		if digest.Of(b.GetData()).Hex() != b.GetDigest().GetHash() {
			return nil, status.Error(codes.InvalidArgument, "wrong digest")
		}
		f.blobs[b.GetDigest().GetHash()] = b.GetData()
		out.Responses = append(out.Responses, &repb.BatchUpdateBlobsResponse_Response{Digest: b.GetDigest()})
	}
	f.largest = max(f.largest, total)
	return out, nil
}

func (f *fake) BatchReadBlobs(_ context.Context, r *repb.BatchReadBlobsRequest) (*repb.BatchReadBlobsResponse, error) {
	f.note(fmt.Sprintf("read(%d)", len(r.GetDigests())), r.GetInstanceName())
	acceptable := r.GetAcceptableCompressors()
	f.mu.Lock()
	defer f.mu.Unlock()
	out := &repb.BatchReadBlobsResponse{}
	for _, d := range r.GetDigests() {
		r := &repb.BatchReadBlobsResponse_Response{Digest: d, Data: f.blobs[d.GetHash()]}
		if len(acceptable) > 0 {
			f.squeezed++
			r.Data, r.Compressor = squeeze(r.Data), repb.Compressor_ZSTD
		}
		out.Responses = append(out.Responses, r)
	}
	return out, nil
}

func (f *fake) Write(s bytestream.ByteStream_WriteServer) error {
	var name string
	var content []byte
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.GetResourceName() != "" {
			name = r.GetResourceName()
		}
		content = append(content, r.GetData()...)
	}
	instance, rest, _ := strings.Cut(name, "uploads/")
	f.note("write", strings.TrimSuffix(instance, "/"))
	sent := len(content)
	if strings.Contains(rest, "/compressed-blobs/zstd/") {
		f.mu.Lock()
		f.squeezed++
		f.mu.Unlock()
		rest, content = strings.Replace(rest, "/compressed-blobs/zstd/", "/blobs/", 1), expand(content)
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 4 || parts[1] != "blobs" || digest.Of(content).String() != parts[2]+"/"+parts[3] {
		return status.Error(codes.InvalidArgument, "wrong name or content")
	}
	f.mu.Lock()
	f.blobs[parts[2]] = content
	f.mu.Unlock()
	return s.SendAndClose(&bytestream.WriteResponse{CommittedSize: int64(sent)})
}

func (f *fake) Read(r *bytestream.ReadRequest, s bytestream.ByteStream_ReadServer) error {
	name, compressed := strings.CutPrefix(r.GetResourceName(), "main/compressed-blobs/zstd/")
	if !compressed {
		name = strings.TrimPrefix(r.GetResourceName(), "main/blobs/")
	}
	instance := strings.TrimSuffix(r.GetResourceName(), name)
	f.note("stream", instance[:strings.IndexByte(instance+"/", '/')])
	f.mu.Lock()
	content := f.blobs[strings.Split(name, "/")[0]]
	if compressed {
		f.squeezed++
		content = squeeze(content)
	}
	f.mu.Unlock()
	for len(content) > 0 {
		n := min(len(content), 1<<20)
		if err := s.Send(&bytestream.ReadResponse{Data: content[:n]}); err != nil {
			return err
		}
		content = content[n:]
	}
	return nil
}

func (f *fake) Execute(r *repb.ExecuteRequest, s repb.Execution_ExecuteServer) error {
	f.note(fmt.Sprintf("execute(skip=%v)", r.GetSkipCacheLookup()), r.GetInstanceName())
	if md, _ := metadata.FromIncomingContext(s.Context()); len(md.Get("cachepot-pipelined")) > 0 {
		f.note("ahead", r.GetInstanceName())
	}
	f.mu.Lock()
	f.reads = append(f.reads, r.GetActionDigest().GetHash())
	n := len(f.reads)
	f.mu.Unlock()
	return f.execute(n, s.Send)
}

func (f *fake) WaitExecution(_ *repb.WaitExecutionRequest, s repb.Execution_WaitExecutionServer) error {
	f.note("wait", "")
	return f.wait(s.Send)
}

func (f *fake) CancelOperation(context.Context, *longrunning.CancelOperationRequest) (*emptypb.Empty, error) {
	f.note("cancel", "")
	return &emptypb.Empty{}, nil
}

// ended is the end of an operation with a response.
func ended(r *repb.ExecuteResponse) *longrunning.Operation {
	packed, err := anypb.New(r)
	if err != nil {
		panic(err)
	}
	return &longrunning.Operation{Name: "op", Done: true, Result: &longrunning.Operation_Response{Response: packed}}
}

// succeed ends every execution at once.
func succeed(_ int, send func(*longrunning.Operation) error) error {
	return send(ended(&repb.ExecuteResponse{Result: &repb.ActionResult{}}))
}
