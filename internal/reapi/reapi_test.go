package reapi_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/bazelbuild/remote-apis/build/bazel/semver"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
)

func blob(b []byte) reapi.Blob { return reapi.Blob{Digest: digest.Of(b), Bytes: b} }

// job is one whose blobs have the sizes.
func job(sizes ...int) *reapi.Job {
	j := &reapi.Job{Action: digest.Of([]byte("action"))}
	for i, n := range sizes {
		j.Blobs = append(j.Blobs, blob(bytes.Repeat([]byte{byte('a' + i)}, n)))
	}
	return j
}

// TestCalls: which calls a job makes, in which order.
func TestCalls(t *testing.T) {
	ctx := context.Background()
	f := &fake{execute: succeed}
	c := f.serve(t, "main")
	for _, step := range []struct {
		what string
		job  *reapi.Job
		want string
	}{
		{"the first", job(10, 20), "caps find(2) update(2) execute(skip=true)"},
		{"the same", job(10, 20), "execute(skip=true)"},
		{"a little more", job(10, 20, 30), "update(1) execute(skip=true)"},
		{"much more", job(10, 20, 30, 300<<10), "find(1) update(1) execute(skip=true)"},
		{"a large one", job(10, 5<<20), "find(1) write execute(skip=true)"},
		{"many", job(10, 1<<20, 1<<20+1, 1<<20+2, 1<<20+3, 1<<20+4), "find(5) update(3) update(2) execute(skip=true)"},
		{"an empty one", job(10, 0), "execute(skip=true)"},
	} {
		if _, err := c.Execute(ctx, step.job); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if got := f.took(); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	believing := job(10)
	believing.Believe = true
	if _, err := c.Execute(ctx, believing); err != nil || f.took() != "execute(skip=false)" {
		t.Errorf("a job that believes skips the look-up (%v)", err)
	}
	if len(f.instances) != 1 || !f.instances["main"] {
		t.Errorf("instances %v, want main alone", f.instances)
	}
	if f.largest > 4<<20-64<<10 {
		t.Errorf("%d bytes in one message", f.largest)
	}
}

// TestRetry: after an error all is asked for and the job is tried once more, and not
// again; where asking again cannot help it is not.
func TestRetry(t *testing.T) {
	for code, want := range map[codes.Code]string{
		codes.NotFound:           "execute(skip=true) caps find(2) update(1) execute(skip=true)",
		codes.FailedPrecondition: "execute(skip=true) caps find(2) update(1) execute(skip=true)",
		codes.PermissionDenied:   "execute(skip=true)",
	} {
		for _, inResponse := range []bool{false, true} {
			fails := 1
			f := &fake{}
			f.execute = func(n int, send func(*longrunning.Operation) error) error {
				if n == 1 || n > 1+fails {
					return succeed(n, send)
				}
				if inResponse {
					return send(ended(&repb.ExecuteResponse{Status: status.New(code, "lost").Proto()}))
				}
				return status.Error(code, "lost")
			}
			c := f.serve(t, "")
			if _, err := c.Execute(context.Background(), job(10, 20)); err != nil {
				t.Fatal(err)
			}
			f.took()
			f.mu.Lock()
			delete(f.blobs, digest.Of(bytes.Repeat([]byte("a"), 10)).Hex())
			f.mu.Unlock()
			_, err := c.Execute(context.Background(), job(10, 20))
			if got := f.took(); got != want {
				t.Errorf("%s: %s, want %s", code, got, want)
			}
			if (err != nil) != (code == codes.PermissionDenied) {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
	f := &fake{execute: func(int, func(*longrunning.Operation) error) error { return status.Error(codes.Internal, "two\nlines") }}
	c := f.serve(t, "")
	_, err := c.Execute(context.Background(), job(10))
	if n := strings.Count(f.took(), "execute"); n != 2 || err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("%d executions, %v", n, err)
	}
}

// TestWaitExecution: a stream that breaks is taken up again.
func TestWaitExecution(t *testing.T) {
	f := &fake{
		execute: func(_ int, send func(*longrunning.Operation) error) error {
			_ = send(&longrunning.Operation{Name: "op"})
			return status.Error(codes.Unavailable, "broken")
		},
		wait: func(send func(*longrunning.Operation) error) error { return succeed(1, send) },
	}
	c := f.serve(t, "")
	if _, err := c.Execute(context.Background(), job(10)); err != nil {
		t.Fatal(err)
	}
	if got := f.took(); !strings.HasSuffix(got, "execute(skip=true) wait") {
		t.Error(got)
	}
}

// TestCancel: an operation that nobody waits for any more is cancelled.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fake{execute: func(_ int, send func(*longrunning.Operation) error) error {
		_ = send(&longrunning.Operation{Name: "op"})
		time.AfterFunc(50*time.Millisecond, cancel)
		time.Sleep(time.Second)
		return nil
	}}
	c := f.serve(t, "")
	start := time.Now()
	_, err := c.Execute(ctx, job(10))
	if err == nil || time.Since(start) > 900*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if got := f.took(); !strings.HasSuffix(got, "execute(skip=true) cancel") {
		t.Error(got)
	}
}

