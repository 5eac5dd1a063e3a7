package config

import (
	"net/url"
	"slices"
	"strings"
)

// Need is a feature that the configuration asks for and that a build may lack.
type Need struct {
	Feature string // "s3", "redis", "memcached", "gcs", "azure", "dist" or "mozilla"
	at      origin
}

// Needs returns the features that the configuration asks for: shared tiers in
// the order in which they are asked, then "dist".
func (c *Config) Needs() []Need { return slices.Clone(c.needs) }

// Require returns an error that names the place of the first thing configured
// which is not among the features that this build has: to go on without it
// would hide from the user that nothing is shared.
func (c *Config) Require(built ...string) error {
	for _, n := range c.needs {
		if !slices.Contains(built, n.Feature) {
			return n.at.error("asks for " + n.Feature + ", which this build does not have; allowed: " +
				strings.Join(append([]string{"disk"}, built...), ", "))
		}
	}
	return nil
}

// defaults fills in what the user left out, and misses what may not be left out.
func (l *loader) defaults() {
	for i := range l.schema.settings {
		s := &l.schema.settings[i]
		_, given := l.set[s]
		at, configured := l.sections[s.section()]
		always := s.section() == "" || s.section() == "cache.disk" || s.section() == "paths"
		switch {
		case given || s.Scope == ScopeCall || s.section() == toolchainSection || !configured && !always:
		case s.Required:
			l.problem(at.error(needs(s)))
		case s.Default != "":
			v := value{text: s.Default, form: formVariable, host: l.host}
			if problem := s.assign(l.target(), v); problem != "" {
				panic("config: default of " + s.Key + s.Env + " " + problem)
			}
		}
	}
}

func needs(s *Setting) string {
	text := "needs " + display(s.Key)
	if s.Env != "" {
		text += " (" + s.Env + ")"
	}
	return text + " too"
}

