package config

import "strings"

// ServerReference returns two Markdown tables, keys of the files of a scheduler and of
// a worker, for the manual to include.
func ServerReference() string {
	var b strings.Builder
	for _, part := range []struct {
		file     string
		settings []Setting
	}{{"scheduler.conf", schedulerSettings()}, {"worker.conf", workerSettings()}} {
		b.WriteString("| Key of `" + part.file + "` | Value | Default | Meaning |\n|---|---|---|---|\n")
		for _, s := range part.settings {
			row(&b, code(s.Key), s.allowed(formString), s.shownDefault(), s.Doc)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Reference returns two Markdown tables, keys of the file and variables of the
// environment, for the manual to include.
func Reference() string {
	var keys, variables strings.Builder
	keys.WriteString("| Key | Variable | Value | Default | Meaning |\n|---|---|---|---|---|\n")
	variables.WriteString("| Variable | Key | Read | Value | Default | Meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range Settings() {
		if s.Key != "" {
			row(&keys, code(display(s.Key)), code(s.Env), s.allowed(formString), s.shownDefault(), s.Doc)
		}
		if s.Env != "" {
			row(&variables, code(s.Env), code(display(s.Key)), s.Scope.when(), s.allowed(formVariable), s.shownDefault(), s.Doc)
		}
	}
	return keys.String() + "\n" + variables.String()
}

func (s *Setting) shownDefault() string {
	switch {
	case s.Computed != "":
		return s.Computed
	case s.Default != "":
		return code(s.Default)
	case s.Required:
		return "required"
	}
	return ""
}

// when says in a word or two when a variable of the scope is read.
func (s Scope) when() string {
	switch s {
	case ScopeStart:
		return "at the coordinator's start"
	case ScopeCall:
		return "by each compile"
	}
	return "selects the configuration"
}

func row(b *strings.Builder, cells ...string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
