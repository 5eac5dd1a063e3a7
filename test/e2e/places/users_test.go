package places

import (
	"strings"
	"testing"
)

// personalMacro is the source of a macro that gives a function made; body computes the
// text of its value.
func personalMacro(body string) string {
	return "#[proc_macro] pub fn pm(input: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    let input = input.to_string();\n    let _ = &input;\n    let value: String = {" + body +
		"};\n    format!(\"pub fn made() -> &'static str {{ {value:?} }}\").parse().unwrap() }\n"
}

// whoBuilds are the variables of a user of that name.
func whoBuilds(name string) []string {
	return []string{"USER=" + name, "LOGNAME=" + name, "MAIL=/var/mail/" + name, "SHELL=/usr/bin/" + name + "sh"}
}

// asMade compares what lies in place with what the user would make there without the
// cache of others.
func asMade(t *testing.T, base, place, name string, files map[string]string) {
	t.Helper()
	moved := products(t, base, place)
	cargoOf(t, newInstance(t), base, place, files, whoBuilds(name)...)
	for file, text := range products(t, base, place) {
		if moved[file] != text {
			t.Errorf("%s of %s in %s is not what is made there", file, name, place)
		}
	}
}

// TestMacrosOfUsers: what macros have a hand in serves a user of another name once it has
// been seen that these macros do not care: by a compile of his, or by verify.
func TestMacrosOfUsers(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	i, tried := newInstance(t), newInstance(t)
	_, all, _ := cargo(t, i, base, one, whoBuilds("alice")...)
	for _, step := range []struct {
		name, place string
		misses      uint64
	}{
		{"robert", one, 1}, // the witness
		{"carol", one, 0},
		{"alice", one, 0},
		{"dave", two, 1}, // the witness of the place, too
		{"erin", "three", 0},
	} {
		if hits, misses, _ := cargo(t, i, base, step.place, whoBuilds(step.name)...); misses != step.misses || hits != all-step.misses {
			why, _ := i.Admin("explain")
			t.Errorf("%s in %s: %d hits, %d misses, want %d; there were %d calls\n%s", step.name, step.place, hits, misses, step.misses, all, why)
		}
		asMade(t, base, step.place, step.name, crates())
	}
	cargo(t, tried, base, one, whoBuilds("alice")...)
	if out, err := tried.Admin("verify"); err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}
	for _, place := range []string{one, two} {
		if _, misses, _ := cargo(t, tried, base, place, whoBuilds("robert")...); misses != 0 {
			t.Errorf("after verify, in %s: %d misses", place, misses)
		}
	}
	if _, misses, _ := cargo(t, tried, base, two); misses != 0 {
		t.Errorf("after verify, for nobody: %d misses", misses)
	}
}

// TestMacrosThatAsk: macros that ask who the user is serve no other, however they ask, and
// each user gets what he would make himself.
func TestMacrosThatAsk(t *testing.T) {
	const pieces = `std::env::var("RESU".chars().rev().collect::<String>()).unwrap_or_default()`
	for _, tc := range []struct {
		name, body string
		keyed      bool // the variable is found by its name: nobody else's result is looked at
	}{
		{"by name", `std::env::var("USER").unwrap_or_default()`, true},
		{"by a longer name", `std::env::var("LOGNAME").unwrap_or_default()`, true},
		{"by pieces of a name", pieces, false},
		{"by all variables", `{ let mut all: Vec<String> = std::env::vars().filter(|(k, _)| k.len() == 4 && k.ends_with("SER")).map(|(k, v)| k + &v).collect(); all.sort(); all.concat() }`, false},
		{"for its length", "format!(\"{}\", " + pieces + ".len())", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base, i := newBase(t), newInstance(t)
			files := crates()
			files["pm/src/lib.rs"] = personalMacro(tc.body)
			for _, step := range []struct{ name, do string }{{"alice", ""}, {"robert", ""}, {"carol", "verify"}, {"robert", ""}, {"dominique", ""}} {
				cargoOf(t, i, base, one, files, whoBuilds(step.name)...)
				asMade(t, base, one, step.name, files)
				if step.do != "" {
					if out, err := i.Admin(step.do); err != nil {
						t.Errorf("%s: %v\n%s", step.do, err, out)
					}
				}
			}
			s, err := i.Stats()
			if err != nil {
				t.Fatal(err)
			}
			const reason = "macros of the build give something else in another directory or for another user"
			if (s.Located[reason] > 0) == tc.keyed {
				t.Errorf("located %v", s.Located)
			}
		})
	}
}

// TestMacroThatAsksOnlySometimes: a set of macros that was seen not to care in one crate is
// not believed in another where the name of the user stands in what it gives.
func TestMacroThatAsksOnlySometimes(t *testing.T) {
	t.Parallel()
	base, i := newBase(t), newInstance(t)
	files := crates()
	files["pm/src/lib.rs"] = personalMacro(`if input.is_empty() { "nobody".to_string() } else { std::env::var("RESU".chars().rev().collect::<String>()).unwrap_or_default() }`)
	for _, name := range []string{"alice", "robert"} {
		cargoOf(t, i, base, one, files, whoBuilds(name)...)
	}
	files["user/src/lib.rs"] = "pm::pm!(x);\n"
	for _, name := range []string{"alice", "robert", "alice", "carol"} {
		cargoOf(t, i, base, one, files, whoBuilds(name)...)
		for file, text := range products(t, base, one) {
			for _, other := range []string{"alice", "robert", "carol"} {
				if other != name && strings.HasPrefix(file, "/deps/libuser") && strings.Contains(text, other) {
					t.Errorf("%s of %s has %s in it", file, name, other)
				}
			}
		}
		asMade(t, base, one, name, files)
	}
}

