package archtest

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// gate is one rule. bad are small trees, each with what must be found in it, one
// "path:line: beginning of the text" or "path: ..." for each finding, in order.
// good are trees close to a breach that are none.
type gate struct {
	name  string
	check func(*tree) []finding
	bad   []example
	good  []example
}

type example struct {
	name  string
	files map[string]string
	want  []string
}

func gates() []gate {
	return []gate{
		layerGate(),
		packageDocGate(),
		bannedCallGate(),
		clockGate(),
		wrappedErrorGate(),
		initGate(),
		packageVarGate(),
		longFileGate(),
		longFuncGate(),
		unfinishedGate(),
		goModGate(),
		licenceGate(),
		placeGate(),
		conformanceGate(),
		linkGate(),
		decisionGate(),
		promiseGate(),
		settingsGate(),
		statisticsGate(),
	}
}

func TestTree(t *testing.T) {
	real := realTree(t)
	for _, g := range gates() {
		t.Run(g.name, func(t *testing.T) {
			for _, f := range g.check(real) {
				t.Error(f)
			}
		})
	}
}

// TestGatesFind shows of every gate that it fails on a tree that breaks its rule
// and on nothing else.
func TestGatesFind(t *testing.T) {
	for _, g := range gates() {
		if len(g.bad) == 0 {
			t.Errorf("%s: no example that it fails on", g.name)
		}
		for _, ex := range slices.Concat(g.bad, g.good) {
			t.Run(g.name+"/"+ex.name, func(t *testing.T) {
				got := g.check(memTree(t, ex.files))
				for i, f := range got {
					if i >= len(ex.want) || !strings.HasPrefix(f.String(), ex.want[i]) {
						t.Errorf("found  %s", f)
					}
				}
				for i, w := range ex.want {
					if i >= len(got) || !strings.HasPrefix(got[i].String(), w) {
						t.Errorf("wanted %s", w)
					}
				}
			})
		}
		for _, ex := range g.bad {
			if len(ex.want) == 0 {
				t.Errorf("%s/%s: a bad example must want a finding", g.name, ex.name)
			}
		}
	}
}

func memTree(t *testing.T, files map[string]string) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tr, err := loadTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTreeRefusesIgnoreRulesItCannotRead(t *testing.T) {
	fsys := fstest.MapFS{".gitignore": {Data: []byte("/bin/\n!kept\n")}}
	if _, err := loadTree(fsys); err == nil {
		t.Error("a rule that is not understood was passed over")
	}
}

func TestTreeLeavesOutWhatIsIgnored(t *testing.T) {
	tr := memTree(t, map[string]string{
		".gitignore":      "# built\n/bin/\n*.test\n",
		"bin/a":           "x",
		"sub/bin/b":       "x",
		"x.test":          "x",
		".git/config":     "x",
		"a/testdata/b.go": "not Go",
		"m/go.mod":        "module m\n",
		"m/m.go":          "not Go",
		"p/p.go":          "package p\n",
	})
	want := []string{".gitignore", "a/testdata/b.go", "m/go.mod", "m/m.go", "p/p.go", "sub/bin/b"}
	if !slices.Equal(tr.paths, want) {
		t.Errorf("files %q, want %q", tr.paths, want)
	}
	if len(tr.files) != 1 || tr.files[0].path != "p/p.go" {
		t.Errorf("Go files %v, want p/p.go alone", tr.files)
	}
}