// TestUnfit: services that cannot be used are told apart, in words.
func TestUnfit(t *testing.T) {
	for want, change := range map[string]func(*repb.ServerCapabilities){
		"speaks version 2.0 to 2.0": func(c *repb.ServerCapabilities) { c.HighApiVersion = &semver.SemVer{Major: 2} },
		"speaks version 3.0 to 3.1": func(c *repb.ServerCapabilities) {
			c.LowApiVersion, c.HighApiVersion = &semver.SemVer{Major: 3}, &semver.SemVer{Major: 3, Minor: 1}
		},
		"does not store blobs by SHA-256": func(c *repb.ServerCapabilities) {
			c.CacheCapabilities.DigestFunctions = []repb.DigestFunction_Value{repb.DigestFunction_BLAKE3}
		},
		"executes no actions":          func(c *repb.ServerCapabilities) { c.ExecutionCapabilities = nil },
		"takes no blob of 10000 bytes": func(c *repb.ServerCapabilities) { c.CacheCapabilities.MaxCasBlobSizeBytes = 9999 },
	} {
		f := &fake{caps: good(), execute: succeed}
		change(f.caps)
		c := f.serve(t, "")
		_, err := c.Execute(context.Background(), job(10000))
		if _, unfit := errors.AsType[*reapi.Unfit](err); !unfit || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f := &fake{caps: good(), execute: succeed}
	f.caps.CacheCapabilities.MaxBatchTotalSizeBytes = 2000
	c := f.serve(t, "")
	if _, err := c.Execute(context.Background(), job(1000, 1001, 3000)); err != nil {
		t.Fatal(err)
	}
	if got := f.took(); !strings.Contains(got, "update(1) write execute") && !strings.Contains(got, "write update(1) execute") {
		t.Errorf("with a limit of 2000 bytes: %s", got)
	}
}

// TestChangedFile: a file that is not what it was is not sent as what it was.
func TestChangedFile(t *testing.T) {
	f := &fake{execute: succeed}
	c := f.serve(t, "")
	for _, size := range []int{100, 5 << 20} {
		p := filepath.Join(t.TempDir(), "file")
		content := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(p, append([]byte("y"), content[1:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		j := job(10)
		j.Blobs = append(j.Blobs, reapi.Blob{Digest: digest.Of(content), Path: p})
		if _, err := c.Execute(context.Background(), j); !errors.Is(err, reapi.ErrChanged) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// TestFetch: what comes is verified, whatever way it comes.
func TestFetch(t *testing.T) {
	ctx := context.Background()
	f := &fake{}
	c := f.serve(t, "main")
	small, large := []byte("small"), bytes.Repeat([]byte("large"), 1<<20)
	for _, b := range [][]byte{small, large} {
		f.blobs[digest.Of(b).Hex()] = b
	}
	wanted := []digest.Digest{digest.Of(small), digest.Of(large), digest.Of(small), digest.Empty()}
	got, err := c.Fetch(ctx, wanted)
	if err != nil || !bytes.Equal(got[wanted[0]], small) || !bytes.Equal(got[wanted[1]], large) {
		t.Fatalf("%d blobs, %v", len(got), err)
	}
	var b bytes.Buffer
	if err := c.Download(ctx, digest.Of(large), &b); err != nil || !bytes.Equal(b.Bytes(), large) {
		t.Error(err)
	}
	if len(f.instances) != 1 || !f.instances["main"] {
		t.Errorf("instances %v, want main alone", f.instances)
	}
	for name, wrong := range map[string][]byte{"changed": []byte("smalL"), "short": []byte("smal"), "long": []byte("small1"), "empty": nil} {
		f.mu.Lock()
		f.blobs[digest.Of(small).Hex()] = wrong
		f.mu.Unlock()
		if _, err := c.Fetch(ctx, wanted[:1]); !errors.Is(err, reapi.ErrContent) {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Download(ctx, wanted[0], &bytes.Buffer{}); !errors.Is(err, reapi.ErrContent) {
			t.Errorf("%s, by stream: %v", name, err)
		}
	}
}

// TestZstd: blobs travel compressed where that was announced, and only there.
func TestZstd(t *testing.T) {
	ctx := context.Background()
	zstd := []repb.Compressor_Value{repb.Compressor_ZSTD}
	for _, test := range []struct {
		streams, batches bool
		want             int // of a blob sent in a batch, one by stream, and both fetched
	}{{false, false, 0}, {true, false, 3}, {true, true, 4}} {
		f := &fake{caps: good(), execute: succeed}
		if test.streams {
			f.caps.CacheCapabilities.SupportedCompressors = zstd
		}
		if test.batches {
			f.caps.CacheCapabilities.SupportedBatchUpdateCompressors = zstd
		}
		c := f.serve(t, "main")
		j := job(5000, 6<<20)
		if _, err := c.Execute(ctx, j); err != nil {
			t.Fatal(err)
		}
		got, err := c.Fetch(ctx, []digest.Digest{j.Blobs[0].Digest, j.Blobs[1].Digest})
		if err != nil || !bytes.Equal(got[j.Blobs[0].Digest], j.Blobs[0].Bytes) || !bytes.Equal(got[j.Blobs[1].Digest], j.Blobs[1].Bytes) {
			t.Errorf("%+v: %v", test, err)
		}
		if f.squeezed != test.want {
			t.Errorf("%+v: %d blobs travelled compressed", test, f.squeezed)
		}
		if !test.streams {
			continue
		}
		// Content that is far longer than its name says is not taken in.
		f.blobs[j.Blobs[0].Digest.Hex()] = make([]byte, 64<<20)
		if _, err := c.Fetch(ctx, []digest.Digest{j.Blobs[0].Digest}); !errors.Is(err, reapi.ErrContent) {
			t.Errorf("%+v, in a batch: %v", test, err)
		}
		var b bytes.Buffer
		if err := c.Download(ctx, j.Blobs[0].Digest, &b); !errors.Is(err, reapi.ErrContent) || b.Len() > 5001 {
			t.Errorf("%+v, by stream: %v, %d bytes", test, err, b.Len())
		}
		p := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(p, bytes.Repeat([]byte("y"), 5<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		j.Blobs = append(j.Blobs, reapi.Blob{Digest: digest.Of(bytes.Repeat([]byte("x"), 5<<20)), Path: p})
		if _, err := c.Execute(ctx, j); !errors.Is(err, reapi.ErrChanged) {
			t.Errorf("%+v, another file: %v", test, err)
		}
	}
}
