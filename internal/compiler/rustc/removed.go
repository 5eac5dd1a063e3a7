package rustc

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
)

// Group is a row of the published table of removed variables.
type Group struct {
	What  string   // what the variables belong to
	Names []string // patterns, as in compiler.Variables
}

// Removed returns the variables that a run does not see in which anything may
// read variables, unless the build names them. They say where, when and by whom
// a build is started. What a build may rightly be made of (a commit, a branch, a
// version, a person) is not among them, nor what the compiler itself reads.
func Removed() []Group {
	return []Group{
		{"the shell", []string{"_", "SHLVL", "OLDPWD", "PS1", "PS2", "PS4", "PROMPT_COMMAND", "HISTFILE", "HISTSIZE", "HISTCONTROL",
			"LS_COLORS", "LSCOLORS", "LESSOPEN", "LESSCLOSE", "HOSTNAME", "SUDO_*"}},
		{"the session", []string{"SSH_*", "XDG_SESSION_*", "XDG_SEAT*", "XDG_VTNR", "XDG_RUNTIME_DIR", "XDG_CURRENT_DESKTOP",
			"DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO", "GPG_TTY", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID",
			"MANAGERPID", "WSL_INTEROP"}},
		{"the terminal", []string{"WINDOWID", "WINDOW", "LINES", "COLORFGBG", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TERM_SESSION_ID",
			"ITERM_SESSION_ID", "ITERM_PROFILE", "TMUX", "TMUX_PANE", "STY", "VTE_VERSION", "TILIX_ID", "GNOME_TERMINAL_SCREEN",
			"GNOME_TERMINAL_SERVICE", "KONSOLE_*", "ALACRITTY_*", "KITTY_*", "WEZTERM_*"}},
		{"the desktop", []string{"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "SESSION_MANAGER", "DESKTOP_SESSION",
			"DESKTOP_STARTUP_ID", "XDG_ACTIVATION_TOKEN", "WINDOWPATH", "GIO_LAUNCHED_DESKTOP_FILE*"}},
		{"the editor", []string{"VSCODE_*", "GIT_ASKPASS", "ELECTRON_RUN_AS_NODE", "CHROME_DESKTOP", "NVIM", "VIMRUNTIME", "INSIDE_EMACS"}},
		{"cargo alone", []string{"RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER",
			"CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_JOBS", "CARGO_INCREMENTAL", "CARGO_TERM_*", "CARGO_NET_*",
			"CARGO_HTTP_*", "CARGO_REGISTRY_TOKEN", "CARGO_REGISTRIES_*"}},
		{"cachepot", []string{"CACHEPOT_*"}},
		{"a run of GitHub Actions", []string{"GITHUB_RUN_ID", "GITHUB_RUN_NUMBER", "GITHUB_RUN_ATTEMPT", "GITHUB_ACTION", "GITHUB_JOB",
			"GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_EVENT_PATH", "GITHUB_TOKEN",
			"RUNNER_NAME", "RUNNER_TRACKING_ID", "ACTIONS_*"}},
		{"a job of GitLab", []string{"CI_JOB_ID", "CI_JOB_URL", "CI_JOB_TOKEN", "CI_JOB_JWT*", "CI_JOB_STARTED_AT", "CI_BUILD_ID",
			"CI_BUILD_TOKEN", "CI_PIPELINE_ID", "CI_PIPELINE_IID", "CI_PIPELINE_URL", "CI_PIPELINE_CREATED_AT", "CI_RUNNER_ID",
			"CI_RUNNER_DESCRIPTION", "CI_RUNNER_SHORT_TOKEN", "CI_CONCURRENT_ID", "CI_CONCURRENT_PROJECT_ID",
			"CI_REGISTRY_PASSWORD", "CI_DEPENDENCY_PROXY_PASSWORD", "CI_REPOSITORY_URL"}},
		{"a build of Jenkins", []string{"BUILD_NUMBER", "BUILD_ID", "BUILD_TAG", "BUILD_URL", "BUILD_DISPLAY_NAME", "RUN_DISPLAY_URL",
			"RUN_ARTIFACTS_DISPLAY_URL", "RUN_CHANGES_DISPLAY_URL", "RUN_TESTS_DISPLAY_URL", "EXECUTOR_NUMBER",
			"JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE", "HUDSON_COOKIE", "HUDSON_SERVER_COOKIE"}},
		{"a job of Buildkite", []string{"BUILDKITE_BUILD_ID", "BUILDKITE_BUILD_NUMBER", "BUILDKITE_BUILD_URL", "BUILDKITE_JOB_ID",
			"BUILDKITE_STEP_ID", "BUILDKITE_RETRY_COUNT", "BUILDKITE_AGENT_ID", "BUILDKITE_AGENT_NAME", "BUILDKITE_AGENT_PID",
			"BUILDKITE_AGENT_ACCESS_TOKEN"}},
		{"a job of CircleCI", []string{"CIRCLE_BUILD_NUM", "CIRCLE_BUILD_URL", "CIRCLE_PIPELINE_ID", "CIRCLE_WORKFLOW_ID",
			"CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_WORKFLOW_WORKSPACE_ID", "CIRCLE_OIDC_TOKEN*"}},
		{"a job of Azure Pipelines", []string{"BUILD_BUILDID", "BUILD_BUILDNUMBER", "BUILD_BUILDURI", "SYSTEM_JOBID", "SYSTEM_PLANID",
			"SYSTEM_TIMELINEID", "SYSTEM_TASKINSTANCEID", "SYSTEM_ACCESSTOKEN", "AGENT_ID", "AGENT_NAME"}},
		{"a job of Travis CI", []string{"TRAVIS_BUILD_ID", "TRAVIS_BUILD_NUMBER", "TRAVIS_BUILD_WEB_URL", "TRAVIS_JOB_ID",
			"TRAVIS_JOB_NUMBER", "TRAVIS_JOB_WEB_URL"}},
	}
}

