package storagetest_test

import (
	"testing"

	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/storagetest"
)

func TestMemory(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Tier { return storagetest.NewMemory() })
}
