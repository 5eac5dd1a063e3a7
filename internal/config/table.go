package config

// maxSeconds is what still fits a time.Duration a few times over: 68 years.
const maxSeconds = 1<<31 - 1

const (
	confVariable   = "CACHEPOT_CONF"
	variablePrefix = "CACHEPOT_"
)

const toolchainSection = "dist.toolchains[]"

func distSettings() []Setting {
	return []Setting{
		{Key: "dist.scheduler_url", Kind: KindURL, Choices: "http https grpc grpcs",
			Doc:   "Where the scheduler is, or with `grpc://` and `grpcs://` a Remote Execution service. `host:port` alone means `http://`.",
			field: func(t target) any { return &t.dist().SchedulerURL }},
		{Key: "dist.fallback", Env: "CACHEPOT_DIST_FALLBACK", Kind: KindChoice, Choices: "local fail", Default: "local",
			Doc:   "What becomes of a compile that could run remotely and did not: it runs here, or fails.",
			field: func(t target) any { return &t.dist().Fallback }},
		{Key: "dist.trust", Kind: KindChoice, Choices: "nobody engine", Default: "nobody",
			Doc:   "Whose earlier results are taken: `engine` takes those that the Remote Execution service has in its own cache, whoever put them there.",
			field: func(t target) any { return &t.dist().Trust }},
		{Key: "dist.only_look_up", Kind: KindBool, Default: "false",
			Doc:   "Nothing is compiled by the Remote Execution service: misses are looked up in its own cache, and compiled here. Goes with `trust = \"engine\"`.",
			field: func(t target) any { return &t.dist().OnlyLookUp }},
		{Key: "dist.instance",
			Doc:   "Name of the instance of the Remote Execution service.",
			field: func(t target) any { return &t.dist().Instance }},
		{Key: "dist.headers", Kind: KindHeaders,
			Doc:   "Headers that every call to the Remote Execution service carries.",
			field: func(t target) any { return &t.dist().Headers }},
		{Key: "dist.properties", Kind: KindPairs,
			Doc:   "Platform properties that the Remote Execution service wants, in place of cachepot's own.",
			field: func(t target) any { return &t.dist().Properties }},
		{Key: "dist.tls.ca", Kind: KindPath,
			Doc:   "File with the certificates, in PEM, that `grpcs://` or `https://` trusts in place of the system's.",
			field: func(t target) any { return &t.tls().CA }},
		{Key: "dist.tls.certificate", Kind: KindPath,
			Doc:   "File with the client's own certificate, in PEM.",
			field: func(t target) any { return &t.tls().Certificate }},
		{Key: "dist.tls.key", Kind: KindPath,
			Doc:   "File with the key of that certificate, in PEM.",
			field: func(t target) any { return &t.tls().Key }},
		{Key: "dist.toolchain_cache_size", Kind: KindSize, Default: "10G",
			Doc:   "Maximum size of the client's cache of packaged toolchains.",
			field: func(t target) any { return &t.dist().ToolchainCacheSize }},
		{Key: "dist.cache_dir", Kind: KindPath, Computed: "`~/.cache/cachepot-dist-client` on Linux",
			Doc:   "Directory of the client's cache of packaged toolchains.",
			field: func(t target) any { return &t.dist().CacheDir }},
		{Key: "dist.auth.type", Kind: KindChoice, Choices: "token mozilla", Required: true,
			Doc:   "How the client shows the scheduler who it is.",
			field: func(t target) any { return &t.auth().Type }},
		{Key: "dist.auth.token", Kind: KindSecret,
			Doc:   "The token of type `token`.",
			field: func(t target) any { return &t.auth().Token }},
		{Key: toolchainSection + ".type", Kind: KindChoice, Choices: "path_override no_dist", Required: true,
			Doc:   "What the entry does: another toolchain runs elsewhere, or nothing does.",
			field: func(t target) any { return &t.toolchain().Type }},
		{Key: toolchainSection + ".compiler_executable", Kind: KindHomePath, Required: true,
			Doc:   "The compiler that the entry is for.",
			field: func(t target) any { return &t.toolchain().CompilerExecutable }},
		{Key: toolchainSection + ".archive", Kind: KindHomePath,
			Doc:   "With `path_override`: the tar archive that is sent in place of that compiler.",
			field: func(t target) any { return &t.toolchain().Archive }},
		{Key: toolchainSection + ".archive_compiler_executable", Kind: KindInnerPath,
			Doc:   "With `path_override`: the compiler's path inside the archive.",
			field: func(t target) any { return &t.toolchain().ArchiveCompilerExecutable }},
	}
}

