package gcc

import (
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

var _ compiler.Remote = (*language)(nil)

// Away implements compiler.Remote. The lists that gcc writes tell what it read there
// as they do here.
func (l *language) Away(call *compiler.Call, inv *compiler.Invocation, scratch string) (*compiler.Away, error) {
	cmd := inv.Detail.(*cfamily.Command)
	if err := cmd.StaysHere(); err != nil {
		return nil, err
	}
	if cmd.LTO {
		return nil, compiler.NotCacheable("link-time optimisation has to be watched")
	}
	plan, err := l.Plan(call, inv, scratch)
	if err != nil {
		return nil, err
	}
	away := &compiler.Away{Args: plan.Args, Env: plan.Env, Also: locale(call.Env)}
	if cmd.Lang.Preprocess && !cmd.Dep.On {
		away.Side = append(away.Side, headerList)
	}
	if !cmd.Assembly {
		away.Side = append(away.Side, assemblerList)
	}
	return away, nil
}

// Forecast implements compiler.Remote: all that the source may include, wherever
// it is found.
func (l *language) Forecast(call *compiler.Call, inv *compiler.Invocation) (*action.PathSet, error) {
	cmd := inv.Detail.(*cfamily.Command)
	claims, err := l.dialect.Claims(l.memo, call, inv)
	if err != nil {
		return nil, err
	}
	if err := claims.Source(); err != nil {
		return nil, err
	}
	if cmd.Lang.Preprocess {
		claims.Implicit("stdc-predef.h")
		if err := claims.Closure(); err != nil {
			return nil, err
		}
	}
	if err := helpers(claims, cmd); err != nil {
		return nil, err
	}
	return claims.PathSet()
}

// locale names the data of the language and letters of messages, nil where they are
// those that need none.
func locale(env compiler.Environ) *action.PathSet {
	set := &action.PathSet{}
	for _, category := range []string{"LC_CTYPE", "LC_MESSAGES"} {
		name := ""
		for _, v := range []string{"LC_ALL", category, "LANG"} {
			if name == "" {
				name = env.Get(v)
			}
		}
		if name == "" || name == "C" || name == "POSIX" || strings.ContainsAny(name, "/:") {
			continue
		}
		base, codeset, _ := strings.Cut(name, ".")
		dir := "/usr/lib/locale/" + base
		if codeset != "" {
			dir += "." + strings.ToLower(strings.ReplaceAll(codeset, "-", ""))
		}
		set.Listings = append(set.Listings, action.Listing{Dir: dir}, action.Listing{Dir: dir + "/LC_MESSAGES"})
		set.Paths = append(set.Paths, "/usr/lib/locale/locale-archive", "/usr/share/locale/locale.alias")
		language, _, _ := strings.Cut(base, "_")
		for _, l := range append(strings.Split(env.Get("LANGUAGE"), ":"), base, language) {
			if l == "" || strings.Contains(l, "/") {
				continue
			}
			for _, domain := range []string{"gcc", "cpplib", "gas", "libc"} {
				for _, root := range []string{"/usr/share/locale/", "/usr/share/locale-langpack/"} {
					set.Listings = append(set.Listings, action.Listing{Dir: root + l + "/LC_MESSAGES", Prefix: domain, Suffix: ".mo"})
				}
			}
		}
	}
	if len(set.Paths) == 0 {
		return nil
	}
	set.Normalize()
	return set
}
