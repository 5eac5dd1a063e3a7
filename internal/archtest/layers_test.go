package archtest

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// layer says what one package, or all packages directly below a folder ("x/*"),
// may import of ours and of others. Tests, and suites of tests, may import more.
type layer struct {
	pkg     string   // below internal/, or a folder of cmd/
	ours    []string // below internal/; "x/*" stands for every row below x
	modules []string // modules of others
	pure    bool     // no files, processes, sockets or clock: a function of its arguments
}

const (
	modSys   = "golang.org/x/sys"
	modTerm  = "golang.org/x/term"
	modREAPI = "github.com/bazelbuild/remote-apis"
	modProto = "google.golang.org/protobuf"
	modGRPC  = "google.golang.org/grpc"
	modBytes = "google.golang.org/genproto/googleapis/bytestream"
	modRPC   = "google.golang.org/genproto/googleapis/rpc"
	modOps   = "cloud.google.com/go/longrunning"
	modZstd  = "github.com/klauspost/compress"
	modXZ    = "github.com/therootcompany/xz"
	modTOML  = "github.com/pelletier/go-toml/v2"
	modCobra = "github.com/spf13/cobra"
	modJWT   = "github.com/golang-jwt/jwt/v5"
)

// layers is the whole of who may import whom, lowest first: a row names only
// rows above it, so the table is the order too. ARCHITECTURE.md shows it. A
// package without a row is a finding; to add one is to decide where it belongs.
func layers() []layer {
	return []layer{
		// Leaves: nothing of ours.
		{pkg: "digest", pure: true},
		{pkg: "wire", pure: true},
		{pkg: "rendezvous"},
		{pkg: "logging"},
		{pkg: "safefile", modules: []string{modSys}},
		{pkg: "spawn", modules: []string{modSys}},
		{pkg: "watch", modules: []string{modSys}},
		{pkg: "storage/recent"},
		{pkg: "version"},
		// Meaning: what a compilation, a blob and a tree are.
		{pkg: "config", ours: []string{"digest", "rendezvous"}, modules: []string{modTOML, modSys}},
		{pkg: "auth", ours: []string{"config"}, modules: []string{modJWT}},
		{pkg: "action", ours: []string{"digest"}, modules: []string{modREAPI, modProto}, pure: true},
		{pkg: "compiler", ours: []string{"digest", "action"}, pure: true},
		{pkg: "storage", ours: []string{"digest"}},
		{pkg: "stats"},
		{pkg: "cas", ours: []string{"digest", "safefile", "storage", "storage/recent"}, modules: []string{modSys}},
		{pkg: "archive", ours: []string{"digest"}, modules: []string{modZstd, modXZ}},
		{pkg: "tree", ours: []string{"digest", "cas"}, modules: []string{modREAPI, modProto, modSys}},
		{pkg: "filestate", ours: []string{"digest", "action", "tree"}, modules: []string{modSys}},
		{pkg: "place", ours: []string{"wire"}, modules: []string{modSys}},
		{pkg: "roots"},
		{pkg: "result", ours: []string{"digest"}, modules: []string{modREAPI, modProto}},
		{pkg: "witness", ours: []string{"digest", "result", "storage"}},
		{pkg: "sandbox", modules: []string{modSys}},
		{pkg: "lease", ours: []string{"digest"}, modules: []string{modJWT}},
		{pkg: "reapi", ours: []string{"digest", "action"}, modules: []string{modREAPI, modProto, modGRPC, modBytes, modOps, modZstd, modSys}},
		// Distribution: what a scheduler, its workers and its clients share, and each of them.
		{pkg: "dist/distpb", modules: []string{modProto, modGRPC}},
		{pkg: "dist/reach", modules: []string{modGRPC}},
		{pkg: "dist/scheduler", pure: true},
		{pkg: "dist/broker", ours: []string{"config", "auth", "lease", "dist/distpb", "dist/scheduler"}, modules: []string{modGRPC}},
		{pkg: "dist/register", ours: []string{"lease", "dist/distpb", "dist/reach"}, modules: []string{modGRPC}},
		{pkg: "dist/client", ours: []string{"digest", "reapi", "dist/distpb", "dist/reach"}, modules: []string{modGRPC}},
		// Families: one leaf interface each, implementations that do not know each other.
		{pkg: "compiler/cfamily", ours: []string{"digest", "action", "compiler"}},
		{pkg: "compiler/gcc", ours: []string{"digest", "action", "compiler", "compiler/cfamily"}},
		{pkg: "compiler/clang", ours: []string{"digest", "action", "compiler", "compiler/cfamily"}},
		{pkg: "compiler/rustc", ours: []string{"digest", "action", "compiler"}},
		{pkg: "storage/disk", ours: []string{"digest", "safefile", "storage", "storage/recent", "cas"}, modules: []string{modSys}},
		// What a worker is made of.
		{pkg: "dist/blobs", ours: []string{"digest", "safefile", "storage", "cas", "storage/disk"}},
		{pkg: "dist/layout", ours: []string{"digest", "storage", "storage/recent", "dist/blobs"}, modules: []string{modREAPI, modProto}},
		{pkg: "dist/execute", ours: []string{"digest", "storage", "sandbox", "dist/blobs", "dist/layout"}, modules: []string{modREAPI, modProto}},
		{pkg: "dist/worker", ours: []string{"digest", "safefile", "storage", "sandbox", "dist/blobs", "dist/layout", "dist/execute"}, modules: []string{modREAPI, modProto, modGRPC, modBytes, modRPC, modOps, modZstd}},
		{pkg: "toolchain", ours: []string{"archive", "digest", "action", "compiler", "filestate", "safefile", "tree", "spawn", "watch"}, modules: []string{modSys}},
		// Programs. Only the main of the coordinator knows all implementations.
		{pkg: "wrapper", ours: []string{"wire", "place", "rendezvous", "watch"}, modules: []string{modSys}},
		{pkg: "audit", ours: []string{"digest", "action", "compiler", "storage", "filestate", "cas", "tree", "toolchain", "sandbox", "spawn", "watch", "result", "roots", "witness"}, modules: []string{modREAPI, modProto, modSys}},
		{pkg: "coordinator", ours: []string{"digest", "result", "wire", "action", "compiler", "storage", "stats", "filestate", "cas", "tree", "toolchain", "roots", "witness", "reapi"}, modules: []string{modREAPI, modProto, modSys}},
		{pkg: "cli", ours: []string{"audit", "safefile", "wire", "rendezvous", "spawn", "config", "stats", "coordinator", "version"}, modules: []string{modCobra, modTerm}},
		{pkg: "cmd/cachepot", ours: []string{"wrapper"}},
		{pkg: "cmd/cachepot-coordinator", ours: []string{"digest", "place", "action", "wire", "rendezvous", "logging", "safefile", "spawn", "config", "compiler", "compiler/*", "storage", "storage/*", "stats", "filestate", "cas", "toolchain", "watch", "audit", "coordinator", "cli", "roots", "reapi", "version", "dist/reach", "dist/client"}, modules: []string{modSys}},
		{pkg: "cmd/cachepot-dist", ours: []string{"version", "logging", "safefile", "action", "sandbox", "dist/*", "config", "auth", "digest", "lease"}, modules: []string{modCobra, modSys, modGRPC}},
	}
}

