package config

import (
	"errors"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// document walks through a TOML text in the order of its lines and hands each
// value to the loader. It works on the parser's tree, because only that knows
// where each key and each value stands.
type document struct {
	load   *loader
	file   string
	parser unstable.Parser
	lines  []int // offset of the first byte of each line
	// table is the one that key-value lines belong to; with skip it is unknown,
	// which has been said, and its lines are passed over.
	table   string
	skip    bool
	unknown map[string]bool // keys that were complained of
}

// readDocument understands text, the content of file. What is wrong with it is
// noted in l.
func readDocument(l *loader, file string, text []byte) {
	// The parser's tree is checked for grammar only. That nothing is defined twice,
	// and that numbers and dates are possible, is checked by decoding.
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		l.problem(syntaxError(file, err))
		return
	}
	d := &document{load: l, file: file, lines: []int{0}, unknown: map[string]bool{}}
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	d.parser.Reset(text)
	for d.parser.NextExpression() {
		d.expression(d.parser.Expression())
	}
	// Nothing may be passed over unseen, should the two ever disagree.
	if err := d.parser.Error(); err != nil {
		l.problem(&Error{File: file, Text: "is no TOML: " + clipped(err.Error())})
	}
}

func syntaxError(file string, err error) *Error {
	e := &Error{File: file, Text: "is no TOML: " + clipped(strings.TrimPrefix(err.Error(), "toml: "))}
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		e.Line, e.Col = at.Position()
		e.Key = clipped(strings.Join(at.Key(), "."))
	}
	return e
}

func (d *document) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.Table:
		d.header(e, false)
	case unstable.ArrayTable:
		d.header(e, true)
	case unstable.KeyValue:
		if !d.skip {
			d.keyValue(d.table, e)
		}
	}
}

// header reads [table] and, as a list, [[table]].
func (d *document) header(e *unstable.Node, list bool) {
	path, at, ok := d.path("", e.Key())
	d.table, d.skip = path, true
	if !ok {
		return
	}
	set, isKey := d.load.schema.keys[path]
	switch {
	case isKey:
		d.load.problem(at.error("is a table; allowed: " + set.allowed(formString)))
	case d.load.schema.isList(path) != list:
		d.wrongTable(path, at)
	case list:
		d.element(path, at)
		d.table, d.skip = path+"[]", false
	default:
		d.load.mark(path, at)
		d.skip = false
	}
}

// wrongTable says how the table or list of tables at path is written.
func (d *document) wrongTable(path string, at origin) {
	allowed := "[" + path + "]"
	if d.load.schema.isList(path) {
		allowed = "[" + allowed + "]"
	}
	d.load.problem(at.error("is not written so; allowed: " + allowed))
}

// keyValue reads one "key = value" that belongs to table.
func (d *document) keyValue(table string, e *unstable.Node) {
	path, at, ok := d.path(table, e.Key())
	if !ok {
		return
	}
	node := e.Value()
	set, isKey := d.load.schema.keys[path]
	switch {
	case isKey:
		at.line, at.col = d.position(node, at)
		// Data is the text of a string, and the spelling of everything else.
		v := value{text: string(node.Data), form: formOf(node), host: d.load.host}
		if node.Kind == unstable.Array {
			v.list, v.form = stringsOf(node)
		}
		d.load.store(set, v, at)
	case d.load.schema.isList(path) && node.Kind == unstable.Array:
		d.list(path, node, at)
	case !d.load.schema.isList(path) && node.Kind == unstable.InlineTable:
		d.load.mark(path, at)
		d.inlineTable(path, node)
	default:
		d.wrongTable(path, at)
	}
}

func (d *document) inlineTable(path string, node *unstable.Node) {
	for it := node.Children(); it.Next(); {
		if it.Node().Kind == unstable.KeyValue {
			d.keyValue(path, it.Node())
		}
	}
}

// stringsOf returns the elements of an array of strings; another kind of array has
// none.
func stringsOf(node *unstable.Node) ([]string, form) {
	var list []string
	for it := node.Children(); it.Next(); {
		switch it.Node().Kind {
		case unstable.Comment:
		case unstable.String:
			list = append(list, string(it.Node().Data))
		default:
			return nil, formArray
		}
	}
	return list, formList
}

// list reads an array of inline tables, which may be empty.
func (d *document) list(path string, node *unstable.Node, at origin) {
	d.load.mark(path, at)
	for it := node.Children(); it.Next(); {
		item := it.Node()
		if item.Kind == unstable.Comment {
			continue
		}
		if item.Kind != unstable.InlineTable {
			d.wrongTable(path, at)
			return
		}
		at.line, at.col = d.position(item, at)
		d.element(path, at)
		d.inlineTable(path+"[]", item)
	}
}

// element begins a new entry of the list at path.
func (d *document) element(path string, at origin) {
	d.load.mark(path, at)
	d.load.beginElement(at)
}

// path resolves a dotted key below table. Where it leads out of what is known,
// that has been noted and ok is false.
func (d *document) path(table string, key unstable.Iterator) (path string, at origin, ok bool) {
	path = table
	for key.Next() {
		node := key.Node()
		name := string(node.Data)
		if set, isKey := d.load.schema.keys[path]; isKey {
			d.load.problem(at.error("is a table; allowed: " + set.allowed(formString)))
			return path, at, false
		}
		if d.load.schema.isList(path) {
			d.wrongTable(path, at)
			return path, at, false
		}
		full := dotted(path, name)
		at = origin{file: d.file, name: display(full)}
		at.line, at.col = d.position(node, at)
		if !d.isChild(path, name) {
			d.unknownKey(path, name, at)
			return full, at, false
		}
		path = full
	}
	return path, at, true
}

// isChild compares whole names: a quoted key may hold dots and brackets.
func (d *document) isChild(table, name string) bool {
	for _, known := range d.load.schema.children[table] {
		if known == name {
			return true
		}
	}
	return false
}

func (d *document) unknownKey(table, name string, at origin) {
	if d.unknown[at.name] {
		return
	}
	d.unknown[at.name] = true
	text := "unknown key"
	if near := d.load.schema.suggest(table, name); near != "" {
		text += ", perhaps " + near + " is meant"
	}
	at.name = clipped(at.name)
	d.load.problem(at.error(text + "; allowed: " + strings.Join(d.load.schema.children[table], ", ")))
}

// position returns where node begins, or where at is for nodes that have no
// place of their own.
func (d *document) position(node *unstable.Node, at origin) (line, col int) {
	if node.Raw.Length == 0 {
		return at.line, at.col
	}
	offset := int(node.Raw.Offset)
	line = sort.SearchInts(d.lines, offset+1)
	return line, offset - d.lines[line-1] + 1
}

func formOf(node *unstable.Node) form {
	switch node.Kind {
	case unstable.String:
		return formString
	case unstable.Integer:
		return formInteger
	case unstable.Bool:
		return formBool
	case unstable.Array:
		return formArray
	case unstable.InlineTable:
		return formTable
	}
	return formOther
}
