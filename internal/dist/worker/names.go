package worker

import (
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
)

// resource is what the name of a ByteStream resource says:
//
//	read  = [ instance "/" ] blob
//	write = [ instance "/" ] "uploads/" uuid "/" blob [ "/" anything ]
//	blob  = ( "blobs" | "compressed-blobs/zstd" ) "/" hash "/" size
type resource struct {
	instance string
	blob     digest.Digest
	zstd     bool
}

// parseRead reads the name of a resource to read.
func parseRead(name string) (resource, error) {
	parts := strings.Split(name, "/")
	at := slices.IndexFunc(parts, func(p string) bool { return p == "blobs" || p == "compressed-blobs" })
	if at < 0 {
		return resource{}, badName(name)
	}
	r, rest, err := parseBlob(name, parts[:at], parts[at:])
	if err == nil && len(rest) > 0 {
		err = badName(name)
	}
	return r, err
}

// parseWrite reads the name of a resource to write.
func parseWrite(name string) (resource, error) {
	parts := strings.Split(name, "/")
	at := slices.Index(parts, "uploads")
	if at < 0 || len(parts) < at+3 {
		return resource{}, badName(name)
	}
	r, _, err := parseBlob(name, parts[:at], parts[at+2:])
	return r, err
}

func parseBlob(name string, instance, parts []string) (resource, []string, error) {
	r := resource{instance: strings.Join(instance, "/")}
	switch {
	case parts[0] == "compressed-blobs" && len(parts) > 1:
		if parts[1] != "zstd" {
			return r, nil, status.Errorf(codes.InvalidArgument, "compressor %.20q: zstd is the one", parts[1])
		}
		r.zstd = true
		parts = parts[2:]
	case parts[0] == "blobs":
		parts = parts[1:]
	default:
		return r, nil, badName(name)
	}
	if len(parts) > 0 && strings.EqualFold(parts[0], "sha256") {
		parts = parts[1:] // some name the digest function
	}
	if len(parts) < 2 {
		return r, nil, badName(name)
	}
	var err error
	if r.blob, err = digest.FromHex(parts[0], parts[1]); err != nil {
		return r, nil, badName(name)
	}
	return r, parts[2:], nil
}

func badName(name string) error {
	return status.Errorf(codes.InvalidArgument, "%.200q names no blob", name)
}
