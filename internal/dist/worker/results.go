package worker

import (
	"context"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/storage"
)

// results implements the service ActionCache: what this worker's own jobs gave.
type results struct{ server *Server }

// GetActionResult implements the service.
func (r *results) GetActionResult(ctx context.Context, req *repb.GetActionResultRequest) (*repb.ActionResult, error) {
	realm, err := r.server.enter(ctx, req.InstanceName)
	if err != nil {
		return nil, err
	}
	if err := supported(req.DigestFunction); err != nil {
		return nil, err
	}
	action, err := parse(req.ActionDigest)
	if err != nil {
		return nil, err
	}
	result, err := lookUp(ctx, realm, action)
	if err != nil {
		return nil, err
	}
	return inlined(ctx, realm, result, &wishes{req.InlineStdout, req.InlineStderr, req.InlineOutputFiles})
}

// UpdateActionResult implements the service: nobody puts results.
func (r *results) UpdateActionResult(context.Context, *repb.UpdateActionResultRequest) (*repb.ActionResult, error) {
	return nil, status.Error(codes.PermissionDenied, "results are those of this worker's own jobs")
}

// lookUp returns the result of an earlier job, all of whose blobs are there. The error
// is gRPC's.
func lookUp(ctx context.Context, realm *blobs.Realm, action digest.Digest) (*repb.ActionResult, error) {
	enc, err := realm.Result(ctx, action)
	if err != nil {
		return nil, failed(ctx, err)
	}
	result := &repb.ActionResult{}
	if err := proto.Unmarshal(enc, result); err != nil {
		return nil, status.Error(codes.NotFound, "no result of this action")
	}
	names, err := outputs(ctx, realm, result)
	if err == nil {
		var missing []digest.Digest
		if missing, err = realm.Touch(ctx, names); err == nil && len(missing) > 0 {
			err = storage.MissingBlob(missing[0])
		}
	}
	if storage.IsMiss(err) {
		if err := realm.DropResult(ctx, action); err != nil {
			return nil, failed(ctx, err)
		}
		return nil, status.Error(codes.NotFound, "outputs of this action are gone")
	}
	return result, failed(ctx, err)
}

// outputs returns all blobs that a result leads to.
func outputs(ctx context.Context, realm *blobs.Realm, result *repb.ActionResult) ([]digest.Digest, error) {
	var out []digest.Digest
	var add func(d *repb.Digest) error
	add = func(d *repb.Digest) error {
		if d == nil {
			return nil
		}
		parsed, err := parse(d)
		out = append(out, parsed)
		return err
	}
	for _, f := range result.OutputFiles {
		if err := add(f.Digest); err != nil {
			return nil, err
		}
	}
	for _, d := range []*repb.Digest{result.StdoutDigest, result.StderrDigest} {
		if err := add(d); err != nil {
			return nil, err
		}
	}
	for _, dir := range result.OutputDirectories {
		if err := add(dir.TreeDigest); err != nil {
			return nil, err
		}
		enc, err := realm.Read(ctx, out[len(out)-1])
		if err != nil {
			return nil, err
		}
		tree := &repb.Tree{}
		if err := proto.Unmarshal(enc, tree); err != nil {
			return nil, err
		}
		for _, d := range append(tree.Children, tree.Root) {
			for _, f := range d.GetFiles() {
				if err := add(f.Digest); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// wishes say what of a result is to come with it.
type wishes struct {
	stdout, stderr bool
	files          []string // by path
}

// maxInline bounds what comes with one result, in bytes: clients take 4 MiB a message.
const maxInline = 2 << 20

// inlined returns a copy of a result with what was wished for, as far as there is room.
func inlined(ctx context.Context, realm *blobs.Realm, result *repb.ActionResult, w *wishes) (*repb.ActionResult, error) {
	out := proto.CloneOf(result)
	room := int64(maxInline)
	fetch := func(d *repb.Digest) ([]byte, error) {
		if d.GetSizeBytes() > room {
			return nil, nil
		}
		parsed, err := parse(d)
		if err != nil {
			return nil, err
		}
		room -= parsed.Size
		content, err := realm.Read(ctx, parsed)
		return content, failed(ctx, err)
	}
	var err error
	if w.stdout {
		if out.StdoutRaw, err = fetch(out.StdoutDigest); err != nil {
			return nil, err
		}
	}
	if w.stderr {
		if out.StderrRaw, err = fetch(out.StderrDigest); err != nil {
			return nil, err
		}
	}
	wanted := make(map[string]bool, len(w.files))
	for _, p := range w.files {
		wanted[p] = true
	}
	for _, f := range out.OutputFiles {
		if !wanted[f.Path] {
			continue
		}
		if f.Contents, err = fetch(f.Digest); err != nil {
			return nil, err
		}
	}
	return out, nil
}