// impure are packages that a pure one may not import.
func impure() []string {
	return []string{"os", "net", "syscall", "time", "io/ioutil", "crypto/rand", "math/rand", modSys}
}

// vague are package names that say nothing and so collect everything.
func vague() []string {
	return []string{"util", "utils", "common", "helper", "helpers", "core", "base", "misc", "shared", "lib"}
}

func layerGate() gate {
	product := func(dir, imports string) map[string]string {
		return map[string]string{dir + "/x.go": "package x\n\nimport (\n" + imports + "\n)\n"}
	}
	own := func(p string) string { return `_ "` + modulePath + "/internal/" + p + `"` }
	return gate{
		name:  "layers",
		check: checkLayers,
		bad: []example{
			{"upward", product("internal/compiler/rustc", own("coordinator")), []string{"internal/compiler/rustc/x.go:4: may not import internal/coordinator"}},
			{"implementation", product("internal/coordinator", own("storage/disk")), []string{"internal/coordinator/x.go:4: may not import internal/storage/disk"}},
			{"sideways", product("internal/compiler/rustc", own("compiler/cfamily")), []string{"internal/compiler/rustc/x.go:4: may not import internal/compiler/cfamily"}},
			{"another platform", map[string]string{"internal/digest/x_windows.go": "package digest\n\nimport " + own("wire") + "\n"}, []string{"internal/digest/x_windows.go:3: may not import internal/wire"}},
			{"a command", product("internal/coordinator", `_ "`+modulePath+`/cmd/cachepot"`), []string{"internal/coordinator/x.go:4: may not import cmd/cachepot"}},
			{"no row", product("internal/novelty", ""), []string{"internal/novelty: has no row in the layer table"}},
			{"vague name", product("internal/storage/util", ""), []string{"internal/storage/util: has no row", "internal/storage/util: name the package"}},
			{"module of others", product("internal/digest", `_ "example.org/hash"`), []string{"internal/digest/x.go:4: may not import module example.org/hash"}},
			{"module of a longer name", product("internal/spawn", `_ "golang.org/x/system"`), []string{"internal/spawn/x.go:4: may not import module golang.org/x/system"}},
			{"impure", product("internal/action", `_ "os/exec"`), []string{"internal/action/x.go:4: is a function of its arguments; may not import os/exec"}},
			{"suite in product", product("internal/coordinator", own("storage/storagetest")), []string{"internal/coordinator/x.go:4: imports internal/storage/storagetest outside a test"}},
			{"cgo", product("internal/watch", `"C"`), []string{"internal/watch/x.go:4: imports C"}},
			{"product imports test", product("internal/coordinator", `_ "`+modulePath+`/test/bench"`), []string{"internal/coordinator/x.go:4: may not import test/bench"}},
		},
		good: []example{
			{"downward", product("internal/compiler/gcc", own("compiler/cfamily")), nil},
			{"star", product("cmd/cachepot-coordinator", own("storage/disk")), nil},
			{"part of an allowed module", product("internal/spawn", `_ "golang.org/x/sys/unix"`), nil},
			{"suite", product("internal/storage/storagetest", `_ "example.org/x"`), nil},
			{"test", map[string]string{"internal/storage/disk/x_test.go": "package disk\n\nimport " + own("storage/storagetest") + "\n"}, nil},
		},
	}
}

