package config

import "strings"

// namedRoots understands directories with names. What is said of a directory must be
// spelled alike in arguments, make rules, JSON and messages, so few characters will do.
func namedRoots(v value) ([]Root, string) {
	list := v.list
	if v.form == formVariable {
		list = strings.Split(v.text, ":")
	}
	var out []Root
	seen := map[string]bool{}
	for _, text := range list {
		name, dir, _ := strings.Cut(text, "=")
		switch {
		case name == "" || strings.Trim(name, letters+"-") != "" || name[0] == '-':
			return nil, shown(text) + " has no name of letters, digits, - and _"
		case len(dir) < 2 || dir[0] != '/':
			return nil, shown(text) + " has no absolute directory"
		case strings.Trim(dir, letters+"-./+@") != "":
			return nil, shown(text) + " has a character that is written in several ways"
		case seen[name]:
			return nil, shown(text) + " has a name that another one has"
		}
		seen[name] = true
		out = append(out, Root{Name: name, Dir: dir})
	}
	return out, ""
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