// personal returns the variables that tell users apart. They are removed too where
// rustc loads no code of the build and known programs link.
func personal() []string {
	return []string{"HOME", "USER", "LOGNAME", "USERNAME", "MAIL", "SHELL", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN",
		"RUSTUP_TOOLCHAIN_SOURCE", "RUST_RECURSION_COUNT", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"}
}

// whose returns those that only tell who the user is, and are no directories in which
// anything lies. Where macros may read them they do not count once it has been seen
// that the macros do not care.
func whose() []string { return []string{"USER", "LOGNAME", "USERNAME", "MAIL", "SHELL"} }

// removedNames returns the same as Removed, as a set.
func removedNames() compiler.Names {
	var n compiler.Names
	for _, g := range Removed() {
		n.Add(g.Names...)
	}
	return n
}

// classes sorts the variables of a run in which anything may read them: a
// proc-macro inside rustc, a linker that is a script.
type classes struct {
	builtIn                  compiler.Names // removed; shared by all calls
	keyed, removed, plumbing compiler.Names
	terminal                 bool // variables of the terminal are removed too
	macros                   bool // of the variables whose, macros alone may read any
	// word is a variable that stands for what the user calls plumbing, "" where that
	// is nothing: a result is for those who give their word for the same.
	word string
}

// classesOf returns the classes for a call. Those of the user and of the project
// are asked for by where the call runs and where it writes: cargo compiles a crate
// of a registry in a directory of its own, for a project.
func (l *Language) classesOf(call *compiler.Call, c *command) (*classes, error) {
	var v compiler.Variables
	if call.Variables != nil {
		var err error
		if v, err = call.Variables([]string{call.Dir, under(c.dir, c.outDir)}); err != nil {
			return nil, err
		}
	}
	k := &classes{builtIn: l.removed, terminal: c.json} // JSON has the form that other arguments say
	k.removed.Add(v.Removed...)
	k.keyed.Add(v.Keyed...)
	k.plumbing.Add(v.Plumbing...)
	if len(v.Plumbing) > 0 {
		k.word = "CACHEPOT_PLUMBING=" + strings.Join(slices.Sorted(slices.Values(v.Plumbing)), " ")
	}
	if pwd, _ := call.Env.Lookup("PWD"); !respells(pwd, call.Dir) {
		k.removed.Add("PWD")
	}
	return k, nil
}

type class int

const (
	classKeyed class = iota
	classRemoved
	classPlumbing
)

// of returns the class of a variable. What the compiler reads is keyed, whatever
// the user says, and so is what anybody wants keyed.
func (k *classes) of(name string) class {
	switch {
	case slices.Contains(compiler.Plumbing(), name):
		return classPlumbing
	case k.keyed.Has(name), envClassOf(name) == envKeyed:
		return classKeyed
	case k.plumbing.Has(name):
		return classPlumbing
	case k.builtIn.Has(name), k.removed.Has(name), k.terminal && ofTerminal(name):
		return classRemoved
	}
	return classKeyed
}

// whose returns the variables that tell who the user is, if nothing but macros may read
// them and nobody has said what is to become of them.
func (k *classes) whose() []string {
	if k == nil || !k.macros {
		return nil
	}
	return slices.DeleteFunc(whose(), func(name string) bool { return k.of(name) != classKeyed || k.keyed.Has(name) })
}

// sought reports whether a build that names the variable is made of it, and none other is.
func (k *classes) sought(name string) bool {
	return k.of(name) == classRemoved || slices.Contains(k.whose(), name)
}

// reduce sorts env: such a run sees what the key holds and the plumbing, nothing
// else. All variables are keyed, for any may be the one that matters, but those
// that are removed.
func (k *classes) reduce(env compiler.Environ) (*environment, error) {
	e := &environment{}
	seen := map[string]bool{}
	for _, kv := range env {
		name := compiler.Name(kv)
		if seen[name] {
			continue
		}
		seen[name] = true
		if envClassOf(name) == envRefused {
			return nil, compiler.NotCacheable("%s is set", name)
		}
		switch k.of(name) {
		case classPlumbing:
			if k.plumbing.Has(name) {
				e.passed = append(e.passed, kv)
			}
		case classKeyed:
			e.keyed = append(e.keyed, kv)
		}
	}
	if k.word != "" {
		e.keyed = append(e.keyed, k.word)
	}
	sort.Strings(e.keyed)
	sort.Strings(e.passed)
	return e, nil
}

// respells reports whether pwd spells the working directory in another way. Else it
// says nothing: cargo leaves it at the directory of its own caller, which shells
// and compilers find out and ignore.
func respells(pwd, dir string) bool {
	if pwd == dir || !filepath.IsAbs(pwd) {
		return false
	}
	a, errA := os.Stat(pwd)
	b, errB := os.Stat(dir)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// variables returns those of names that are set.
func variables(env compiler.Environ, names []string) []string {
	var out []string
	for _, n := range names {
		if v, ok := env.Lookup(n); ok {
			out = append(out, n+"="+v)
		}
	}
	return out
}
