// Scenes for the tests of package watch: argv[1] names one, argv[2] is its
// argument. Each runs in a directory of its own with the files sub/a.h, in.h,
// link -> in.h, dangling -> nowhere, dir -> sub, script and tool (this program).
// A scene exits 0 when every call had the outcome that it has unwatched.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int ok, int line) {
	if (!ok) {
		dprintf(2, "line %d: %s\n", line, strerror(errno));
		exit(99);
	}
}
#define OK(e) check((e) >= 0, __LINE__)
#define FAILS(want, e) check((errno = 0, (e)) == -1 && errno == (want), __LINE__)

static char *arg;

static int put(const char *name, int flags) {
	int fd = open(name, O_WRONLY | O_CREAT | flags, 0666);
	OK(fd);
	OK(write(fd, "x\n", 2));
	return close(fd);
}

static int get(const char *name) {
	char b[4096];
	int fd = open(name, O_RDONLY);
	if (fd < 0)
		return -1;
	OK(read(fd, b, sizeof b));
	return close(fd);
}

static void opens(void) {
	OK(get("in.h"));
	OK(get("./in.h"));
	OK(get("in.h"));
	OK(get("link"));
	OK(get("dir/../in.h"));
	FAILS(ENOENT, get("nope"));
	FAILS(ENOENT, get("sub/../nope"));
	FAILS(ENOTDIR, get("in.h/x"));
	FAILS(ENOENT, get("dangling"));
	FAILS(ENOENT, get(""));
	FAILS(EFAULT, open((char *)8, O_RDONLY));
	FAILS(ENOTDIR, open("in.h", O_RDONLY | O_DIRECTORY));
	FAILS(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
	OK(open("in.h", O_PATH));
}

static void chdirs(void) {
	OK(chdir("sub"));
	OK(get("a.h"));
	int d = open("..", O_PATH | O_DIRECTORY);
	OK(fchdir(d));
	OK(get("in.h"));
	FAILS(ENOENT, chdir("nope"));
}

static void dirfds(void) {
	int d = open("dir", O_RDONLY | O_DIRECTORY);
	OK(d);
	OK(openat(d, "a.h", O_RDONLY));
	FAILS(ENOENT, openat(d, "nope", O_RDONLY));
	FAILS(EBADF, openat(77, "a.h", O_RDONLY));
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS};
	OK(syscall(SYS_openat2, d, "./a.h", &how, sizeof how));
	struct stat st;
	OK(fstatat(d, "../in.h", &st, 0));
	OK(fstat(d, &st));
}

static void stats(void) {
	struct stat st;
	struct statx stx;
	OK(stat("in.h", &st));
	OK(fstatat(AT_FDCWD, "sub", &st, 0));
	OK(lstat("dangling", &st));
	FAILS(ENOENT, stat("nope1", &st));
	OK(statx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_ALL, &stx));
	FAILS(ENOENT, statx(AT_FDCWD, "nope2", 0, STATX_ALL, &stx));
	OK(access("sub/a.h", R_OK));
	FAILS(ENOENT, access("nope3", F_OK));
	FAILS(ENOENT, faccessat(AT_FDCWD, "nope4", X_OK, AT_EACCESS));
}

static void links(void) {
	char b[256];
	OK(readlink("link", b, sizeof b));
	OK(readlinkat(AT_FDCWD, "dangling", b, sizeof b));
	FAILS(EINVAL, readlink("in.h", b, sizeof b));
	FAILS(ENOENT, readlink("nope", b, sizeof b));
}

static void resolves(void) {
	char p[4096];
	struct stat st;
	check(realpath("dir/a.h", p) == p, __LINE__);
	OK(stat(p, &st));
}

static void lists(void) {
	DIR *d = opendir("dir");
	while (readdir(d)) {
	}
	closedir(d);
	OK(open("sub", O_RDONLY | O_DIRECTORY)); // opened, not listed
}

static void owns(void) {
	struct stat st;
	OK(put("a.s", O_TRUNC));
	OK(get("a.s"));
	OK(get("./sub/../a.s"));
	OK(rename("a.s", "b.s"));
	OK(get("b.s"));
	FAILS(ENOENT, stat("a.s", &st));
	OK(link("b.s", "c.s"));
	OK(get("c.s"));
	OK(unlink("c.s"));
	OK(get("./b.s"));
	OK(mkdir("tmp", 0777));
	FAILS(ENOENT, stat("tmp/none", &st));
	OK(put("tmp/d.s", O_EXCL));
	OK(rename("tmp", "tmp2"));
	OK(get("tmp2/d.s"));
	OK(symlink("in.h", "ownlink"));
	char b[64];
	OK(readlink("ownlink", b, sizeof b));
	OK(unlink("in.h"));
	FAILS(ENOENT, get("in.h"));
}

