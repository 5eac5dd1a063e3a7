package cfamilytest

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler/cfamily"
)

// Coverage runs a compiler for its lists of options and fails where table knows
// less than share of them. It logs the others.
func Coverage(t *testing.T, table *cfamily.Table, command string, share float64, lists ...string) {
	t.Helper()
	option := regexp.MustCompile(`^\s{1,6}(--?[A-Za-z#][^\s,]*)`)
	var known, unknown []string
	for _, list := range lists {
		out, err := exec.Command(command, strings.Fields(list)...).Output()
		must(t, err)
		for _, line := range strings.Split(string(out), "\n") {
			m := option.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			arg := example(m[1])
			if table.Knows(arg) {
				known = append(known, arg)
			} else {
				unknown = append(unknown, arg)
			}
		}
	}
	slices.Sort(unknown)
	unknown = slices.Compact(unknown)
	slices.Sort(known)
	known = slices.Compact(known)
	got := float64(len(known)) / float64(len(known)+len(unknown))
	t.Logf("%s: %d options known, %d not: %s", command, len(known), len(unknown), strings.Join(unknown, " "))
	if len(known) < 300 || got < share {
		t.Errorf("%s: %.3f of all options are known, want %.3f", command, got, share)
	}
}

// example makes an argument of an option as help texts spell it: --x=<value>,
// -fx=[a|b], -Wx<0,3>.
func example(spelled string) string {
	name, value, has := strings.Cut(spelled, "=")
	if i := strings.IndexAny(name, "<["); i > 0 {
		name = name[:i]
	}
	if !has {
		return name
	}
	value = strings.Trim(value, "<>[]")
	if i := strings.IndexAny(value, "|,"); i > 0 {
		value = value[:i]
	}
	if value == "" || strings.ContainsAny(value, " <>[") {
		value = "1"
	}
	return name + "=" + value
}
