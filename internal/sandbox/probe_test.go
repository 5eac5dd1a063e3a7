package sandbox_test

// probe is a static program that prints what it sees and does what it is told. Its
// bombs stop by themselves at some number, so that they harm nobody where nothing
// stops them before.
const probe = `
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
static int number(const struct dirent *e) { return e->d_name[0] >= '0' && e->d_name[0] <= '9'; }
static int all(const struct dirent *e) { return e->d_name[0] != '.'; }
static void list(const char *dir, int (*filter)(const struct dirent *)) {
	struct dirent **names;
	int n = scandir(dir, &names, filter, alphasort);
	for (int i = 0; i < n; i++) printf("%s ", names[i]->d_name);
}
static int put(const char *path, const char *text) {
	FILE *f = fopen(path, "w");
	if (!f) return 1;
	fputs(text, f);
	return fclose(f);
}
static int see(void) {
	char b[4096];
	printf("root: "); list("/", all);
	printf("\nprocesses: "); list("/proc", number);
	printf("\ndescriptors: "); list("/proc/self/fd", number);
	printf("\nuid: %d\nmask: %o\ncwd: %s\n", getuid(), umask(0), getcwd(b, sizeof b));
	for (char **e = environ; *e; e++) printf("env: %s\n", *e);
	return 0;
}
static int outputs(void) {
	int bad = put("out/a", "A") || put("/w/sub/b", "B") || put("/tmp/t", "T");
	bad = bad || symlink("/etc/passwd", "link") || mkfifo("fifo", 0644);
	fprintf(stderr, "wrote");
	return bad;
}
/* Each bomb prints how far it came. */
static int forks(int most) {
	int n = 0;
	for (pid_t p; n < most && (p = fork()) != -1; n++) if (p == 0) for (;;) pause();
	printf("%d", n);
	return n < most;
}
static int memory(long mb) {
	for (long i = 0; i < mb; i++) {
		char *p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) { printf("%ld", i); return 1; }
		memset(p, 1, 1 << 20);
	}
	printf("%ld", mb);
	return 0;
}
static int memories(long mb) { /* of several processes, each of them modest */
	for (int i = 0; i < 8; i++) {
		pid_t p = fork();
		if (p == -1) { printf("0"); return 1; }
		if (p == 0) { int bad = memory(mb / 8); sleep(2); _exit(bad); }
	}
	for (int i = 0, s; i < 8; i++) if (wait(&s) == -1 || s) { printf("%ld", i * mb / 8); return 1; }
	printf("%ld", mb);
	return 0;
}
static int disk(const char *path, long mb) {
	static char b[1 << 20];
	int fd = open(path, O_CREAT | O_WRONLY, 0644);
	for (long i = 0; i < mb; i++) if (write(fd, b, sizeof b) != sizeof b) { printf("%ld", i); return 1; }
	printf("%ld", mb);
	return 0;
}
static int files(int most) {
	char b[64];
	for (int i = 0; i < most; i++) {
		sprintf(b, "/tmp/%d", i);
		int fd = open(b, O_CREAT | O_WRONLY, 0644);
		if (fd < 0) { printf("%d", i); return 1; }
		close(fd);
	}
	printf("%d", most);
	return 0;
}
static int opens(int most) {
	int i = 0;
	while (i < most && open("/dev/null", O_RDONLY) >= 0) i++;
	printf("%d", i);
	return i < most;
}
static int abstract(const char *name) {
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	strcpy(a.sun_path + 1, name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int bad = connect(fd, (struct sockaddr *)&a, sizeof(sa_family_t) + 1 + strlen(name));
	printf("%s", bad ? strerror(errno) : "connected");
	return 0;
}
/* tcp connects to "address port" of either family and prints what came of it. */
static void tcp(const char *to) {
	char host[64]; int port;
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct sockaddr_in6 b = { .sin6_family = AF_INET6 };
	struct timeval wait = { 2 };
	sscanf(to, "%63s %d", host, &port);
	a.sin_port = b.sin6_port = htons(port);
	int six = strchr(host, ':') != 0, bad;
	inet_pton(six ? AF_INET6 : AF_INET, host, six ? (void *)&b.sin6_addr : (void *)&a.sin_addr);
	int fd = socket(six ? AF_INET6 : AF_INET, port == 53 ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (fd < 0) { printf("%s: no socket\n", to); return; }
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	bad = six ? connect(fd, (struct sockaddr *)&b, sizeof b) : connect(fd, (struct sockaddr *)&a, sizeof a);
	printf("%s: %s\n", to, bad ? "unreachable" : "connected");
	close(fd);
}
/* hunt looks for a text, which it is given backwards, in files and in what /proc tells of processes. */
static void hunt(const char *path, const char *text) {
	static char b[1 << 16];
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, b, sizeof b);
	if (n > 0 && memmem(b, n, text, strlen(text))) printf("%s\n", path);
	close(fd);
}
static int hunts(int argc, char **argv) {
	char text[64] = "", p[300];
	int n = strlen(argv[2]);
	for (int i = 0; i < n; i++) text[i] = argv[2][n - 1 - i];
	for (int i = 3; i < argc; i++) hunt(argv[i], text);
	for (char **e = environ; *e; e++) if (strstr(*e, text)) puts("environment");
	struct dirent **names;
	n = scandir("/proc", &names, number, alphasort);
	for (int i = 0; i < n; i++) {
		const char *files[] = { "cmdline", "environ", "mountinfo" };
		for (int k = 0; k < 3; k++) { snprintf(p, sizeof p, "/proc/%s/%s", names[i]->d_name, files[k]); hunt(p, text); }
	}
	return 0;
}
/* swap exchanges directories that were made for outputs for links. */
static int swap(void) {
	const char *to[] = { "/etc", "../../../../../../../../../etc", "/proc/1/root/etc", "/proc/self/cwd/../../etc" };
	char p[] = "/w/out0";
	for (int i = 0; i < 4; i++) {
		p[6] = '0' + i;
		if (rmdir(p) || symlink(to[i], p)) return 1;
	}
	return 0;
}
static int foreign(void) { /* getpid(2) of the i386 interface, then of the x32 one */
	long r = -1;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
#endif
	long x = syscall(0x40000000 + 39);
	printf("%s", r > 0 || x > 0 ? "works" : "refused");
	return 0;
}
static int plant(void) {
	const char *places[] = { "/bin/probe", "/w/input", "/w/in", "/bin", "/new", "/tmp/new", "/dev/shm/new", "/dev/new", "/proc/new", "/w/new" };
	for (int i = 0; i < 10; i++) {
		chmod(places[i], 0777); put(places[i], "planted"); unlink(places[i]); symlink("/etc", places[i]);
		int fd = open(places[i], O_CREAT | O_WRONLY | O_APPEND, 0777);
		if (fd >= 0) { write(fd, "planted", 7); fchmod(fd, 04777); close(fd); }
	}
	if (fork() == 0) { setsid(); if (fork() == 0) for (;;) pause(); _exit(0); }
	return 0;
}
static int digest(const char *dir) { /* of names, kinds, owners and content */
	struct dirent **names;
	int n = scandir(dir, &names, all, alphasort);
	for (int i = 0; i < n; i++) {
		char p[4096]; struct stat s; unsigned long sum = 5381; int c;
		snprintf(p, sizeof p, "%s/%s", dir, names[i]->d_name);
		if (lstat(p, &s)) continue;
		if (S_ISREG(s.st_mode)) { FILE *f = fopen(p, "r"); while (f && (c = getc(f)) != EOF) sum = sum * 33 + c; if (f) fclose(f); }
		printf("%s %o %d %ld %lx\n", p, s.st_mode, s.st_uid, S_ISREG(s.st_mode) ? (long)s.st_size : 0, sum);
		if (S_ISDIR(s.st_mode) && strcmp(p, "//proc")) digest(p);
	}
	return 0;
}
/* racer keeps exchanging what the output is, in processes that outlive the command. */
static int racer(void) {
	put("/w/good", "good"); symlink("/etc/passwd", "/w/bad"); mkfifo("/w/fifo", 0644);
	symlink("/etc", "/w/dirlink"); mkdir("/w/dir", 0755); put("/w/dir/hostname", "good");
	for (int i = 0; i < 4; i++) if (fork() == 0) {
		setsid();
		for (;;) {
			syscall(SYS_renameat2, AT_FDCWD, "/w/good", AT_FDCWD, i & 1 ? "/w/bad" : "/w/fifo", 2);
			syscall(SYS_renameat2, AT_FDCWD, "/w/dir", AT_FDCWD, "/w/dirlink", 2);
		}
	}
	usleep(20000);
	return 0;
}
static int hostile(void) {
	symlink("/etc/passwd", "/w/absolute"); symlink("../../../../etc/passwd", "/w/relative"); symlink("/etc", "/w/dirlink");
	symlink("..", "/w/up"); symlink("/proc/self/environ", "/w/proc"); symlink("loop", "/w/loop"); symlink("input", "/w/inside");
	mkfifo("/w/fifo", 0644); mkdir("/w/tree", 0755); mkdir("/w/tree/sub", 0700); put("/w/tree/sub/f", "F"); put("/w/tree/x", "X");
	chmod("/w/tree/x", 04755); symlink("/etc/passwd", "/w/tree/l"); mkfifo("/w/tree/p", 0644);
	mknod("/w/device", S_IFCHR | 0666, 1 << 8 | 5); link("/w/tree/x", "/w/hard"); put("/w/closed", "closed"); chmod("/w/closed", 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/w/socket" };
	bind(fd, (struct sockaddr *)&a, sizeof a);
	fd = open("/w/sparse", O_CREAT | O_WRONLY, 0644);
	printf("%s", ftruncate(fd, 1L << 40) ? strerror(errno) : "sparse");
	return 0;
}
static int deep(int n) {
	mkdir("/w/deep", 0755); chdir("/w/deep");
	for (int i = 0; i < n; i++) if (mkdir("d", 0755) || chdir("d")) return 1;
	return 0;
}
int main(int argc, char **argv) {
	const char *do_ = argv[1];
	long n = argc > 2 ? atol(argv[2]) : 0;
	setvbuf(stdout, 0, _IOFBF, 1 << 16);
	signal(SIGXFSZ, SIG_IGN);
	if (!strcmp(do_, "see")) return see();
	if (!strcmp(do_, "write")) return outputs();
	if (!strcmp(do_, "spoil")) { chmod("/bin/probe", 0755); return put("/w/input", "spoilt") || unlink("/bin/probe"); }
	if (!strcmp(do_, "exit")) return n;
	if (!strcmp(do_, "die")) raise(SIGTERM);
	if (!strcmp(do_, "hang")) { if (fork() == 0) setsid(); for (;;) pause(); }
	if (!strcmp(do_, "talk")) for (;;) puts("talk talk talk talk talk talk talk talk");
	if (!strcmp(do_, "spin")) for (;;);
	if (!strcmp(do_, "kill group")) { signal(SIGTERM, SIG_IGN); kill(0, SIGTERM); puts("alive"); fflush(stdout); return kill(0, SIGKILL); }
	if (!strcmp(do_, "kill all")) { signal(SIGTERM, SIG_IGN); kill(-1, SIGTERM); kill(1, SIGKILL); puts("alive"); return 0; }
	if (!strcmp(do_, "burn")) { while (clock() < n * (CLOCKS_PER_SEC / 1000)); return 0; }
	if (!strcmp(do_, "forks")) return forks(n);
	if (!strcmp(do_, "memory")) return memory(n);
	if (!strcmp(do_, "memories")) return memories(n);
	if (!strcmp(do_, "disk")) return disk(argv[3], n);
	if (!strcmp(do_, "files")) return files(n);
	if (!strcmp(do_, "opens")) return opens(n);
	if (!strcmp(do_, "abstract")) return abstract(argv[2]);
	if (!strcmp(do_, "tcp")) { for (int i = 2; i < argc; i++) tcp(argv[i]); return 0; }
	if (!strcmp(do_, "hunt")) return hunts(argc, argv);
	if (!strcmp(do_, "swap")) return swap();
	if (!strcmp(do_, "foreign")) return foreign();
	if (!strcmp(do_, "plant")) return plant();
	if (!strcmp(do_, "digest")) return digest("/");
	if (!strcmp(do_, "racer")) return racer();
	if (!strcmp(do_, "hostile")) return hostile();
	if (!strcmp(do_, "deep")) return deep(n);
	return 99;
}
`