func diskSettings() []Setting {
	return []Setting{
		{Key: "cache.disk.dir", Env: "CACHEPOT_DIR", Kind: KindPath, Computed: "`~/.cache/cachepot` on Linux",
			Doc:   "Directory of the local disk cache.",
			field: func(t target) any { return &t.config.Disk.Dir }},
		{Key: "cache.disk.size", Env: "CACHEPOT_CACHE_SIZE", Kind: KindSize, Default: "10G",
			Doc:   "Maximum size of the local disk cache; 0 keeps nothing.",
			field: func(t target) any { return &t.config.Disk.Size }},
		{Key: "cache.disk.restore", Kind: KindChoice, Choices: "copy reflink hardlink", Default: "reflink",
			Doc:   "How outputs come out of the cache. What the file system can't do is copied.",
			field: func(t target) any { return &t.config.Disk.Restore }},
	}
}

func pathSettings() []Setting {
	return []Setting{
		{Key: "paths.mode", Env: "CACHEPOT_PATHS_MODE", Kind: KindChoice, Choices: "relocatable exact", Default: "relocatable",
			Doc:   "`relocatable`: the same source in [another directory](places.md) is a hit. `exact`: every byte is the bare compiler's, names of directories included.",
			field: func(t target) any { return &t.config.Paths.Mode }},
		{Key: "paths.file_macros", Env: "CACHEPOT_PATHS_FILE_MACROS", Kind: KindChoice, Choices: "keep map", Default: "keep",
			Doc:   "What `__FILE__` and the like give where calls are relocatable: the path that the compiler was given, or [the name](places.md) that debug information has for it.",
			field: func(t target) any { return &t.config.Paths.FileMacros }},
		{Key: "paths.roots", Env: "CACHEPOT_PATHS_ROOTS", Kind: KindRoots,
			Doc:   "Further directories that may lie [anywhere](places.md), each with the name by which everybody's is known.",
			field: func(t target) any { return &t.config.Paths.Roots }},
	}
}

func sharedSettings() []Setting {
	return []Setting{
		{Key: "cache.s3.bucket", Env: "CACHEPOT_BUCKET", Required: true,
			Doc:   "S3 bucket.",
			field: func(t target) any { return &t.s3().Bucket }},
		{Key: "cache.s3.endpoint", Env: "CACHEPOT_ENDPOINT", Computed: "`<bucket>.s3-<region>.amazonaws.com`",
			Doc:   "Host of the S3 service.",
			field: func(t target) any { return &t.s3().Endpoint }},
		{Key: "cache.s3.region", Env: "CACHEPOT_REGION", Default: "us-east-1",
			Doc:   "Region of the S3 bucket.",
			field: func(t target) any { return &t.s3().Region }},
		{Key: "cache.s3.use_ssl", Env: "CACHEPOT_S3_USE_SSL", Kind: KindBool, Default: "true",
			Doc:   "Whether the S3 service is spoken to over TLS.",
			field: func(t target) any { return &t.s3().UseSSL }},
		{Key: "cache.redis.url", Env: "CACHEPOT_REDIS", Kind: KindSecretURL, Choices: "redis rediss unix", Required: true,
			Doc:   "Redis server, with user, password and database: `redis://user:passwd@1.2.3.4:6379/1`.",
			field: func(t target) any { return &t.redis().URL }},
		{Key: "cache.memcached.url", Env: "CACHEPOT_MEMCACHED", Kind: KindSecret, Required: true,
			Doc:   "Memcached server.",
			field: func(t target) any { return &t.memcached().URL }},
		{Key: "cache.gcs.bucket", Env: "CACHEPOT_GCS_BUCKET", Required: true,
			Doc:   "Google Cloud Storage bucket.",
			field: func(t target) any { return &t.gcs().Bucket }},
		{Key: "cache.gcs.url", Env: "CACHEPOT_GCS_CREDENTIALS_URL", Kind: KindSecret,
			Doc:   "Where credentials for the bucket are fetched.",
			field: func(t target) any { return &t.gcs().CredentialsURL }},
		{Key: "cache.gcs.cred_path", Env: "CACHEPOT_GCS_KEY_PATH", Kind: KindPath,
			Doc:   "File with the key of a service account.",
			field: func(t target) any { return &t.gcs().KeyPath }},
		{Key: "cache.gcs.rw_mode", Env: "CACHEPOT_GCS_RW_MODE", Kind: KindChoice,
			Choices: "READ_ONLY READ_WRITE", Default: "READ_ONLY",
			Doc:   "Whether the bucket is written to.",
			field: func(t target) any { return &t.gcs().Mode }},
		{Key: "cache.azure.connection_string", Env: "CACHEPOT_AZURE_CONNECTION_STRING", Kind: KindSecret, Required: true,
			Doc:   "Connection string of an Azure storage account.",
			field: func(t target) any { return &t.azure().ConnectionString }},
	}
}

