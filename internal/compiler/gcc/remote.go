package gcc

import (
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
	away := &compiler.Away{Args: plan.Args, Env: plan.Env}
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
