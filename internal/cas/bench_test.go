package cas_test

import (
	"strconv"
	"testing"
	"time"
)

func BenchmarkPathKnown(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	d := put(b, s, content(1, 20_000))
	time.Sleep(30 * time.Millisecond)
	for b.Loop() {
		path(b, s, d)
	}
}

func BenchmarkOpenKnown(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	d := put(b, s, content(1, 20_000))
	time.Sleep(30 * time.Millisecond)
	for b.Loop() {
		f, err := s.Open(b.Context(), d)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// The figures of the two below mean little on ext4 where thousands of files were
// removed lately: it keeps their inodes back for a minute and searches past them.

func BenchmarkPutBytes20K(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	data := content(1, 20_000)
	for i := 0; b.Loop(); i++ {
		copy(data, strconv.Itoa(i))
		put(b, s, data)
	}
}

func BenchmarkPutFile20K(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	f := file(b, content(1, 20_000))
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt([]byte(strconv.Itoa(i)), 0); err != nil {
			b.Fatal(err)
		}
		if _, err := s.PutFile(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}
