package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// foreign returns those of the files in tree, and of some more, that name dir. It
// looks into sections that are compressed, in archives too.
func foreign(dir, tree string, more ...string) ([]string, error) {
	var named []string
	look := func(path, name string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := holds(data, []byte(dir))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if found {
			named = append(named, name)
		}
		return nil
	}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, tree+"/")
		switch {
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err == nil && strings.Contains(target, dir) {
				named = append(named, name)
			}
			return err
		case d.Type().IsRegular():
			return look(path, name)
		}
		return nil
	})
	for _, path := range more {
		if err == nil {
			err = look(path, path)
		}
	}
	return named, err
}

// holds reports whether a file with this content names dir.
func holds(data, dir []byte) (bool, error) {
	switch {
	case bytes.Contains(data, dir):
		return true, nil
	case bytes.HasPrefix(data, []byte(elf.ELFMAG)):
		return sectionsHold(data, dir)
	case bytes.HasPrefix(data, []byte(archiveMagic)):
		return membersHold(data, dir)
	}
	return false, nil
}

// sectionsHold looks into the compressed sections of an ELF file.
func sectionsHold(data, dir []byte) (bool, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return false, nil // a file for a test of a reader
	}
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_COMPRESSED == 0 && !strings.HasPrefix(s.Name, ".zdebug") {
			continue
		}
		text, err := s.Data()
		if err != nil {
			return false, fmt.Errorf("section %s: %w", s.Name, err)
		}
		if bytes.Contains(text, dir) {
			return true, nil
		}
	}
	return false, nil
}

const archiveMagic = "!<arch>\n"

// membersHold looks into the members of an archive: each has a head of 60 bytes, with
// its size at byte 48, and begins at an even one.
func membersHold(data, dir []byte) (bool, error) {
	const head, sizeFrom, sizeTo = 60, 48, 58
	for data = data[len(archiveMagic):]; len(data) >= head; {
		size, err := strconv.Atoi(strings.TrimSpace(string(data[sizeFrom:sizeTo])))
		if err != nil || size < 0 || head+size > len(data) {
			return false, fmt.Errorf("archive is cut off")
		}
		if found, err := holds(data[head:head+size], dir); found || err != nil {
			return found, err
		}
		data = data[min(head+size+size%2, len(data)):]
	}
	return false, nil
}