// variableSettings are those of the user. A project may have some of them.
func variableSettings() []Setting {
	return append(projectSettings(), Setting{Key: "rust.environment.plumbing", Kind: KindNames,
		Doc:   "Variables that linkers and macros see and that are not in the key: your word that no output depends on them.",
		field: func(t target) any { return &t.config.Rust.Plumbing }})
}

// projectSettings are what a project's own file may hold. Whatever stands there, no
// entry can be wrong: it is a stranger's word where the sources are a stranger's.
func projectSettings() []Setting {
	return []Setting{
		{Key: "rust.environment.keyed", Kind: KindNames,
			Doc:   "Variables that linkers and macros see, with their values in the key, though they are [removed](environment.md) otherwise.",
			field: func(t target) any { return &t.config.Rust.Keyed }},
		{Key: "rust.environment.removed", Kind: KindNames,
			Doc:   "Variables that linkers and macros do not see unless the build [names them](environment.md).",
			field: func(t target) any { return &t.config.Rust.Removed }},
	}
}

func processSettings() []Setting {
	return []Setting{
		{Env: confVariable, Kind: KindPath, Computed: "`~/.config/cachepot/config` on Linux",
			Doc:   "The configuration file. Unlike the one in the usual place it must exist.",
			field: func(t target) any { return &t.config.File }},
		{Env: "CACHEPOT_CACHED_CONF", Kind: KindPath, Computed: "`~/.local/state/cachepot/cached-config` on Linux",
			Doc:   "The file that keeps tokens obtained with `--dist-auth`.",
			field: func(t target) any { return &t.config.CachedConf }},
		{Env: "CACHEPOT_COORDINATOR_PORT", Kind: KindPort, Scope: ScopeStart, Default: "4226",
			Doc:   "Names the coordinator: callers with another number have another coordinator.",
			field: func(t target) any { return &t.config.Coordinator.Port }},
		{Env: "CACHEPOT_IDLE_TIMEOUT", Kind: KindSeconds, Scope: ScopeStart, Default: "600", Max: maxSeconds,
			Doc:   "Seconds without a request after which the coordinator exits; 0 is never.",
			field: func(t target) any { return &t.config.Coordinator.IdleTimeout }},
		{Env: "CACHEPOT_STARTUP_NOTIFY", Kind: KindPath, Scope: ScopeStart,
			Doc:   "Socket that is told when the coordinator is ready.",
			field: func(t target) any { return &t.config.Coordinator.StartupNotify }},
		// A frame holds a whole environment and command line, for which Linux allows
		// 6 MiB at most, or what a compiler printed.
		{Env: "CACHEPOT_MAX_FRAME_LENGTH", Kind: KindSize, Scope: ScopeStart, Default: "16M", Min: 64 << 10, Max: 1 << 30,
			Doc:   "Longest message between a caller and the coordinator.",
			field: func(t target) any { return &t.config.Coordinator.MaxFrame }},
		{Env: "CACHEPOT_NO_DAEMON", Kind: KindBool, Scope: ScopeStart, Default: "false",
			Doc:   "Keeps the coordinator in the foreground.",
			field: func(t target) any { return &t.config.Coordinator.Foreground }},
		{Env: "CACHEPOT_ALLOW_CORE_DUMPS", Kind: KindBool, Scope: ScopeStart, Default: "false",
			Doc:   "Lets the coordinator dump core, which may hold secrets.",
			field: func(t target) any { return &t.config.Coordinator.AllowCoreDumps }},
		{Env: "CACHEPOT_LOG", Scope: ScopeStart, Computed: "`$RUST_LOG`",
			Doc:   "What is logged: `debug`, or `warn,cachepot::coordinator=trace`.",
			field: func(t target) any { return &t.config.Log }},
		{Env: "RUST_LOG", Scope: ScopeStart,
			Doc:   "The same, where `CACHEPOT_LOG` is not set.",
			field: func(t target) any { return &t.config.rustLog }},
		{Env: "CACHEPOT_RECACHE", Kind: KindBool, Scope: ScopeCall, Default: "false",
			Doc:   "Compiles even what is cached, and stores it anew.",
			field: func(t target) any { return &t.call.Recache }},
		{Env: "CACHEPOT_NO_CACHE", Kind: KindBool, Scope: ScopeCall, Default: "false",
			Doc:   "Neither looks up nor stores.",
			field: func(t target) any { return &t.call.NoCache }},
	}
}
