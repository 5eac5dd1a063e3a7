package main

import (
	"time"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/coordinator"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/storage/disk"
	"github.com/cachepot/cachepot/internal/toolchain"
)

// stands returns the toolchains that c has for calls that run on engine, nil where it has
// none, and what closes their store.
func stands(c *config.Config, view *filestate.View, engine *coordinator.Remote, isa string) (*toolchain.Stands, func(), error) {
	if engine == nil || len(c.Dist.Toolchains) == 0 {
		return nil, func() {}, nil
	}
	limit := max(int64(c.Dist.ToolchainCacheSize), 1)
	store, err := disk.Open(disk.Config{Dir: c.Dist.CacheDir, Limit: limit, Memory: recordMemory, Now: time.Now})
	if err != nil {
		return nil, nil, err
	}
	var list []toolchain.Override
	for _, t := range c.Dist.Toolchains {
		list = append(list, toolchain.Override{Compiler: t.CompilerExecutable, NoDist: t.Type == config.ToolchainNoDist,
			Archive: t.Archive, Inside: t.ArchiveCompilerExecutable})
	}
	kept := records{store}
	archives := toolchain.NewArchives(view, store.Blobs(), kept, limit)
	return toolchain.NewStands(view, archives, engine.Asker(isa), kept, list), func() { _ = store.Close() }, nil
}
