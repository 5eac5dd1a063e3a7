package clang

import (
	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

var _ compiler.Remote = (*language)(nil)

// Away implements compiler.Remote. No list of clang's names what its assembler read, so
// all that it was given counts.
func (l *language) Away(call *compiler.Call, inv *compiler.Invocation, scratch string) (*compiler.Away, error) {
	if err := inv.Detail.(*cfamily.Command).StaysHere(); err != nil {
		return nil, err
	}
	plan, err := l.Plan(call, inv, scratch)
	if err != nil {
		return nil, err
	}
	return &compiler.Away{Args: plan.Args, Env: plan.Env, Whole: true}, nil
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
	for _, p := range precompiled(call, cmd) {
		claims.Data(p)
	}
	if cmd.Lang.Preprocess {
		if err := claims.Closure(); err != nil {
			return nil, err
		}
	}
	return finish(claims, call, inv)
}
