package config

// Worker is what a worker runs by: its file, and its part of the environment.
type Worker struct {
	File string
	Process
	CacheDir           string
	ToolchainCacheSize Size
	PublicAddr         Address // where clients reach it, and where it listens
	SchedulerURL       string  // http or https; "" where clients know the worker by themselves
	SchedulerCA        string  // file of certificates in PEM; "" is the system's
	SchedulerAuth      *Auth   // AuthJWTToken, AuthToken or AuthInsecure; nil without scheduler
	ClientAuth         *Auth   // of clients that come without a scheduler; nil: there are none
	Builder            Builder
	TLS                *KeyPair // nil: the worker makes a key of its own
}

// Builder is how a worker keeps its jobs from doing harm.
type Builder struct {
	Type      BuilderType
	BuildDir  string
	BwrapPath string
	Base      string // directory of the worker's own system that foreign clients see; "" for none
	Slots     int    // jobs at a time; 0: one for each CPU
}

// BuilderType is a kind of sandbox.
type BuilderType string

// The kinds of sandbox.
const BuilderOverlay BuilderType = "overlay"

// LoadWorker reads the file of a worker. The error is an *Error, or wraps several.
func LoadWorker(path string, env []string, host Host) (*Worker, error) {
	l, process := loadServer(path, env, host, workerSettings())
	w := &l.servers.worker
	l.needsSection("builder")
	_, toScheduler := l.set[l.schema.keys["scheduler_url"]]
	switch at, given := l.sections["scheduler_auth"]; {
	case toScheduler && !given:
		l.needsSection("scheduler_auth")
	case given && !toScheduler:
		l.problem(at.error("goes with scheduler_url only"))
	case given:
		l.checkToken("scheduler_auth", w.SchedulerAuth.Type, AuthJWTToken, AuthToken)
	}
	if w.ClientAuth != nil {
		l.checkToken("client_auth", w.ClientAuth.Type, AuthToken)
	}
	l.checkPair("tls", w.TLS)
	if _, err := l.result(); err != nil {
		return nil, err
	}
	w.File, w.Process = l.sections[""].file, process
	return w, nil
}

func workerSettings() []Setting {
	return []Setting{
		{Key: "cache_dir", Kind: KindPath, Required: true,
			Doc:   "Directory of toolchains, other inputs and results.",
			field: func(t target) any { return &t.servers.worker.CacheDir }},
		{Key: "toolchain_cache_size", Kind: KindSize, Default: "10G",
			Doc:   "How much of them is kept.",
			field: func(t target) any { return &t.servers.worker.ToolchainCacheSize }},
		{Key: "public_addr", Kind: KindAddress, Required: true,
			Doc:   "Where clients reach the worker, which listens there.",
			field: func(t target) any { return &t.servers.worker.PublicAddr }},
		{Key: "scheduler_url", Kind: KindURL, Choices: "http https",
			Doc:   "Where the scheduler is.",
			field: func(t target) any { return &t.servers.worker.SchedulerURL }},
		{Key: "scheduler_ca", Kind: KindPath,
			Doc:   "File with the certificates, in PEM, that a scheduler of `https://` is believed by in place of the system's.",
			field: func(t target) any { return &t.servers.worker.SchedulerCA }},
		{Key: "scheduler_auth.type", Kind: KindChoice, Choices: "jwt_token token DANGEROUSLY_INSECURE", Required: true,
			Doc:   "How the worker shows the scheduler who it is: `jwt_token` where the scheduler has `jwt_hs256`, else the same word as there.",
			field: func(t target) any { return &made(&t.servers.worker.SchedulerAuth).Type }},
		{Key: "scheduler_auth.token", Kind: KindSecret,
			Doc:   "The token: of type `jwt_token` it is what `cachepot-dist auth generate-jwt-hs256-worker-token` prints.",
			field: func(t target) any { return &made(&t.servers.worker.SchedulerAuth).Token }},
		{Key: "client_auth.type", Kind: KindChoice, Choices: "token DANGEROUSLY_INSECURE", Required: true,
			Doc:   "How clients that come without a scheduler, by `grpc://` or `grpcs://`, show who they are. Without the section there are none.",
			field: func(t target) any { return &made(&t.servers.worker.ClientAuth).Type }},
		{Key: "client_auth.token", Kind: KindSecret,
			Doc:   "The token of type `token`.",
			field: func(t target) any { return &made(&t.servers.worker.ClientAuth).Token }},
		{Key: "builder.type", Kind: KindChoice, Choices: "overlay", Required: true,
			Doc:   "The kind of sandbox.",
			field: func(t target) any { return &t.servers.worker.Builder.Type }},
		{Key: "builder.build_dir", Kind: KindPath, Required: true,
			Doc:   "Directory below which sandboxes are made.",
			field: func(t target) any { return &t.servers.worker.Builder.BuildDir }},
		{Key: "builder.bwrap_path", Kind: KindPath, Default: "/usr/bin/bwrap",
			Doc:   "The program of bubblewrap.",
			field: func(t target) any { return &t.servers.worker.Builder.BwrapPath }},
		{Key: "builder.base", Kind: KindPath,
			Doc:   "Directory of the worker's own system, like `/usr`, for clients whose actions do not bring all that they use.",
			field: func(t target) any { return &t.servers.worker.Builder.Base }},
		{Key: "builder.slots", Kind: KindCount, Min: 1, Max: 4096, Computed: "one for each CPU",
			Doc:   "How many jobs run at a time.",
			field: func(t target) any { return &t.servers.worker.Builder.Slots }},
		{Key: "tls.certificate", Kind: KindPath,
			Doc:   "File with the worker's certificate, in PEM. Without one the worker makes its own.",
			field: func(t target) any { return &made(&t.servers.worker.TLS).Certificate }},
		{Key: "tls.key", Kind: KindPath,
			Doc:   "File with the key of that certificate, in PEM.",
			field: func(t target) any { return &made(&t.servers.worker.TLS).Key }},
	}
}
