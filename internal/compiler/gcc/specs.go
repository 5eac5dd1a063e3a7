package gcc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// watched returns what a call whose reads are in no list was seen to look at.
func (l *language) watched(claims *cfamily.Claims, cmd *cfamily.Command, seen *compiler.Observed) (*action.PathSet, error) {
	if err := claims.Looks(seen.Looks); err != nil {
		return nil, err
	}
	names := map[string]bool{"specs": true} // the driver's own, or one that -B leads to
	for _, s := range cmd.Specs {
		names[filepath.Base(s)] = true
	}
	var files []string
	for _, k := range seen.Looks {
		if k.Found && k.Deed == compiler.Read && names[filepath.Base(k.Path)] {
			files = append(files, k.Path)
		}
	}
	if err := l.checkSpecs(files); err != nil {
		return nil, err
	}
	return claims.PathSet()
}

// checkSpecs refuses files of specs with an option that could not be cached on the
// command line either. A name that is not absolute is searched for, and checked
// when the search is known.
func (l *language) checkSpecs(files []string) error {
	option := regexp.MustCompile(`-[-A-Za-z0-9_=+.,/]+`)
	for _, f := range files {
		if !filepath.IsAbs(f) {
			continue
		}
		text, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gcc will say so
		}
		if err != nil {
			return compiler.NotCacheable("unreadable specs")
		}
		for _, o := range option.FindAllString(string(text), -1) {
			if l.dialect.Options.Refuses(o) {
				return compiler.NotCacheable("specs with an option that is not cached")
			}
		}
	}
	return nil
}
