package worker

import (
	"bytes"
	"fmt"
	"io"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errNoZstd is the answer to content that is not compressed as it says.
func errNoZstd() error {
	return status.Error(codes.InvalidArgument, "this is no zstd, or wants a window of more than 8 MiB")
}

// worthIt is the size from which on content is compressed for who takes it.
const worthIt = 1 << 10

// windowLimit bounds the memory that a client can make a decoder take, in bytes.
const windowLimit = 8 << 20

// squeezed returns content compressed.
func squeezed(content []byte) ([]byte, error) {
	z, err := compressor(nil)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return z.EncodeAll(content, nil), nil
}

func compressor(w io.Writer) (*zstd.Encoder, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return z, nil
}

func decompressor(r io.Reader) (*zstd.Decoder, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(windowLimit))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return z, nil
}

// plain returns what compressed content stands for, size bytes; more is refused before
// it is made.
func plain(data []byte, how repb.Compressor_Value, size int64) ([]byte, error) {
	if how != repb.Compressor_ZSTD {
		return nil, status.Errorf(codes.InvalidArgument, "compressor %s is none of those that were announced", how)
	}
	z, err := decompressor(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	content := bytes.NewBuffer(make([]byte, 0, min(size, maxBatch)+bytes.MinRead))
	if _, err := io.Copy(content, io.LimitReader(z, size+1)); err != nil {
		return nil, errNoZstd()
	}
	return content.Bytes(), nil
}
