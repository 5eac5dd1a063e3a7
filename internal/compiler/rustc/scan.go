package rustc

import "bytes"

// scan is what the text of sources says about inputs that the dependency list
// does not name. It may say more than is so.
type scan struct {
	links       []string // names of #[link(name = "...")] that may be static
	linked      []string // of all of them
	unclearLink bool     // a link attribute whose name or kind is not written out
	cargoLints  bool     // clippy lints that run "cargo metadata" are named
}

// source adds what one source says.
func (s *scan) source(src []byte) {
	link, clippy := bytes.Contains(src, []byte("link")), bytes.Contains(src, []byte("clippy"))
	if !link && !clippy {
		return
	}
	toks := lex(src)
	for i, t := range toks {
		switch {
		case t.kind != tokIdent:
		case t.text == "link" && is(toks, i+1, "("):
			s.link(toks[i+2:])
		case t.text == "clippy" && is(toks, i+1, ":") && is(toks, i+2, ":") && i+3 < len(toks):
			s.cargoLints = s.cargoLints || cargoLint(toks[i+3].text)
		}
	}
}

// link reads the arguments of a link attribute, up to the closing parenthesis.
// A call of a function of that name has none of its keys and is passed over.
func (s *scan) link(args []token) {
	var name, kind string
	var hasName, hasKind, computed bool
	depth := 1
	for i := 0; i < len(args) && depth > 0; i++ {
		t := args[i]
		switch {
		case t.kind == tokPunct && t.text == "(":
			depth++
		case t.kind == tokPunct && t.text == ")":
			depth--
		case t.kind == tokPunct && t.text == "$":
			computed = true
		case t.kind == tokIdent && (t.text == "name" || t.text == "kind") && is(args, i+1, "="):
			value, ok := "", false
			if i+2 < len(args) && args[i+2].kind == tokString && (is(args, i+3, ",") || is(args, i+3, ")")) {
				value, ok = args[i+2].text, true
			}
			if !ok {
				computed = true
			}
			if t.text == "name" {
				name, hasName = value, true
			} else {
				kind, hasKind = value, true
			}
		}
	}
	switch {
	case computed:
		s.unclearLink = true
	case hasName:
		s.linked = append(s.linked, name)
	}
	if !computed && hasName && (!hasKind || kind == "static") {
		s.links = append(s.links, name)
	}
}

func is(toks []token, i int, punct string) bool {
	return i >= 0 && i < len(toks) && toks[i].kind == tokPunct && toks[i].text == punct
}
