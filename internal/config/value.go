package config

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cachepot/cachepot/internal/rendezvous"
)

// value is what the user wrote, before it is understood.
type value struct {
	text string
	list []string // of an array of strings
	form form
	host Host
}

// form is how a value is written.
type form int

const (
	formVariable form = iota // of the environment: may stand for any kind
	formString
	formInteger
	formBool
	formOther // a value of TOML that no setting takes
	formArray // of anything
	formList  // array of strings
	formTable
)

func (f form) String() string {
	switch f {
	case formString:
		return "a string"
	case formInteger:
		return "an integer"
	case formBool:
		return "a boolean"
	case formArray:
		return "an array"
	case formList:
		return "a list of strings"
	case formTable:
		return "a table"
	case formOther:
		return "a number with a fraction or a date"
	}
	return "a variable"
}

// fits reports whether a value of form f may be of the kind.
func (k Kind) fits(f form) bool {
	switch f {
	case formVariable:
		return true
	case formString:
		return k != KindBool && k != KindCount && !k.isList()
	case formList:
		return k.isList()
	case formInteger:
		return k == KindSize || k == KindCount
	case formBool:
		return k == KindBool
	}
	return false
}

// isList reports whether values of the kind are lists of strings.
func (k Kind) isList() bool {
	return k == KindNames || k == KindRoots || k == KindPairs || k == KindHeaders || k == KindWords
}

// assign understands v and stores it in t. The returned text says what is wrong
// with v, and is empty where nothing is.
func (s *Setting) assign(t target, v value) string {
	if !s.Kind.fits(v.form) {
		return "is " + v.form.String() + "; allowed: " + s.allowed(v.form)
	}
	if problem := s.store(s.field(t), v); problem != "" {
		return problem + "; allowed: " + s.allowed(v.form)
	}
	return ""
}

// store is assign for a value of a form that fits.
func (s *Setting) store(field any, v value) (problem string) {
	switch p := field.(type) {
	case *Size:
		*p, problem = s.size(v)
	case *time.Duration:
		*p, problem = s.seconds(v)
	case *bool:
		*p, problem = parseBool(v.text)
	case *Secret:
		problem = s.secretProblem(v)
		*p = NewSecret(v.text)
	case *string:
		*p, problem = s.text(v)
	case *[]string:
		*p, problem = s.strings(v.list)
	case *Address:
		*p, problem = address(v.text)
	case *int:
		*p, problem = s.count(v)
	case *[]Root:
		*p, problem = namedRoots(v)
	case *[]Secret:
		*p, problem = headers(v.list)
	case *Restore:
		*p, problem = Restore(v.text), s.choiceProblem(v.text)
	case *PathsMode:
		*p, problem = PathsMode(v.text), s.choiceProblem(v.text)
	case *FileMacros:
		*p, problem = FileMacros(v.text), s.choiceProblem(v.text)
	case *GCSMode:
		*p, problem = GCSMode(v.text), s.choiceProblem(v.text)
	case *AuthType:
		*p, problem = AuthType(v.text), s.choiceProblem(v.text)
	case *BuilderType:
		*p, problem = BuilderType(v.text), s.choiceProblem(v.text)
	case *Fallback:
		*p, problem = Fallback(v.text), s.choiceProblem(v.text)
	case *Trust:
		*p, problem = Trust(v.text), s.choiceProblem(v.text)
	default:
		panic("config: no way to store " + s.Key + s.Env)
	}
	return problem
}

func (s *Setting) size(v value) (Size, string) {
	n, err := ParseSize(v.text)
	if v.form == formInteger {
		var i int64
		i, err = strconv.ParseInt(v.text, 0, 64)
		n = Size(i)
	}
	switch {
	case err == nil && n < 0 || strings.HasPrefix(v.text, "-"):
		return 0, shown(v.text) + " is negative"
	case err != nil:
		return 0, shown(v.text) + " is no size"
	case int64(n) < s.Min || s.Max > 0 && int64(n) > s.Max:
		return 0, shown(v.text) + " is out of range"
	}
	return n, ""
}

func (s *Setting) seconds(v value) (time.Duration, string) {
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil {
		return 0, shown(v.text) + " is no whole number"
	}
	if n < s.Min || n > s.Max {
		return 0, shown(v.text) + " is out of range"
	}
	return time.Duration(n) * time.Second, ""
}

func parseBool(text string) (bool, string) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, ""
	case "false", "0", "no", "off":
		return false, ""
	}
	return false, shown(text) + " is no boolean"
}

// count understands a whole number.
func (s *Setting) count(v value) (int, string) {
	n, err := strconv.ParseInt(v.text, 0, 32)
	if err != nil || n < s.Min || n > s.Max {
		return 0, shown(v.text) + " is out of range"
	}
	return int(n), ""
}

// strings understands the kinds that are kept as lists of strings.
func (s *Setting) strings(list []string) ([]string, string) {
	switch s.Kind {
	case KindPairs:
		return pairs(list)
	case KindWords:
		return list, ""
	}
	return names(list)
}

