package cfamily

import (
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// dependency takes in the -M family.
func (r *reader) dependency(m match) error {
	dep := &r.cmd.Dep
	switch m.Effect {
	case DepAll:
		r.modes++
		dep.On = true
	case DepUser:
		r.modes++
		dep.On, dep.User = true, true
	case DepFile:
		dep.File = m.value
	case DepTarget:
		// Targets stand unquoted before the first colon of the file that Inputs
		// reads back.
		if strings.ContainsAny(m.value, ":\\\n") {
			return compiler.NotCacheable("%s with a colon or backslash", m.Name)
		}
		dep.Target = true
	default:
		return compiler.NotCacheable("%s", optionName(m.Name))
	}
	return nil
}

// preprocessor takes in the values of -Wp or -Xpreprocessor, named by option: what
// makefiles pass that way are the old spelling of -MD and macros.
func (r *reader) preprocessor(option string, values []string) error {
	for i := 0; i < len(values); i++ {
		v := values[i]
		next := ""
		if i+1 < len(values) {
			next = values[i+1]
		}
		switch {
		case (v == "-MD" || v == "-MMD") && next != "":
			r.modes++
			r.cmd.Dep.On = true
			r.cmd.Dep.User = r.cmd.Dep.User || v == "-MMD"
			r.wpFile = next
			i++
		case slices.Contains([]string{"-I", "-iquote", "-isystem", "-idirafter", "-include", "-imacros"}, v) && next != "":
			r.cmd.Watched = true
			i++
		case strings.HasPrefix(v, "-I") && len(v) > 2:
			r.cmd.Watched = true
		case (v == "-MT" || v == "-MQ") && next != "":
			if err := r.dependency(match{Option: Option{Name: v, Effect: DepTarget}, value: next}); err != nil {
				return err
			}
			i++
		case v == "-MP", v == "-w", v == "-fopenmp":
		case strings.HasPrefix(v, "-D") && len(v) > 2:
			r.cmd.define(v[2:])
		case strings.HasPrefix(v, "-U") && len(v) > 2:
			r.cmd.FixedTime |= fixesTime(v[2:])
		default:
			return compiler.NotCacheable("unknown option: %s%s", option, optionName(v))
		}
	}
	return nil
}

// assembler takes in the values of -Wa and -Xassembler. The list is that of GNU
// as; what it does not name may write or read files.
func (r *reader) assembler(values []string) error {
	for i := 0; i < len(values); i++ {
		v := values[i]
		switch {
		case v == "" || pureAssembler(v):
		case v == "-I" || v == "--defsym" || v == "--debug-prefix-map":
			if i++; i == len(values) {
				return compiler.NotCacheable("option without its value: -Wa,%s", v)
			}
			if v == "-I" {
				r.cmd.AsDirs = append(r.cmd.AsDirs, values[i])
			}
		case strings.HasPrefix(v, "-I"):
			r.cmd.AsDirs = append(r.cmd.AsDirs, v[2:])
		case isListing(v):
			r.cmd.Localised = true
			if _, file, ok := strings.Cut(v, "="); ok {
				r.cmd.TextFiles = append(r.cmd.TextFiles, file)
			}
		default:
			return compiler.NotCacheable("unknown option: -Wa,%s", optionName(v))
		}
	}
	return nil
}

// isListing recognises -a and its letters. "g" prints the time of day.
func isListing(v string) bool {
	flags, _, _ := strings.Cut(v, "=")
	return strings.HasPrefix(flags, "-a") && strings.Trim(flags[2:], "cdhilmns") == ""
}

func pureAssembler(v string) bool {
	switch v {
	case "--noexecstack", "--execstack", "--warn", "--no-warn", "--fatal-warnings", "-W",
		"--gen-debug", "-g", "--gdwarf-2", "--gdwarf-3", "--gdwarf-4", "--gdwarf-5",
		"-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5", "--gstabs", "--gstabs+",
		"-L", "--keep-locals", "-J", "-K", "-R", "-n", "-f", "-q", "-s", "-D",
		"--32", "--64", "--x32", "-32", "-64", "--divide", "--alternate", "--nocompress-debug-sections",
		"--compress-debug-sections", "--reduce-memory-overheads", "--strip-local-absolute", "--sectname-subst",
		"-EL", "-EB", "-k":
		return true
	}
	for _, p := range []string{"--compress-debug-sections=", "--hash-size=", "--size-check=", "--listing-",
		"--elf-stt-common=", "--generate-missing-build-notes=", "--multibyte-handling=", "-m"} {
		if strings.HasPrefix(v, p) && !strings.Contains(v, "/") && !strings.Contains(v, "native") {
			return true
		}
	}
	return false
}
