//go:build linux && (amd64 || arm64)

package watch

import (
	"testing"

	"golang.org/x/sys/unix"
)

// data is what a filter sees of a call.
type data struct {
	nr, arch uint32
	args     [6]uint64
}

// run executes the instructions that filter uses, as the kernel does.
func run(t *testing.T, p []unix.SockFilter, d data) uint32 {
	t.Helper()
	var a uint32
	for pc := 0; pc < len(p); pc++ {
		ins := p[pc]
		taken := false
		switch ins.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch {
			case ins.K == 0:
				a = d.nr
			case ins.K == 4:
				a = d.arch
			default:
				a = uint32(d.args[(ins.K-16)/8] >> (8 * ((ins.K - 16) % 8)))
			}
			continue
		case unix.BPF_RET | unix.BPF_K:
			return ins.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			taken = a == ins.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			taken = a&ins.K != 0
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			taken = a >= ins.K
		default:
			t.Fatalf("instruction %d: code %#x", pc, ins.Code)
		}
		if taken {
			pc += int(ins.Jt)
		} else {
			pc += int(ins.Jf)
		}
	}
	t.Fatal("ran off the end")
	return 0
}

func TestFilter(t *testing.T) {
	const cookie = 0x1122334455667788
	fdcwd := uint64(1<<64 - 100)
	args := func(i int, v uint64) (a [6]uint64) { a[i] = v; return a }
	tests := []struct {
		name       string
		class      Class
		d          data
		wantNotify bool
	}{
		{"open", Opens, data{nr: unix.SYS_OPENAT}, true},
		{"read", All, data{nr: unix.SYS_READ}, false},
		{"stat, not of the class", Opens, data{nr: unix.SYS_STATX}, false},
		{"stat", All, data{nr: unix.SYS_STATX}, true},
		{"fstat", All, data{nr: unix.SYS_NEWFSTATAT, args: [6]uint64{3, 1, 2, unix.AT_EMPTY_PATH}}, false},
		{"fstat by statx", All, data{nr: unix.SYS_STATX, args: [6]uint64{3, 1, unix.AT_EMPTY_PATH}}, false},
		{"stat of the working directory", All, data{nr: unix.SYS_NEWFSTATAT, args: [6]uint64{fdcwd, 1, 2, unix.AT_EMPTY_PATH}}, true},
		{"lstat that allows an empty path", All, data{nr: unix.SYS_NEWFSTATAT, args: [6]uint64{3, 1, 2, unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW}}, true},
		{"open of a directory", Opens, data{nr: unix.SYS_OPENAT, args: args(2, unix.O_DIRECTORY|unix.O_CLOEXEC)}, false},
		{"open of a directory for its looks", Direct, data{nr: unix.SYS_OPENAT, args: args(2, unix.O_DIRECTORY|unix.O_CLOEXEC)}, true},
		{"open of what may be a directory", Opens, data{nr: unix.SYS_OPENAT, args: args(2, unix.O_NONBLOCK)}, true},
		{"file without a name", Opens, data{nr: unix.SYS_OPENAT, args: args(2, unix.O_TMPFILE|unix.O_RDWR)}, true},
		{"file without a name, for writing", Opens, data{nr: unix.SYS_OPENAT, args: args(2, unix.O_TMPFILE|unix.O_WRONLY)}, true},
		{"directory made or opened", Opens, data{nr: unix.SYS_OPENAT, args: args(2, unix.O_DIRECTORY|unix.O_CREAT)}, true},
		{"realpath", Direct, data{nr: unix.SYS_READLINKAT, args: args(3, realpathBuffer)}, false},
		{"realpath, all", All, data{nr: unix.SYS_READLINKAT, args: args(3, realpathBuffer)}, true},
		{"readlink", Direct, data{nr: unix.SYS_READLINKAT, args: args(3, 256)}, true},
		{"first execve", Opens, data{nr: unix.SYS_EXECVE, args: args(cookieArg, cookie)}, false},
		{"execve", Opens, data{nr: unix.SYS_EXECVE}, true},
		{"execve, low half of the cookie", Opens, data{nr: unix.SYS_EXECVE, args: args(cookieArg, cookie&0xffffffff)}, true},
		{"execve, high half", Opens, data{nr: unix.SYS_EXECVE, args: args(cookieArg, cookie&^0xffffffff)}, true},
		{"foreign open", Opens, data{nr: 5, arch: 1}, true},
		{"foreign brk", Opens, data{nr: 45, arch: 1}, true},
		{"foreign write", Opens, data{nr: 4, arch: 1}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.d.arch == 0 {
				tt.d.arch = nativeArch
			}
			want := uint32(unix.SECCOMP_RET_ALLOW)
			if tt.wantNotify {
				want = unix.SECCOMP_RET_USER_NOTIF
			}
			if got := run(t, filter(tt.class, cookie), tt.d); got != want {
				t.Errorf("%#x, want %#x", got, want)
			}
		})
	}
}

// Of all numbers, those of the class and no others are reported.
func TestFilterIsExact(t *testing.T) {
	for _, class := range []Class{Opens, Direct, All} {
		listed := map[uint32]bool{}
		for _, c := range calls(class) {
			listed[c.nr] = true
		}
		p := filter(class, 1)
		for nr := range uint32(600) {
			want := uint32(unix.SECCOMP_RET_ALLOW)
			if listed[nr] {
				want = unix.SECCOMP_RET_USER_NOTIF
			}
			if got := run(t, p, data{nr: nr, arch: nativeArch}); got != want {
				t.Errorf("class %d, call %d: %#x, want %#x", class, nr, got, want)
			}
		}
	}
}
