package harness

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Raw is a codec of gRPC that hands messages, each a *[]byte, on without a look at them.
type Raw struct{}

// Marshal implements encoding.Codec.
func (Raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal implements encoding.Codec.
func (Raw) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

// Name implements encoding.Codec.
func (Raw) Name() string { return "raw" }

// Seen is told of a message before it goes on, and returns what does in its place. An error
// ends the call.
type Seen func(method string, message []byte) ([]byte, error)

// Forward carries a call of any method, with its headers, from front on to back, both of which have the codec
// Raw. up sees
// what the caller says, down what it is answered; nil lets all pass.
func Forward(front grpc.ServerStream, back *grpc.ClientConn, up, down Seen) error {
	method, _ := grpc.MethodFromServerStream(front)
	pass := func(_ string, b []byte) ([]byte, error) { return b, nil }
	if up == nil {
		up = pass
	}
	if down == nil {
		down = pass
	}
	ctx, cancel := context.WithCancel(front.Context())
	defer cancel()
	given, _ := metadata.FromIncomingContext(ctx)
	for name, values := range given {
		if !strings.HasPrefix(name, ":") && !strings.HasPrefix(name, "grpc-") {
			ctx = metadata.AppendToOutgoingContext(ctx, pairs(name, values)...)
		}
	}
	stream, err := back.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for {
			var b []byte
			if err := front.RecvMsg(&b); err != nil {
				_ = stream.CloseSend()
				return
			}
			if b, err = up(method, b); err != nil {
				cancel()
				return
			}
			if stream.SendMsg(&b) != nil {
				return
			}
		}
	}()
	for first := true; ; first = false {
		var b []byte
		err := stream.RecvMsg(&b)
		if header, herr := stream.Header(); first && err == nil && herr == nil {
			if err := front.SetHeader(header); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if b, err = down(method, b); err != nil {
			return err
		}
		if err := front.SendMsg(&b); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
	}
}

// pairs is names and values in turns.
func pairs(name string, values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, name, v)
	}
	return out
}