// TestNameByChance: a result with the name of a user in it serves others once one of them
// has got the same.
func TestNameByChance(t *testing.T) {
	t.Parallel()
	base, i := newBase(t), newInstance(t)
	files := crates()
	cargoOf(t, i, base, one, files, whoBuilds("alice")...)
	cargoOf(t, i, base, one, files, whoBuilds("robert")...) // the witness
	files["user/src/lib.rs"] = "pm::pm!();\npub const ALL: &str = \"alice and carol\";\n"
	for _, step := range []struct {
		name   string
		misses uint64
	}{{"alice", 1}, {"alice", 0}, {"robert", 1}, {"carol", 0}, {"alice", 0}} {
		if _, misses, _ := cargoOf(t, i, base, one, files, whoBuilds(step.name)...); misses != step.misses {
			t.Errorf("%s: %d misses, want %d", step.name, misses, step.misses)
		}
	}
}

// TestMacrosThatVary: macros that give something else each time serve no other place, and it
// is said that they do; with what they take for chance fixed they serve all.
func TestMacrosThatVary(t *testing.T) {
	t.Parallel()
	const varies = "macros of the build give something else each time"
	base, i := newBase(t), newInstance(t)
	files := crates()
	files["pm/src/lib.rs"] = personalMacro(`option_env!("SEED").map(String::from).unwrap_or_else(|| format!("{:?}", std::time::SystemTime::now()))`)
	_, all, _ := cargoOf(t, i, base, one, files)
	mine := products(t, base, one)
	if hits, _, _ := cargoOf(t, i, base, one, files); hits != all {
		t.Errorf("in the same place: %d hits; there were %d calls", hits, all)
	}
	cargoOf(t, i, base, two, files)
	if out, err := i.Admin("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if hits, _, located := cargoOf(t, i, base, "three", files); located != 1 || hits != all-1 {
		t.Errorf("elsewhere: %d hits, %d located; there were %d calls", hits, located, all)
	}
	for name, text := range products(t, base, "three") {
		if strings.HasPrefix(name, "/deps/libuser") && text == mine[name] {
			t.Errorf("%s is shared", name)
		}
	}
	s, err := i.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.Located[varies] != 1 {
		t.Errorf("located %v", s.Located)
	}
	for step, place := range []string{one, two, "three"} {
		_, misses, located := cargoOf(t, i, base, place, files, "SEED=1")
		if step == 2 && (misses != 0 || located != 0) {
			t.Errorf("with a seed, in %s: %d misses, %d located", place, misses, located)
		}
	}
}

// TestExplainUsers: it is said why a result is for one user alone, and what would change that.
func TestExplainUsers(t *testing.T) {
	t.Parallel()
	const (
		own     = "stored for this user alone: "
		unseen  = own + "macros of the build have not been seen to give the same for others"
		witness = "the first compile by another user is the witness"
	)
	base, i := newBase(t), newInstance(t)
	macros := map[string]string{"Cargo.toml": "", "u.rs": "m::m!();\npub const WHO: &str = \"robert\";\n",
		"m.rs": "extern crate proc_macro;\n#[proc_macro] pub fn m(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"pub fn made() {}\".parse().unwrap() }\n"}
	const useMacro = "$RUSTC --edition 2021 --crate-name u --crate-type lib --emit=dep-info,metadata,link --extern m=libm.so u.rs"
	const makeMacro = "$POT $RUSTC --crate-name m --crate-type proc-macro --emit=dep-info,link m.rs"
	for _, step := range []struct {
		name, place         string
		before, last, after []string
	}{
		{"alice", one, []string{"nothing like it"}, []string{"miss"}, []string{"hit"}},
		{"alice", two, []string{"miss", "this compile is the witness"}, []string{"miss", unseen, witness}, []string{"hit", unseen, witness}},
		{"robert", two, []string{"miss", "what was compiled by another user is " + unseen, "this compile is the witness"}, []string{"miss"}, []string{"hit"}},
	} {
		who := *i
		who.Env = append(append([]string{}, i.Env...), whoBuilds(step.name)...)
		before, last, after := explained(t, &who, base, step.place, macros, makeMacro, useMacro)
		for when, said := range map[string][2][]string{"before": {{before}, step.before}, "last": {{last}, step.last}, "after": {{after}, step.after}} {
			for _, want := range said[1] {
				if !strings.Contains(said[0][0], want) {
					t.Errorf("%s in %s, %s: %q is not said:\n%s", step.name, step.place, when, want, said[0][0])
				}
			}
		}
		if step.name == "robert" && strings.Contains(last+after, own) {
			t.Errorf("witnessed macros are still for one user:\n%s%s", last, after)
		}
	}
}