// The existing file is rewritten, and then is the tree's own.
static void rewrites(void) {
	OK(put("in.h", O_TRUNC));
	OK(get("in.h"));
}

// Attempts that fail leave an input an input.
static void fails(void) {
	FAILS(ETXTBSY, open("tool", O_WRONLY | O_TRUNC));
	OK(get("tool"));
	FAILS(EEXIST, open("in.h", O_WRONLY | O_CREAT | O_EXCL, 0666));
	OK(get("in.h"));
	FAILS(EEXIST, open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0666));
	FAILS(EISDIR, open("sub", O_WRONLY));
	FAILS(ENOENT, open("none/x", O_WRONLY | O_CREAT, 0666));
	FAILS(ENOENT, get("none/x"));
	FAILS(EEXIST, mkdir("sub", 0777));
	OK(get("sub/a.h"));
	FAILS(ENOENT, unlink("nope"));
	FAILS(ENOENT, rename("nope2", "x"));
}

// What is kept of a file's content is read.
static void keeps(void) {
	OK(put("in.h", O_APPEND));
	OK(open("sub/a.h", O_RDWR));
	OK(rename("link", "in2"));
	OK(link("tool", "tool2"));
	OK(get("tool2"));
	OK(rename("script", "script2"));
	OK(get("script2"));
	OK(truncate("tool2", 0) < 0 && errno == ETXTBSY ? 0 : -1);
}

static void tmpfiles(void) {
	char name[64];
	int fd = open("sub", O_TMPFILE | O_RDWR, 0666);
	OK(fd);
	OK(write(fd, "x", 1));
	sprintf(name, "/proc/self/fd/%d", fd);
	OK(get(name));
	OK(linkat(AT_FDCWD, name, AT_FDCWD, "sub/named", AT_SYMLINK_FOLLOW));
	OK(get("sub/named"));
	fd = open("sub", O_TMPFILE | O_RDWR, 0666);
	if (linkat(fd, "", AT_FDCWD, "sub/named2", AT_EMPTY_PATH) == 0) // not for everybody
		OK(get("sub/named2"));
	else
		OK(put("sub/named2", 0) | get("sub/named2"));
	fd = memfd_create("scratch", 0);
	OK(write(fd, "x", 1));
	sprintf(name, "/dev/fd/%d", fd);
	OK(get(name));
	fd = open("in.h", O_RDONLY);
	sprintf(name, "/proc/self/fd/%d", fd);
	OK(get(name));
	sprintf(name, "/proc/self/fd/%d/a.h", open("sub", O_RDONLY));
	OK(get(name));
	OK(get("/proc/self/exe"));
	OK(get("/proc/self/cwd/link"));
}

// By names that are each process's own.
static void selves(void) {
	struct stat st;
	char name[64], b[64];
	OK(stat("/proc/self/cwd/in.h", &st));
	FAILS(ENOENT, stat("/proc/self/cwd/nope", &st));
	OK(readlink("/proc/thread-self/cwd/link", b, sizeof b));
	sprintf(name, "/proc/self/task/%ld/cwd/sub/a.h", syscall(SYS_gettid));
	OK(get(name));
	OK(put("/proc/self/cwd/made", O_EXCL));
	OK(get("made"));
	sprintf(name, "/dev/fd/%d/nope2", open("sub", O_RDONLY | O_DIRECTORY));
	FAILS(ENOENT, access(name, F_OK));
	OK(mkdir("/proc/self/cwd/new", 0777));
	FAILS(ENOENT, stat("new/x", &st));
	FAILS(ENOENT, stat("/dev/fd/77/x", &st));
}

static void boundary(void) {
	char *m = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(munmap(m + 2 * 4096, 4096));
	OK(get(strcpy(m + 4096 - 2, "in.h"))); // over the boundary of two pages
	OK(get(strcpy(m + 2 * 4096 - 8, "sub/a.h"))); // up to the last mapped byte
	memset(m, '/', 2 * 4096);
	FAILS(EFAULT, get(m + 2 * 4096 - 3)); // no end
}

