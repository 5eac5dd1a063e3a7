package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// String renders a step for people.
func (s step) String() string {
	switch {
	case s.kind == change:
		return "change:  " + s.text
	case s.kind == race:
		return "race:    " + s.text
	case s.first:
		return "compile: " + s.text + "   # cachepot first"
	}
	return "compile: " + s.text
}

// scriptHead is the part of each script that knows how to play. It does what
// the player does, with the tools of any machine.
const scriptHead = `
W=${1:?usage: sh SCRIPT PATH-OF-CACHEPOT [PATH-OF-MAPPED]} M=${2:-}
set -u
T=$(mktemp -d)
R=$T/project S=$T/saved
mkdir $R $S $T/run; chmod 700 $T/run
[ -z "$M" ] || mkdir $T/.git
export CACHEPOT_PATHS_MODE=$([ -z "$M" ] && echo exact || echo relocatable)
export LC_ALL=C RUSTC="$(rustc --print sysroot 2>/dev/null)/bin/rustc"
export CACHEPOT_DIR=$T/cache XDG_STATE_HOME=$T/state XDG_CONFIG_HOME=$T/config XDG_RUNTIME_DIR=$T/run CACHEPOT_COORDINATOR_PORT=$((20000 + $$ % 20000))
bad=0
cd $R

back() { # makes the project what $T/start is, touching only what differs
	(cd $T/start && find . | sort) >$T/want
	find . | sort | comm -13 $T/want - | while read -r f; do rm -rf "$f"; done
	while read -r f; do
		[ -d "$T/start/$f" ] && [ ! -L "$T/start/$f" ] && { mkdir -p "$f"; continue; }
		[ -L "$f" ] || { cmp -s "$T/start/$f" "$f" && continue; }
		[ "$(readlink "$T/start/$f")" = "$(readlink "$f")" ] && [ -L "$f" ] && continue
		rm -rf "$f"; cp -a "$T/start/$f" "$f"
	done <$T/want
}
one() { # one NAME WRAPPER CALL
	( POT=$2; eval "$3" ) >$T/$1.out 2>$T/$1.err
	echo $? >$T/$1.status
	rm -rf $T/$1; cp -a $R $T/$1
}
change() { ( eval "$1" ); }
race() { ( POT=$W; eval "$1" ); sleep 0.3; }
compile() {
	echo "compile: $1"
	rm -rf $T/start; cp -a $R $T/start
	if [ "${2:-}" = first ]; then one first $W "$1"; back; one bare "$M" "$1"; back
	else one bare "$M" "$1"; back; one first $W "$1"; sleep 0.3; back; fi
	sleep 0.3
	one second $W "$1"
	for n in first second; do
		for f in out err status; do cmp $T/bare.$f $T/$n.$f || { bad=1; diff $T/bare.$f $T/$n.$f; }; done
		diff -r --no-dereference $T/bare $T/$n || bad=1
		for d in bare $n; do (cd $T/$d && find . ! -name . -printf '%p %M %l\n' | sort) >$T/$d.list; done
		diff $T/bare.list $T/$n.list || bad=1
	done
}
`

// script renders a history as a program for sh.
func script(h *history) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# Plays seed %d, history %d of go run ./test/e2e/fuzz (%s), made smaller.\n# Exits 1 where cachepot and the bare compiler differ.\n", h.seed, h.number, h.family)
	b.WriteString(scriptHead)
	for _, name := range slices.Sorted(maps.Keys(h.files)) {
		text := h.files[name]
		fmt.Fprintf(&b, "mkdir -p \"$(dirname %s)\"; cat >%s <<'END-OF-FILE'\n%sEND-OF-FILE\n", name, name, text)
		if strings.HasPrefix(text, "#!") {
			fmt.Fprintf(&b, "chmod +x %s\n", name)
		}
	}
	fmt.Fprintf(&b, "change %s\n", quote(h.prep))
	for _, s := range h.steps {
		word, more := [...]string{change: "change", compile: "compile", race: "race"}[s.kind], ""
		if s.first {
			more = " first"
		}
		fmt.Fprintf(&b, "%s %s%s\n", word, quote(s.text), more)
	}
	b.WriteString("$W --stop-coordinator >$T/stop 2>&1\ncd /; [ $bad = 0 ] && rm -rf $T || echo \"different; see $T\"\nexit $bad\n")
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
