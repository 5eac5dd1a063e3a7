package lifecycle

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// elsewhere prepares a source whose header is another one for who sees other.h in
// the place of h.h, and returns the two objects that there should be.
func (i *instance) elsewhere() (here, there string) {
	i.t.Helper()
	i.write("inc/h.h", "#define WHAT \"here\"\n")
	i.write("other.h", "#define WHAT \"elsewhere\"\n")
	i.write("x.c", "#include \"h.h\"\nconst char *what = WHAT;\n")
	for _, o := range []string{"here.o", "there.o"} {
		if r := i.run("gcc", "-Iinc", "-c", "x.c", "-o", o); r.code != 0 {
			i.t.Fatal(r.stderr)
		}
		i.write("inc/h.h", "#define WHAT \"elsewhere\"\n")
	}
	i.write("inc/h.h", "#define WHAT \"here\"\n")
	return i.read("here.o"), i.read("there.o")
}

// TestOtherNamespace: a caller in another mount namespace reaches the socket and
// finds another file under the same path.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	i := start(t)
	here, there := i.elsewhere()
	compile := i.wrapper() + " gcc -Iinc -c x.c -o x.o"
	i.ok("gcc", "-Iinc", "-c", "x.c", "-o", "x.o")
	for range 2 {
		r := i.run("unshare", "-m", "sh", "-c", "mount --bind other.h inc/h.h && "+compile)
		if r.code != 0 || r.stderr != "" {
			t.Errorf("status %d: %s", r.code, r.stderr)
		}
		if got := i.read("x.o"); got != there {
			t.Errorf("the object is not its own; it is ours: %v", got == here)
		}
		i.want(1, 0, func() { i.ok("gcc", "-Iinc", "-c", "x.c", "-o", "x.o") })
		if i.read("x.o") != here {
			t.Error("we get the object of another file system")
		}
	}
	if s := i.stats(); s.Declined["other file system"] != 2 {
		t.Errorf("declined: %v", s.Declined)
	}
	// With a socket directory of its own it has a coordinator of its own, and caches.
	i.must(os.Mkdir(i.dir+"/inner", 0o700))
	r := i.run("unshare", "-m", "sh", "-c", fmt.Sprintf(`mount --bind other.h inc/h.h && export XDG_RUNTIME_DIR=%[1]s/inner XDG_STATE_HOME=%[1]s/inner &&
		%[2]s && %[2]s && cp x.o inner.o && %[3]s --stop-coordinator | grep "Cache hits  *1"`, i.dir, compile, i.wrapper()))
	if r.code != 0 || i.read("inner.o") != there {
		t.Errorf("its own coordinator: status %d, right object %v\n%s%s", r.code, i.read("inner.o") == there, r.stdout, r.stderr)
	}
}

// TestOtherRoot: a caller whose root directory is another one. Where the new root
// is a mount of the old one, device and inode of both are the same.
func TestOtherRoot(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	for _, test := range []struct{ name, mount string }{
		{"a mount of the same", "mount --rbind / $root"},
		{"an overlay", "mount -t tmpfs none $dir/tmpfs && mkdir $dir/tmpfs/up $dir/tmpfs/work && " +
			"mount -t overlay -o lowerdir=/,upperdir=$dir/tmpfs/up,workdir=$dir/tmpfs/work none $root && mount --rbind /proc $root/proc && mount --bind $dir $root$dir && mount --rbind /dev $root/dev"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := start(t)
			here, there := i.elsewhere()
			i.mkdir("root")
			i.mkdir("tmpfs")
			// All in one namespace, so that the roots alone differ.
			script := strings.NewReplacer("$dir", i.dir, "$root", i.dir+"/root", "$work", i.work, "$cachepot", i.wrapper()).Replace(`set -e
				mount --make-rprivate /
				$cachepot gcc -Iinc -c x.c -o x.o
				` + test.mount + `
				mount --bind $work/other.h $root$work/inc/h.h
				inner="chroot $root sh -c"
				$inner 'cd $work && $cachepot gcc -Iinc -c x.c -o x.o && cp x.o inner.o'  # known outside
				$inner 'cd $work && $cachepot gcc -Iinc -c x.c -o new.o'                  # not known outside
				$inner 'cd $work && $cachepot gcc -Iinc -c x.c -o new.o && cp new.o inner-new.o'
				$cachepot gcc -Iinc -c x.c -o new.o
				$cachepot gcc -Iinc -c x.c -o x.o`)
			r := i.run("unshare", "-m", "sh", "-c", script)
			if r.code != 0 || r.stderr != "" {
				t.Fatalf("status %d: %s", r.code, r.stderr)
			}
			for o, want := range map[string]string{"inner.o": there, "inner-new.o": there, "new.o": here, "x.o": here} {
				if i.read(o) != want {
					t.Errorf("%s is of the wrong file system", o)
				}
			}
		})
	}
}
