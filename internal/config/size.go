package config

import (
	"errors"
	"strconv"
	"strings"
)

// Size is a number of bytes, never negative.
type Size int64

const sizeUnits = "KMGT"

var errSize = errors.New("not a size")

// ParseSize reads
//
//	size = 1*digit [ "K" | "M" | "G" | "T" ]
//
// with letters in any case. K is 1024 bytes, and each further unit 1024 of the
// one before. What does not fit in 63 bits is an error.
func ParseSize(s string) (Size, error) {
	digits, shift := s, 0
	if n := len(s); n > 0 {
		if unit := strings.IndexByte(sizeUnits, s[n-1]&^0x20); unit >= 0 {
			digits, shift = s[:n-1], 10*(unit+1)
		}
	}
	if strings.Trim(digits, "0123456789") != "" {
		return 0, errSize
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n<<shift>>shift != n {
		return 0, errSize
	}
	return Size(n << shift), nil
}

// String returns the shortest form that ParseSize reads back: "10G", "1536K".
func (s Size) String() string {
	unit := ""
	for i := 0; i < len(sizeUnits) && s != 0 && s%1024 == 0; i++ {
		s /= 1024
		unit = sizeUnits[i : i+1]
	}
	return strconv.FormatInt(int64(s), 10) + unit
}
