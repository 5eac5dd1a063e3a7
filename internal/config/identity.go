package config

import (
	"encoding/binary"
	"strings"

	"github.com/cachepot/cachepot/internal/digest"
)

// Identity returns the name of the configuration that Load would read now for a
// process with this environment: equal for two processes exactly when the file
// is the same, untouched one and the usual places and all variables of
// ScopeInstance are equal as text. It reads no content and costs one stat, for
// the coordinator computes it for every call. It is the digest of
//
//	identity = "CI1" text(file) state text(cache) text(state dir) *( text(variable) text(value) )
//	state    = %x00                                   ; no such file
//	         / %x01 dev inode size mtime ctime        ; 8 bytes each, big-endian, times in ns
//	text(x)  = uvarint(length of x) x
//
// with variables in the table's order and paths made absolute. Two writes within
// one tick of the file system's clock that keep the size look like one. As it
// covers secrets that may be easy to guess, it is not for logs.
func Identity(env []string, host Host) digest.Digest {
	p, _ := host.places(env)
	file, _, problem := host.configFile(env, p)
	if problem != "" {
		file = ""
	}
	return identity(env, host, p, file, stateAt(file))
}

func identity(env []string, host Host, p places, file string, state fileState) digest.Digest {
	own := make([]string, 0, 16)
	for _, kv := range env {
		if strings.HasPrefix(kv, variablePrefix) {
			own = append(own, kv)
		}
	}
	b := make([]byte, 0, 1024)
	b = append(b, "CI1"...)
	b = appendText(b, file)
	b = state.append(b)
	b = appendText(b, p.cache)
	b = appendText(b, p.state)
	if len(own) > 0 {
		b = appendVariables(b, own, host)
	}
	return digest.Of(b)
}

// appendVariables appends those of own that a coordinator is started with.
func appendVariables(b []byte, own []string, host Host) []byte {
	for _, part := range parts() {
		for i := range part {
			s := &part[i]
			if s.Env != "" && s.Scope == ScopeInstance && s.Env != confVariable {
				b = s.appendVariable(b, own, host)
			}
		}
	}
	return b
}

func (s *Setting) appendVariable(b []byte, own []string, host Host) []byte {
	v := value{text: lookup(own, s.Env), form: formVariable, host: host}
	if v.text == "" {
		return b
	}
	if s.Kind == KindPath {
		if path, problem := host.resolve(v); problem == "" {
			v.text = path
		}
	}
	b = appendText(b, s.Env)
	return appendText(b, v.text)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// fileState is what changes when a file is written or replaced. The zero value
// is that of a file that is not there.
type fileState struct {
	present      bool
	dev, inode   uint64
	size         int64
	mtime, ctime int64 // ns since 1970
}

func (s fileState) append(b []byte) []byte {
	if !s.present {
		return append(b, 0)
	}
	b = append(b, 1)
	for _, n := range []uint64{s.dev, s.inode, uint64(s.size), uint64(s.mtime), uint64(s.ctime)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}
