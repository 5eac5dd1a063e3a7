package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// buildWorkloads are Rust crates as they are in builds with cargo: one that loads a macro
// of the build, of which only a run here tells what it reads, and one that includes what
// a build script has made. Only remote measures them.
func buildWorkloads(ctx context.Context, b *bench) ([]workload, error) {
	base := filepath.Join(b.work, "calls")
	rustc, err := toolPath(ctx, b, "rustc")
	if err != nil {
		return nil, err
	}
	outputs := []string{"libunit-0123456789abcdef.rlib", "libunit-0123456789abcdef.rmeta", "unit-0123456789abcdef.d"}
	argv := append([]string{rustc}, rustArgs()[1:]...)
	macros := workload{name: "macros in Rust", lang: "Rust", dir: filepath.Join(base, "macros-in-Rust"), outputs: outputs,
		argv: append(slices.Clone(argv), "-L", "dependency=.", "--extern", "describe=libdescribe-0123456789abcdef.so"),
		// Of a macro that was made without cachepot it is not known what it is made of.
		before: append([]string{rustc}, strings.Fields("--crate-name describe --edition=2021 describe.rs --crate-type proc-macro --emit=dep-info,link "+
			"-C prefer-dynamic -C metadata=0123456789abcdef -C extra-filename=-0123456789abcdef --out-dir .")...)}
	sources := derivingCrate()
	macros.main = unit{"lib.rs", sources["lib.rs"]}
	if err := writeFiles(macros.dir, sources); err != nil {
		return nil, err
	}
	out := filepath.Join(base, "script-in-Rust", "out")
	script := workload{name: "script in Rust", lang: "Rust", dir: filepath.Dir(out), outputs: outputs, argv: argv,
		env: []string{"OUT_DIR=" + out}, main: unit{"lib.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n"}}
	sources = rustCrate()
	var made strings.Builder
	for i := range 20 {
		module := "part" + strconv.Itoa(i)
		fmt.Fprintf(&made, "pub mod %s {\n%s}\n", module, sources[module+".rs"])
	}
	if err := writeFiles(script.dir, map[string]string{"lib.rs": script.main.text, "out/made.rs": made.String()}); err != nil {
		return nil, err
	}
	return []workload{macros, script}, nil
}

// derivingCrate is a library in which most of the code is what a macro of the build makes.
func derivingCrate() map[string]string {
	files := map[string]string{"describe.rs": describeMacro}
	var lib strings.Builder
	for i := range 20 {
		module := "part" + strconv.Itoa(i)
		fmt.Fprintf(&lib, "pub mod %s;\n", module)
		var text strings.Builder
		text.WriteString("use describe::Describe;\nuse std::collections::BTreeMap;\n")
		text.WriteString("\n#[derive(Debug, Clone, PartialEq, Describe)]\npub struct Row {\n    pub name: String,\n    pub weight: u64,\n" +
			"    pub words: Vec<String>,\n    pub table: BTreeMap<String, Vec<u32>>,\n    pub parent: Option<Box<Row>>,\n}\n")
		files[module+".rs"] = text.String()
	}
	files["lib.rs"] = lib.String()
	return files
}

// describeMacro derives, for a struct with named fields, functions that print and read it.
const describeMacro = `extern crate proc_macro;
use proc_macro::{Delimiter, TokenStream, TokenTree};

#[proc_macro_derive(Describe)]
pub fn describe(item: TokenStream) -> TokenStream {
    let mut name = String::new();
    let mut fields = Vec::new();
    let mut tokens = item.into_iter();
    while let Some(t) = tokens.next() {
        match t {
            TokenTree::Ident(i) if i.to_string() == "struct" => name = tokens.next().unwrap().to_string(),
            TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = g.stream().into_iter().collect();
                for w in inner.windows(3) {
                    if let (TokenTree::Ident(p), TokenTree::Ident(f), TokenTree::Punct(c)) = (&w[0], &w[1], &w[2]) {
                        if p.to_string() == "pub" && c.as_char() == ':' {
                            fields.push(f.to_string());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let mut code = format!("impl {name} {{ pub fn describe(&self, depth: usize) -> Vec<String> {{ let mut all = Vec::new();");
    for f in &fields {
        code += &format!("for (n, line) in format!(\"{{:#?}}\", self.{f}).lines().enumerate() {{ all.push(format!(\"{{:width$}}{f} {{n}}: {{line}}\", \"\", width = depth)); }}");
    }
    code += "all.sort(); all.dedup(); all } pub fn matches(&self, other: &Self) -> Vec<&'static str> { let mut all = Vec::new();";
    for f in &fields {
        code += &format!("if self.{f} == other.{f} {{ all.push(\"{f}\"); }}");
    }
    code += "all } }";
    code.parse().unwrap()
}
`