// places fills in the directories that the user left out. homeErr says why p is
// not complete.
func (l *loader) places(p places, homeErr error) {
	c := l.config
	c.StateDir = p.state
	fill := func(dir *string, place, key string) {
		_, given := l.set[l.schema.keys[key]]
		if given || *dir != "" {
			return
		}
		if place == "" {
			l.problem(&Error{Key: display(key), Text: "has no default: " + homeErr.Error()})
		}
		*dir = place
	}
	fill(&c.Disk.Dir, p.cache, "cache.disk.dir")
	if c.Dist != nil {
		fill(&c.Dist.CacheDir, p.distCache, "dist.cache_dir")
	}
	if c.StateDir == "" {
		l.problem(&Error{Text: "no place for statistics: " + homeErr.Error()})
		return
	}
	if _, given := l.set[l.schema.variables["CACHEPOT_CACHED_CONF"]]; !given {
		separator := "/"
		if l.host.GOOS == windows {
			separator = `\`
		}
		c.CachedConf = c.StateDir + separator + "cached-config"
	}
}

// expandHome puts the home directory in the place of "~" in toolchains.
func (l *loader) expandHome(home string, homeErr error) {
	if l.config.Dist == nil {
		return
	}
	for i := range l.config.Dist.Toolchains {
		t := &l.config.Dist.Toolchains[i]
		for _, p := range []*string{&t.CompilerExecutable, &t.Archive} {
			below, ok := strings.CutPrefix(*p, "~")
			switch {
			case ok && home == "":
				l.problem(l.elements[i].at.error("names a place below ~: " + homeErr.Error()))
			case ok:
				*p = join(home, below)
			}
		}
	}
}

// check looks at what settings mean together.
func (l *loader) check() {
	c := l.config
	if c.Log == "" {
		c.Log = c.rustLog
	}
	c.rustLog = ""
	for _, e := range l.elements {
		for i := range l.schema.settings {
			s := &l.schema.settings[i]
			if s.section() == toolchainSection && s.Required && !e.set[s] {
				l.problem(e.at.error(needs(s)))
			}
		}
	}
	l.checkToolchains()
	l.checkAuth()
	for _, feature := range []string{"s3", "redis", "memcached", "gcs", "azure"} {
		if at, ok := l.sections["cache."+feature]; ok {
			c.needs = append(c.needs, Need{feature, at})
		}
	}
	l.checkDist()
}

// checkToolchains looks at what goes with which type of toolchain.
func (l *loader) checkToolchains() {
	if l.config.Dist == nil {
		return
	}
	for i, e := range l.elements {
		override := l.config.Dist.Toolchains[i].Type == ToolchainOverride
		for _, key := range []string{".archive", ".archive_compiler_executable"} {
			s := l.schema.keys[toolchainSection+key]
			if override && !e.set[s] {
				l.problem(e.at.error(needs(s)))
			} else if e.set[s] && l.config.Dist.Toolchains[i].Type == ToolchainNoDist {
				l.problem(e.at.error("of type no_dist has no " + display(s.Key)))
			}
		}
	}
}

// checkDist asks for the feature where a scheduler is meant, and looks at what goes
// with a Remote Execution service alone.
func (l *loader) checkDist() {
	at, ok := l.set[l.schema.keys["dist.scheduler_url"]]
	address, secure := "", false
	if ok && l.config.Dist != nil {
		if address, secure = l.config.Dist.Remote(); address == "" {
			l.config.needs = append(l.config.needs, Need{"dist", at})
			l.checkScheduler(at)
		}
	}
	if d := l.config.Dist; d != nil && d.OnlyLookUp && d.Trust != TrustEngine {
		l.problem(l.set[l.schema.keys["dist.only_look_up"]].error("goes with dist.trust of engine only"))
	}
	if l.config.Dist == nil || l.config.Dist.TLS == nil {
		return
	}
	t := l.config.Dist.TLS
	switch at := l.sections["dist.tls"]; {
	case !secure && !strings.HasPrefix(l.config.Dist.SchedulerURL, "https://"):
		l.problem(at.error("goes with a dist.scheduler_url of grpcs:// or https:// only"))
	case !secure && (t.Certificate != "" || t.Key != ""):
		l.problem(at.error("has a certificate, which goes with a dist.scheduler_url of grpcs:// only"))
	case (t.Certificate == "") != (t.Key == ""):
		l.problem(at.error("needs both dist.tls.certificate and dist.tls.key, or neither"))
	}
}

// checkScheduler looks at what goes with no scheduler of ours.
func (l *loader) checkScheduler(at origin) {
	d := l.config.Dist
	for key, given := range map[string]bool{"dist.trust": d.Trust == TrustEngine, "dist.only_look_up": d.OnlyLookUp, "dist.instance": d.Instance != "",
		"dist.headers": len(d.Headers) > 0, "dist.properties": len(d.Properties) > 0} {
		if given {
			l.problem(l.set[l.schema.keys[key]].error("goes with a dist.scheduler_url of grpc:// or grpcs:// only"))
		}
	}
	if u, err := url.Parse(l.config.Dist.SchedulerURL); err == nil && strings.Trim(u.Path, "/") != "" {
		l.problem(at.error(shown(u.String()) + " has a path; a scheduler lies at none"))
	}
}

func (l *loader) checkAuth() {
	if l.config.Dist == nil || l.config.Dist.Auth == nil {
		return
	}
	token, given := l.set[l.schema.keys["dist.auth.token"]]
	switch l.config.Dist.Auth.Type {
	case AuthToken:
		if !given {
			l.problem(l.sections["dist.auth"].error("of type token " + needs(l.schema.keys["dist.auth.token"])))
		}
	case AuthMozilla:
		l.config.needs = append(l.config.needs, Need{"mozilla", l.set[l.schema.keys["dist.auth.type"]]})
		if given {
			l.problem(token.error("goes with type token only"))
		}
	}
}