// Paths of the greatest length: relative, then absolute (arg is the directory).
static void longest(void) {
	char p[4200] = "";
	while (strlen(p) + 2 <= 4095 - 4)
		strcat(p, "./");
	strcat(p, strlen(p) < 4095 - 4 ? "/in.h" : "in.h");
	check(strlen(p) == 4095, __LINE__);
	OK(get(p));
	strcat(p, "x");
	FAILS(ENAMETOOLONG, get(p));
	strcpy(p, arg);
	while (strlen(p) + 5 < 4095)
		strcat(p, "/");
	strcat(p, "/in.h");
	check(strlen(p) == 4095, __LINE__);
	OK(get(p));
}

static void *many(void *n) {
	char name[32];
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < 8; i++) {
			sprintf(name, "t%d.%d", (int)(long)n, i);
			if (round == 0)
				OK(put(name, O_EXCL));
			OK(get(name));
			sprintf(name, "n%d.%d", (int)(long)n, i);
			FAILS(ENOENT, get(name));
		}
	return 0;
}

static void threads(void) {
	pthread_t t[8];
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], 0, many, (void *)i);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], 0);
}

static void run(const char *file, int want) {
	int status;
	pid_t pid = vfork();
	if (!pid) {
		execl(file, "tool", "nothing", (char *)0);
		_exit(errno);
	}
	OK(waitpid(pid, &status, 0));
	check(WIFEXITED(status) && WEXITSTATUS(status) == want, __LINE__);
}

static void execs(void) {
	run("./tool", 0);
	run("./nope", ENOENT);
	run("script", 0);
	run("/proc/self/exe", 0);
	int status, fd = open("tool", O_PATH | O_CLOEXEC);
	if (!fork()) {
		char *argv[] = {"tool", "nothing", 0}, *env[] = {0};
		fexecve(fd, argv, env);
		_exit(1);
	}
	OK(wait(&status));
	check(status == 0, __LINE__);
}

static void nothing(void) {}

// Many processes that are gone at once, eight at a time.
static void swarm(void) {
	for (int i = 0; i < 400; i++) {
		if (!fork()) {
			char name[32];
			sprintf(name, "n%d", i);
			FAILS(ENOENT, get(name));
			_exit(0);
		}
		if (i >= 8)
			OK(wait(0));
	}
	while (wait(0) > 0) {
	}
}

static void noted(int sig) {}

// Signals arrive all the time, with a handler that restarts calls.
static void alarms(void) {
	struct sigaction a = {.sa_handler = noted, .sa_flags = SA_RESTART};
	struct itimerval t = {{0, 200}, {0, 200}};
	OK(sigaction(SIGALRM, &a, 0));
	OK(setitimer(ITIMER_REAL, &t, 0));
	for (int i = 0; i < 4000; i++)
		OK(get("in.h"));
}

// A call with arguments that it fails for.
static void calls(void) { syscall(atol(arg), -1L, 0L, 0L, 0L, 0L, 0L); }

// Another root or another set of mounts, where that is allowed.
static void unshared(void) {
	struct stat st;
	if (unshare(CLONE_NEWNS | CLONE_FS) < 0)
		OK(unshare(CLONE_FS));
	OK(stat("in.h", &st));
	OK(chdir("sub"));
	OK(stat("a.h", &st));
}

// Outlives its parent: waits for a byte on descriptor 3, then opens files, one
// of them for reading only if it could make the other.
static void daemonize(void) {
	char c;
	if (fork())
		return;
	setsid();
	OK(read(3, &c, 1));
	OK(get("in.h"));
	OK(put("late", O_EXCL));
	OK(get("late"));
	write(4, "k", 1);
}

// Another process makes files: one may get the inode of one that was removed, one
// has the path of one that could not be made. far leads to none/x.
static void reuses(void) {
	char c;
	OK(put("own", O_EXCL));
	OK(get("own"));
	OK(unlink("own"));
	FAILS(ENOENT, open("far", O_WRONLY | O_CREAT, 0666));
	FAILS(ENOENT, open("none/x", O_WRONLY | O_CREAT, 0666));
	write(4, "r", 1);
	OK(read(3, &c, 1));
	OK(get("foreign"));
	OK(get("none/x"));
	OK(get("far"));
}

static void descriptors(void) {
	char b[8];
	check(read(3, b, 1) == 1 && b[0] == 'i', __LINE__);
	check(write(4, "o", 1) == 1, __LINE__);
	check(read(atoi(arg), b, 1) == 1 && b[0] == 'j', __LINE__);
	FAILS(EBADF, fcntl(5, F_GETFD));
}

static void leave(int sig) { _exit(sig == SIGINT ? 7 : 8); }

