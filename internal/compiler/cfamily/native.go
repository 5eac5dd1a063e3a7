package cfamily

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// cpuVariable holds, in the environment of a call that asks for the machine's own
// CPU, what its driver takes that to be. Compilers do not read it: it is there for
// the key, so that another CPU makes another action.
const cpuVariable = "CACHEPOT_NATIVE"

// withCPU adds cpuVariable to env where a call needs it. The driver resolves what
// it is asked for before it runs the compiler proper, and -### shows the result:
// names, features and cache sizes.
func withCPU(call *compiler.Call, cmd *Command, env []string) ([]string, error) {
	if !cmd.Native {
		return env, nil
	}
	if hybrid("/sys/devices") {
		return nil, compiler.NotCacheable("native code for a CPU with several kinds of cores")
	}
	args := append(slices.Clone(cmd.Probe), "-###", "-E", "-x", "c", "/dev/null")
	stdout, stderr, err := call.Probe(args, append(slices.Clone(env), "LC_ALL=C"))
	if err != nil || len(stdout)+len(stderr) == 0 {
		return nil, compiler.NotCacheable("meaning of -march=native unknown")
	}
	resolved := digest.Of(slices.Concat(stdout, []byte{0}, stderr))
	env = append(slices.Clone(env), cpuVariable+"="+resolved.Hex())
	slices.Sort(env)
	return env, nil
}

// hybrid reports whether the kernel, whose devices are shown below dir, runs cores
// of several kinds on x86. Drivers ask the core they happen to run on, so that two
// runs may mean two things there.
func hybrid(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cpu_atom"))
	return err == nil
}
