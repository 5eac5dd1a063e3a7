// Cachepot is the wrapper: it stands before a compiler and answers from the cache
// or runs it.
package main

import (
	"os"
	"syscall"

	"github.com/cachepot/cachepot/internal/wrapper"
)

func main() {
	os.Exit(wrapper.Main(os.Args, syscall.Environ()))
}