// names understands a list of names of variables.
func names(list []string) ([]string, string) {
	for _, name := range list {
		if stem := strings.TrimSuffix(name, "*"); stem == "" || strings.ContainsAny(stem, "*=\x00") {
			return nil, shown(name) + " is no name"
		}
	}
	return list, ""
}

// pairs understands a list of "name=value".
func pairs(list []string) ([]string, string) {
	for _, p := range list {
		if name, _, ok := strings.Cut(p, "="); !ok || name == "" || strings.ContainsRune(p, 0) {
			return nil, shown(p) + " is not name=value"
		}
	}
	return list, ""
}

// headers understands a list of "name: value", of which it repeats nothing.
func headers(list []string) ([]Secret, string) {
	var out []Secret
	for _, h := range list {
		name, value, ok := strings.Cut(h, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		wrong := strings.ContainsFunc(name, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
		})
		visible := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		if !ok || name == "" || wrong || !visible || strings.HasPrefix(name, "grpc-") {
			return nil, "has one that is no header"
		}
		out = append(out, NewSecret(name+":"+value))
	}
	return out, ""
}

func (s *Setting) choiceProblem(text string) string {
	for word := range strings.FieldsSeq(s.Choices) {
		if text == word {
			return ""
		}
	}
	return shown(text) + " is unknown"
}

// secretProblem never repeats the text, not even a part of it.
func (s *Setting) secretProblem(v value) string {
	if v.text == "" {
		return "is empty"
	}
	if s.Kind != KindSecretURL {
		return ""
	}
	u, err := url.Parse(v.text)
	if err != nil {
		return "is no address"
	}
	if s.choiceProblem(u.Scheme) != "" {
		return "has another scheme"
	}
	if u.Host == "" && u.Path == "" {
		return "names no server"
	}
	return ""
}

// text understands the kinds that are kept as strings.
func (s *Setting) text(v value) (string, string) {
	if v.text == "" {
		return "", "is empty"
	}
	switch s.Kind {
	case KindChoice:
		return v.text, s.choiceProblem(v.text)
	case KindURL:
		return s.url(v.text)
	case KindPath:
		return v.host.resolve(v)
	case KindHomePath:
		if !strings.HasPrefix(v.text, "~/") {
			return v.host.resolve(v)
		}
	case KindInnerPath:
		if v.text[0] != '/' {
			return "", shown(v.text) + " is relative"
		}
	case KindPort:
		port, ok := rendezvous.Port(v.text)
		if !ok {
			return "", shown(v.text) + " is no port"
		}
		return port, ""
	}
	if strings.ContainsRune(v.text, 0) {
		return "", shown(v.text) + " holds a zero byte"
	}
	return v.text, ""
}

// url understands an address without user and password. One that has them is
// not repeated in the message.
func (s *Setting) url(text string) (string, string) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", "is no address"
	}
	if u.User != nil {
		return "", "holds a user or a password, which belong to [dist.auth]"
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return "", "holds a query or a fragment"
	}
	if s.choiceProblem(u.Scheme) != "" {
		return "", shown(text) + " has another scheme"
	}
	if u.Hostname() == "" || u.Opaque != "" {
		return "", shown(text) + " names no host"
	}
	if u.Port() != "" {
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
			return "", shown(text) + " has no valid port"
		}
	}
	return text, ""
}

// allowed says what a value of the setting may be, written in the form's place:
// the environment or the file.
func (s *Setting) allowed(f form) string {
	words := strings.Join(strings.Fields(s.Choices), ", ")
	switch s.Kind {
	case KindSize:
		text := "bytes, or a number with K, M, G or T"
		if s.Max > 0 {
			text += ", " + Size(s.Min).String() + " to " + Size(s.Max).String()
		}
		return text
	case KindSeconds:
		return "whole seconds, " + strconv.FormatInt(s.Min, 10) + " to " + strconv.FormatInt(s.Max, 10)
	case KindBool:
		if f == formVariable {
			return "true, false, 1, 0, yes, no, on, off"
		}
		return "true, false"
	case KindChoice:
		return words
	case KindURL:
		return "scheme://host or scheme://host:port with scheme " + words
	case KindSecretURL:
		return "an address with scheme " + words
	case KindPath:
		if f == formVariable {
			return "a path"
		}
		return "an absolute path"
	case KindHomePath:
		return "an absolute path, or one that begins with ~/"
	case KindInnerPath:
		return "an absolute path with slashes"
	case KindPort:
		return "1 to 65535"
	case KindRoots:
		if f == formVariable {
			return "NAME=DIRECTORY, several with colons between"
		}
		return "a list of \"NAME=DIRECTORY\""
	case KindNames:
		return "a list of names of variables, which may end with *"
	case KindPairs:
		return "a list of name=value"
	case KindHeaders:
		return "a list of \"name: value\""
	case KindWords:
		return "a list of strings"
	case KindAddress:
		return "host:port, or http:// or https:// and host or host:port"
	case KindCount:
		return strconv.FormatInt(s.Min, 10) + " to " + strconv.FormatInt(s.Max, 10)
	}
	return "a string that is not empty"
}
