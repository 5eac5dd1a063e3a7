package config

import (
	"net"
	"net/url"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
)

// Config is what one coordinator runs by. Load makes it, complete and valid;
// nobody changes it afterwards, so it may be shared between goroutines.
type Config struct {
	File     string        // configuration file that was read or is named by CACHEPOT_CONF; "" without one
	Identity digest.Digest // what Identity returns for the environment and the file as they were read
	Warnings []string      // one line each: things that were ignored

	Coordinator Coordinator
	Log         string // filter of internal/logging; "" is its default

	StateDir   string // statistics and other small state of this user
	CachedConf string // file of tokens that --dist-auth obtained
	RuntimeDir string // directory of the sockets; "" on Windows

	Disk  Disk
	Paths Paths
	Rust  Variables // [rust.environment]
	// The rest is nil where it is not configured.
	S3        *S3
	Redis     *Redis
	Memcached *Memcached
	GCS       *GCS
	Azure     *Azure
	Dist      *Dist

	rustLog string
	needs   []Need
}

// Coordinator is how the process itself behaves.
type Coordinator struct {
	Port           string        // names the instance; as rendezvous.Port returns it
	IdleTimeout    time.Duration // exit after this long without a request; 0 is never
	StartupNotify  string        // socket that is told when the coordinator serves; "" for none
	MaxFrame       Size          // longest frame that is sent or accepted
	Foreground     bool          // CACHEPOT_NO_DAEMON
	AllowCoreDumps bool
}

// Variables are names of variables, or "*" after the beginning of names, by the
// class that they are put in.
type Variables struct{ Keyed, Removed, Plumbing []string }

// Disk is the local disk tier.
type Disk struct {
	Dir     string // absolute
	Size    Size   // bytes that are kept at most; 0 keeps nothing
	Restore Restore
}

// Restore is how an output gets from the disk tier to its place. Where the file
// system can't do what is asked, the output is copied.
type Restore string

// The ways to restore.
const (
	RestoreCopy     Restore = "copy"
	RestoreReflink  Restore = "reflink"  // shares blocks until one side is written
	RestoreHardLink Restore = "hardlink" // shares the file itself
)

// Paths is what is made of the places of projects.
type Paths struct {
	Mode       PathsMode
	FileMacros FileMacros
	Roots      []Root
}

// Root is a directory that has a name for everybody, wherever it lies.
type Root struct{ Name, Dir string }

// PathsMode says whether the same source in another place is a hit.
type PathsMode string

// The modes.
const (
	PathsRelocatable PathsMode = "relocatable" // it is, and debug information has names for the places
	PathsExact       PathsMode = "exact"       // it is not, and all bytes are the bare compiler's
)

// FileMacros says what sources of C and C++ that are shared between places get for their
// own names.
type FileMacros string

// The ways.
const (
	FileMacrosKeep FileMacros = "keep" // the path that the compiler was given; with a project in it the call is not shared
	FileMacrosMap  FileMacros = "map"  // the name that debug information has for it
)

// S3 is a bucket of a service that speaks the S3 protocol.
type S3 struct {
	Bucket   string
	Endpoint string // as configured, with or without a scheme; "" is Amazon's
	Region   string
	UseSSL   bool
}

// Host returns where the bucket is found: the endpoint, or Amazon's name for a
// bucket of the region.
func (s *S3) Host() string {
	if s.Endpoint != "" {
		return s.Endpoint
	}
	return s.Bucket + ".s3-" + s.Region + ".amazonaws.com"
}

// Redis is a Redis server.
type Redis struct{ URL Secret }

// Memcached is a memcached server.
type Memcached struct{ URL Secret }

// Azure is a container of Azure Blob Storage.
type Azure struct{ ConnectionString Secret }

// GCS is a bucket of Google Cloud Storage.
type GCS struct {
	Bucket         string
	CredentialsURL Secret // where short-lived credentials are fetched; may hold a token
	KeyPath        string // file with a service account's key
	Mode           GCSMode
}

// GCSMode says whether the bucket is written to.
type GCSMode string

// The modes.
const (
	GCSReadOnly  GCSMode = "READ_ONLY"
	GCSReadWrite GCSMode = "READ_WRITE"
)

// Dist is distributed compilation. SchedulerURL is empty where only toolchains
// are configured; nothing is distributed then.
type Dist struct {
	SchedulerURL       string // http, https, grpc or grpcs, without user and password
	Toolchains         []Toolchain
	ToolchainCacheSize Size
	CacheDir           string
	Auth               *Auth
	Fallback           Fallback
	// The rest is for Remote Execution services.
	Trust      Trust
	OnlyLookUp bool // with TrustEngine alone
	Instance   string
	Headers    []Secret // each "name:value", the name in lower case
	Properties []string // each "name=value"
	TLS        *TLS     // with grpcs alone
}

// Fallback says what becomes of a call that could run remotely and did not.
type Fallback string

// The ways to fall back.
const (
	FallbackLocal Fallback = "local" // it runs here
	FallbackFail  Fallback = "fail"  // it fails
)

// Trust says whose earlier results are taken.
type Trust string

// Who may be trusted.
const (
	TrustNobody Trust = "nobody"
	TrustEngine Trust = "engine" // the service, with all that is in its cache
)

// TLS is how a service and the client prove who they are: files in PEM. What is
// empty is the system's, or nothing.
type TLS struct{ CA, Certificate, Key string }

// Remote returns the host and port of the Remote Execution service that
// SchedulerURL names, and whether it is spoken to over TLS; "" where it is none.
func (d *Dist) Remote() (address string, secure bool) {
	u, err := url.Parse(d.SchedulerURL)
	if err != nil || u.Scheme != "grpc" && u.Scheme != "grpcs" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"grpc": "80", "grpcs": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port), u.Scheme == "grpcs"
}

// Toolchain replaces the packaging of one compiler by a ready archive.
type Toolchain struct {
	Type                      string // ToolchainOverride or ToolchainNoDist
	CompilerExecutable        string // path on this machine that selects the entry
	Archive                   string // compressed tar archive on this machine
	ArchiveCompilerExecutable string // slash-separated absolute path inside the archive
}

// The types of toolchains.
const (
	ToolchainOverride = "path_override" // Archive is what runs elsewhere
	ToolchainNoDist   = "no_dist"       // nothing runs elsewhere
)

// Auth is how the client shows the scheduler who it is.
type Auth struct {
	Type  AuthType
	Token Secret // with AuthToken
}

// AuthType selects how a client authenticates.
type AuthType string

// The ways to authenticate.
const (
	AuthToken   AuthType = "token"
	AuthMozilla AuthType = "mozilla"
)

// Call is what the environment of one compile asks for.
type Call struct {
	Recache bool // compile, and replace what is stored
	NoCache bool // compile, and neither look up nor store
}
