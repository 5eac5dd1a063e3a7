package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
)

const emptyProgram = "package main\n\nfunc main() {}\n"

// socketProgram does the least that a wrapper of a daemon must do.
const socketProgram = `package main

import (
	"os"
	"syscall"
)

func main() {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: os.Args[1]})
	}
	if err == nil {
		_, err = syscall.Write(fd, make([]byte, 1024))
	}
	if err == nil {
		_, err = syscall.Read(fd, make([]byte, 1024))
	}
	if err != nil {
		os.Exit(1)
	}
}
`

// floor is a program whose start nothing that does more can beat.
type floor struct {
	name string
	argv []string
}

// buildFloors builds the programs, in the way the product is built.
func buildFloors(ctx context.Context, b *bench, socket string) ([]floor, error) {
	floors := []floor{
		{"/bin/true", []string{"/bin/true"}},
		{"empty Go program", []string{filepath.Join(b.work, "bin", "empty")}},
		{"empty Go program + socket round trip", []string{filepath.Join(b.work, "bin", "socket"), socket}},
	}
	for name, text := range map[string]string{"empty": emptyProgram, "socket": socketProgram} {
		dir := filepath.Join(b.work, "floor-"+name)
		if err := writeFiles(dir, map[string]string{"main.go": text}); err != nil {
			return nil, err
		}
		if err := goBuild(ctx, b, filepath.Join(b.work, "bin", name), filepath.Join(dir, "main.go")); err != nil {
			return nil, err
		}
	}
	return floors, nil
}

// echo answers each message on a unix socket with itself, in this process, until
// the returned function is called.
func echo() (path string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "bench-echo-") // a socket's path must be short
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed by stop
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // the caller notices a lost answer by itself
			}()
		}
	}()
	return path, func() error { return errors.Join(l.Close(), os.RemoveAll(dir)) }, nil
}
