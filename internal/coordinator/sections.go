package coordinator

import (
	"debug/elf"
	"io"
	"strings"
)

// sectionsName reports whether a section of an object that is compressed speaks of what
// is looked for. One that cannot be read may.
func sectionsName(m speech, content io.ReaderAt) (bool, error) {
	magic := make([]byte, len(elf.ELFMAG))
	if n, _ := content.ReadAt(magic, 0); string(magic[:n]) != elf.ELFMAG {
		return false, nil
	}
	object, err := elf.NewFile(content)
	if err != nil {
		return true, nil
	}
	for _, s := range object.Sections {
		if strings.HasPrefix(s.Name, ".zdebug") { // compressed in an old way
			return true, nil
		}
		if s.Flags&elf.SHF_COMPRESSED == 0 {
			continue
		}
		if named, err := names(m, s.Open()); named || err != nil {
			return true, nil
		}
	}
	return false, nil
}
