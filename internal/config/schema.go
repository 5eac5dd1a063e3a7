package config

import "strings"

// schema is the table of settings, arranged for looking up.
type schema struct {
	settings  []Setting
	keys      map[string]*Setting
	variables map[string]*Setting
	names     []string            // of our variables without the prefix, in the table's order
	children  map[string][]string // table -> names of its keys and tables; "" is the top
}

func newSchema(settings []Setting) *schema {
	s := &schema{
		settings:  settings,
		keys:      map[string]*Setting{},
		variables: map[string]*Setting{},
		children:  map[string][]string{},
	}
	for i := range s.settings {
		set := &s.settings[i]
		if set.Env != "" {
			s.variables[set.Env] = set
			if name, ours := strings.CutPrefix(set.Env, variablePrefix); ours {
				s.names = append(s.names, name)
			}
		}
		if set.Key != "" {
			s.keys[set.Key] = set
			s.addPath(set.Key)
		}
	}
	return s
}

// addPath enters the key and every table above it as a child of the next.
func (s *schema) addPath(key string) {
	for key != "" {
		parent, name := "", key
		if i := strings.LastIndexByte(key, '.'); i >= 0 {
			parent, name = key[:i], key[i+1:]
		}
		name = strings.TrimSuffix(name, "[]")
		for _, known := range s.children[parent] {
			if known == name {
				return
			}
		}
		s.children[parent] = append(s.children[parent], name)
		key = parent
	}
}

// isTable reports whether path is a table, isList whether it is a list of tables.
func (s *schema) isTable(path string) bool { return s.children[path] != nil }
func (s *schema) isList(path string) bool  { return s.children[path+"[]"] != nil }

// suggest returns what the unknown name in table may have been meant to be: a
// neighbour spelled much alike, or else a key of that name in another table.
func (s *schema) suggest(table, name string) string {
	if near := nearest(name, s.children[table]); near != "" {
		return display(dotted(table, near))
	}
	for i := range s.settings {
		if key := s.settings[i].Key; strings.HasSuffix(key, "."+name) {
			return display(key)
		}
	}
	return ""
}

// dotted appends name to the dotted key of a table.
func dotted(table, name string) string {
	if table == "" {
		return name
	}
	return table + "." + name
}

// display returns the key as the user writes it.
func display(key string) string { return strings.ReplaceAll(key, "[]", "") }