// Opens files until a signal ends it.
static void busy(void) {
	if (arg)
		signal(SIGINT, leave);
	write(1, "r", 1);
	for (;;)
		OK(get("in.h"));
}

static void sleeps(void) {
	write(4, "r", 1);
	pause();
}

static void dies(void) {
	signal(SIGABRT, SIG_DFL);
	raise(atoi(arg));
}

static void exits(void) { exit(atoi(arg)); }

static void limits(void) { printf("%ld\n", sysconf(_SC_OPEN_MAX)); }

static int dial(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a);
}

static void hides(void) {
	char *what = arg;
	if (!strcmp(what, "uring"))
		syscall(SYS_io_uring_setup, 0, 0);
	if (!strcmp(what, "handle"))
		syscall(SYS_open_by_handle_at, -1, 0, 0);
	if (!strcmp(what, "inet"))
		socket(AF_INET, SOCK_STREAM, 0);
	if (!strcmp(what, "root")) {
		struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
		syscall(SYS_openat2, AT_FDCWD, "in.h", &how, sizeof how);
	}
	if (!strcmp(what, "absent"))
		FAILS(ENOENT, dial("nope"));
	if (!strcmp(what, "present")) {
		struct stat st;
		OK(stat("in.h", &st)); // what is known already counts
		FAILS(ECONNREFUSED, dial("in.h"));
	}
	if (!strcmp(what, "abstract"))
		FAILS(ECONNREFUSED, dial(""));
	if (!strcmp(what, "moveddir"))
		OK(rename("sub", "sub2"));
	if (!strcmp(what, "lostdir")) {
		OK(mkdir("lost", 0777));
		OK(chdir("lost"));
		OK(rmdir("../lost"));
		FAILS(ENOENT, get("x"));
	}
	if (!strcmp(what, "lostself")) {
		OK(mkdir("lost", 0777));
		OK(chdir("lost"));
		OK(rmdir("../lost"));
		FAILS(ENOENT, access("/proc/self/cwd/x", F_OK));
	}
	if (!strcmp(what, "memfd")) {
		char b[1 << 16], *argv[] = {"tool", "nothing", 0}, *env[] = {0};
		int n, in = open("tool", O_RDONLY), out = memfd_create("x", 0);
		while ((n = read(in, b, sizeof b)) > 0)
			OK(write(out, b, n));
		fexecve(out, argv, env);
		exit(1);
	}
	if (!strcmp(what, "format"))
		run("in.h", ENOEXEC);
#ifdef __x86_64__
	if (!strcmp(what, "int80")) {
		static char *low;
		low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		strcpy(low, "in.h");
		long r;
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory");
	}
	if (!strcmp(what, "x32"))
		syscall(0x40000000 + SYS_openat, AT_FDCWD, "in.h", O_RDONLY);
#endif
}

// Runs argv[3] where call argv[0] fails with the error argv[2]; where argv[1] is
// not negative, only with that as the first argument.
static void forbid(char **argv) {
	int any = argv[1][0] == '-';
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, atoi(argv[0]), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | (any ? BPF_JGE : BPF_JEQ) | BPF_K, any ? 0 : atoi(argv[1]), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | atoi(argv[2])),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {sizeof f / sizeof *f, f};
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
	execv(argv[3], argv + 3);
	OK(-1);
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		void (*play)(void);
	} scenes[] = {
		{"opens", opens}, {"chdirs", chdirs}, {"dirfds", dirfds}, {"stats", stats}, {"links", links}, {"resolves", resolves}, {"selves", selves}, {"swarm", swarm}, {"alarms", alarms}, {"calls", calls}, {"unshared", unshared},
		{"lists", lists}, {"owns", owns}, {"rewrites", rewrites}, {"fails", fails}, {"keeps", keeps},
		{"tmpfiles", tmpfiles}, {"boundary", boundary}, {"longest", longest}, {"threads", threads},
		{"execs", execs}, {"nothing", nothing}, {"daemonize", daemonize}, {"reuses", reuses}, {"descriptors", descriptors},
		{"busy", busy}, {"sleeps", sleeps}, {"dies", dies}, {"exits", exits}, {"limits", limits}, {"hides", hides},
	};
	arg = argc > 2 ? argv[2] : 0;
	if (!strcmp(argv[1], "forbid"))
		forbid(argv + 2);
	for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
		if (!strcmp(argv[1], scenes[i].name)) {
			scenes[i].play();
			return 0;
		}
	return 98;
}
