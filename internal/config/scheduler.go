package config

// Scheduler is what a scheduler runs by: its file, and its part of the environment.
type Scheduler struct {
	File string
	Process
	PublicAddr Address // where it listens
	ClientAuth ClientAuth
	WorkerAuth WorkerAuth
	TLS        *KeyPair // nil: it listens in the clear
}

// ClientAuth is how clients show who they are.
type ClientAuth struct {
	Type           AuthType // AuthToken or AuthInsecure
	Token          Secret   // with AuthToken
	RequiredGroups []string // with AuthMozilla, which is not built
}

// WorkerAuth is how workers show a scheduler who they are.
type WorkerAuth struct {
	Type      AuthType // AuthJWT, AuthToken or AuthInsecure
	SecretKey Secret   // with AuthJWT
	Token     Secret   // with AuthToken
}

// LoadScheduler reads the file of a scheduler. The error is an *Error, or wraps several.
func LoadScheduler(path string, env []string, host Host) (*Scheduler, error) {
	l, process := loadServer(path, env, host, schedulerSettings())
	s := &l.servers.scheduler
	if at, ok := l.needsSection("client_auth"); ok {
		if s.ClientAuth.Type == AuthMozilla {
			l.problem(at.error("type mozilla is not built; allowed: token"))
		} else {
			l.checkToken("client_auth", s.ClientAuth.Type, AuthToken)
			if at, given := l.set[l.schema.keys["client_auth.required_groups"]]; given {
				l.problem(at.error("goes with type mozilla only, which is not built"))
			}
		}
	}
	if at, ok := l.needsSection("worker_auth"); ok {
		l.checkToken("worker_auth", s.WorkerAuth.Type, AuthToken)
		keyAt, given := l.set[l.schema.keys["worker_auth.secret_key"]]
		switch isJWT := s.WorkerAuth.Type == AuthJWT; {
		case isJWT && !given:
			l.problem(at.error("of type jwt_hs256 needs worker_auth.secret_key too"))
		case !isJWT && given:
			l.problem(keyAt.error("goes with type jwt_hs256 only"))
		}
	}
	l.checkPair("tls", s.TLS)
	l.checkExposure(s)
	if _, err := l.result(); err != nil {
		return nil, err
	}
	s.File, s.Process = l.sections[""].file, process
	return s, nil
}

// checkExposure refuses to be reached from other machines by what does not keep strangers
// out, or shows secrets to whoever listens in.
func (l *loader) checkExposure(s *Scheduler) {
	at, ok := l.set[l.schema.keys["public_addr"]]
	if !ok || s.PublicAddr.Host == "" {
		return
	}
	const instead = "listen on 127.0.0.1"
	switch loopback := s.PublicAddr.Loopback(); {
	case s.PublicAddr.Scheme == "https" && s.TLS == nil:
		l.problem(at.error("is https://, for which tls.certificate and tls.key are needed; with an HTTPS server in front, " + instead))
	case s.PublicAddr.Scheme == "http" && s.TLS != nil:
		l.problem(at.error("is http://, but there are tls.certificate and tls.key"))
	case !loopback && s.ClientAuth.Type == AuthInsecure:
		l.problem(at.error("can be reached from other machines, and client_auth is DANGEROUSLY_INSECURE; " + instead + " or set a token"))
	case !loopback && s.WorkerAuth.Type == AuthInsecure:
		l.problem(at.error("can be reached from other machines, and worker_auth is DANGEROUSLY_INSECURE; " + instead + " or set a secret_key"))
	case !loopback && s.TLS == nil:
		l.problem(at.error("can be reached from other machines, so it needs tls.certificate and tls.key; with an HTTPS server in front, " + instead))
	}
}

func schedulerSettings() []Setting {
	return []Setting{
		{Key: "public_addr", Kind: KindAddress, Required: true,
			Doc:   "Where the scheduler listens. Beyond the loopback interface it needs `tls`.",
			field: func(t target) any { return &t.servers.scheduler.PublicAddr }},
		{Key: "client_auth.type", Kind: KindChoice, Choices: "token mozilla DANGEROUSLY_INSECURE", Required: true,
			Doc:   "How clients show who they are. `DANGEROUSLY_INSECURE`, not at all, goes with the loopback interface only; `mozilla` is not built.",
			field: func(t target) any { return &t.servers.scheduler.ClientAuth.Type }},
		{Key: "client_auth.token", Kind: KindSecret,
			Doc:   "The token of type `token`, the same as `dist.auth.token` of the clients.",
			field: func(t target) any { return &t.servers.scheduler.ClientAuth.Token }},
		{Key: "client_auth.required_groups", Kind: KindWords,
			Doc:   "For type `mozilla`, which is not built.",
			field: func(t target) any { return &t.servers.scheduler.ClientAuth.RequiredGroups }},
		{Key: "worker_auth.type", Kind: KindChoice, Choices: "jwt_hs256 token DANGEROUSLY_INSECURE", Required: true,
			Doc:   "How workers show who they are. `DANGEROUSLY_INSECURE`, not at all, goes with the loopback interface only.",
			field: func(t target) any { return &t.servers.scheduler.WorkerAuth.Type }},
		{Key: "worker_auth.secret_key", Kind: KindSecret,
			Doc:   "The key of type `jwt_hs256`, by which tokens of workers are made and checked: what `cachepot-dist auth generate-jwt-hs256-key` prints, or any other text, which should be hard to guess.",
			field: func(t target) any { return &t.servers.scheduler.WorkerAuth.SecretKey }},
		{Key: "worker_auth.token", Kind: KindSecret,
			Doc:   "The token of type `token`, which all workers share.",
			field: func(t target) any { return &t.servers.scheduler.WorkerAuth.Token }},
		{Key: "tls.certificate", Kind: KindPath,
			Doc:   "File with the scheduler's certificate, in PEM, and those that it needs to be believed.",
			field: func(t target) any { return &made(&t.servers.scheduler.TLS).Certificate }},
		{Key: "tls.key", Kind: KindPath,
			Doc:   "File with the key of that certificate, in PEM.",
			field: func(t target) any { return &made(&t.servers.scheduler.TLS).Key }},
	}
}
