package reapi

import (
	"errors"
	"fmt"
	"io"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/cachepot/cachepot/internal/digest"
)

// worthIt is the size from which on content is compressed, where the service takes it.
const worthIt = 1 << 10

// windowLimit bounds the memory that a service can make the decoder take.
const windowLimit = 8 << 20

// blobName is the resource name of a blob, less the prefix: compressed or not.
func blobName(d digest.Digest, compressed bool) string {
	if compressed {
		return "compressed-blobs/zstd/" + d.String()
	}
	return "blobs/" + d.String()
}

// compressor squeezes what is written to it.
func compressor(w io.Writer) (*zstd.Encoder, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return z, nil
}

// squeezed returns content compressed.
func squeezed(content []byte) ([]byte, error) {
	z, err := compressor(nil)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return z.EncodeAll(content, nil), nil
}

// decompressor undoes a compressor. Who reads from it bounds how much.
func decompressor(r io.Reader) (*zstd.Decoder, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowLimit))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return z, nil
}

// plain returns the content of an answer that may be compressed, d.Size bytes at most
// and one more.
func plain(data []byte, how repb.Compressor_Value, d digest.Digest) ([]byte, error) {
	switch how {
	case repb.Compressor_IDENTITY:
		return data, nil
	case repb.Compressor_ZSTD:
		z, err := decompressor(newReader(data))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		content, err := io.ReadAll(io.LimitReader(z, d.Size+1))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrContent, err)
		}
		return content, nil
	}
	return nil, errors.New("compressed in a way that was not asked for")
}