func checkLayers(t *tree) []finding {
	rows := map[string]layer{}
	for _, l := range layers() {
		rows[l.dir()] = l
	}
	var out []finding
	for _, dir := range sortedKeys(t.packages()) {
		if isTestFolder(dir) {
			continue
		}
		row, ok := rows[dir]
		if !ok {
			out = append(out, finding{dir, "has no row in the layer table (layers_test.go)"})
		}
		if slices.Contains(vague(), path.Base(dir)) {
			out = append(out, finding{dir, "name the package for what it holds"})
		}
		for _, f := range t.packages()[dir] {
			if !f.test && ok {
				out = append(out, checkImports(t, f, row)...)
			}
		}
	}
	return out
}

func checkImports(t *tree, f *file, row layer) []finding {
	var out []finding
	for _, spec := range f.syntax.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		if why := row.refuses(p); why != "" {
			out = append(out, t.at(spec.Pos(), "%s", why))
		}
	}
	return out
}

// refuses returns why the layer may not import p, or "".
func (l layer) refuses(p string) string {
	ours, isOurs := strings.CutPrefix(p, modulePath+"/")
	switch {
	case p == "C":
		return "imports C; the product is built without cgo"
	case isOurs && under(ours, "internal") && isTestFolder(ours):
		return "imports " + ours + " outside a test"
	case isOurs && !l.mayImport(ours):
		return "may not import " + ours
	case isOurs:
		return ""
	case isModule(p) && !slices.ContainsFunc(l.modules, func(m string) bool { return under(p, m) }):
		return "may not import module " + p
	case l.pure && slices.ContainsFunc(impure(), func(m string) bool { return under(p, m) }):
		return "is a function of its arguments; may not import " + p
	}
	return ""
}

func (l layer) mayImport(ours string) bool {
	p, ok := strings.CutPrefix(ours, "internal/")
	return ok && slices.ContainsFunc(l.ours, func(a string) bool {
		family, star := strings.CutSuffix(a, "/*")
		return a == p || star && path.Dir(p) == family
	})
}

func (l layer) dir() string {
	if under(l.pkg, "cmd") {
		return l.pkg
	}
	return "internal/" + l.pkg
}

// isModule reports whether p is neither of the standard library nor ours.
func isModule(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return strings.Contains(first, ".")
}

// TestLayersAreAnOrder shows that the table is one: a row names only rows above
// itself, so no set of allowed imports has a cycle.
func TestLayersAreAnOrder(t *testing.T) {
	for _, breach := range outOfOrder(layers()) {
		t.Error(breach)
	}
	bad := []layer{{pkg: "a", ours: []string{"b"}}, {pkg: "b", ours: []string{"c/*"}}, {pkg: "b"}}
	if got := outOfOrder(bad); len(got) != 3 {
		t.Errorf("found %q in a table with three faults", got)
	}
}

func outOfOrder(table []layer) []string {
	var out []string
	above := map[string]bool{}
	for _, l := range table {
		for _, o := range l.ours {
			if !above[o] {
				out = append(out, fmt.Sprintf("row %s names %s, which is not above it", l.pkg, o))
			}
		}
		if above[l.pkg] {
			out = append(out, "two rows for "+l.pkg)
		}
		above[l.pkg] = true
		above[path.Dir(l.pkg)+"/*"] = true
	}
	return out
}

const (
	layersBegin = "<!-- layers: written by internal/archtest -->\n"
	layersEnd   = "<!-- end of layers -->\n"
)

// TestArchitectureShowsLayers keeps the table in ARCHITECTURE.md the one that is
// enforced.
func TestArchitectureShowsLayers(t *testing.T) {
	doc := realTree(t).read("ARCHITECTURE.md")
	_, rest, ok := bytes.Cut(doc, []byte(layersBegin))
	got, _, closed := bytes.Cut(rest, []byte(layersEnd))
	if want := layersMarkdown(layers()); !ok || !closed || string(got) != want {
		t.Errorf("ARCHITECTURE.md: between %q and %q put\n%s", layersBegin, layersEnd, want)
	}
}

func layersMarkdown(table []layer) string {
	var b strings.Builder
	b.WriteString("| package | may import of ours | modules of others |\n|---|---|---|\n")
	for _, l := range table {
		name := "`" + l.pkg + "`"
		if l.pure {
			name += " (pure)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, orDash(l.ours), orDash(l.modules))
	}
	return b.String()
}

func orDash(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
