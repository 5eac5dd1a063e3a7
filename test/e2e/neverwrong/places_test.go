package neverwrong

// oddOutputs are objects in places where something is already.
func oddOutputs() []testCase {
	f := files{"a.c": "#include <stddef.h>\nint v = 1;\n", "d/k": "", "x": "other"}
	at := func(name, prep, flags string) testCase {
		return testCase{name: "output " + name, on: ccs(), files: f, steps: []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {"rm a.o; " + prep, "$CC " + flags, "any"}, {prep, "", "any"}, {prep, "", "any"}}}
	}
	return []testCase{
		at("exists, read-only", "rm -f a.o; echo old >a.o; chmod 444 a.o", "-c a.c -o a.o"),
		at("exists, executable", "rm -f a.o; echo old >a.o; chmod 755 a.o", "-c a.c -o a.o"),
		at("exists, private", "rm -f a.o; echo old >a.o; chmod 600 a.o", "-c a.c -o a.o"),
		at("exists, empty", "rm -f a.o; : >a.o; chmod 600 a.o", "-c a.c -o a.o"),
		at("exists, with no permissions", "rm -f a.o; echo old >a.o; chmod 0 a.o", "-c a.c -o a.o"),
		at("has another name", "rm -f a.o b.o; echo old >a.o; ln a.o b.o", "-c a.c -o a.o"),
		at("is a link to a file", "rm -f a.o b.o; echo old >b.o; ln -s b.o a.o", "-c a.c -o a.o"),
		at("is a link into a directory", "rm -f a.o d/b.o; ln -s d/b.o a.o", "-c a.c -o a.o"),
		at("is a dangling link", "rm -f a.o; ln -sfn nowhere a.o; rm -f nowhere", "-c a.c -o a.o"),
		at("is a link to nowhere's directory", "rm -f a.o; ln -sfn no/where a.o", "-c a.c -o a.o"),
		at("is a directory", "rm -rf a.o; mkdir a.o", "-c a.c -o a.o"),
		at("is a full directory", "rm -rf a.o; mkdir a.o; :>a.o/x", "-c a.c -o a.o"),
		at("in a missing directory", ":", "-c a.c -o no/a.o"),
		at("below a file", ":", "-c a.c -o x/a.o"),
		at("through a link to a directory", "ln -sfn d e", "-c a.c -o e/a.o"),
		at("with a trailing slash", ":", "-c a.c -o d/"),
		at("with dots", ":", "-c a.c -o d/../d/./a.o"),
		at("of an empty name", ":", "-c a.c -o ''"),
		at("called -", ":", "-c a.c -o -"),
		at("equal to the source", ":", "-c a.c -o a.c"),
		at("equal to the source by another name", "ln -sfn a.c l.o", "-c a.c -o l.o"),
		at("a hard link of the source", "ln -f a.c l.o", "-c a.c -o l.o"),
		at("equal to the dep file", ":", "-MD -MF a.o -c a.c -o a.o"),
		at("without an extension", ":", "-c a.c -o obj"),
		at("with an odd name", ":", "-c a.c -o 'a b$c.o'"),
		at("with a long name", ":", "-c a.c -o $(printf 'n%.0s' $(seq 240)).o"),
		at("with a name too long", ":", "-c a.c -o $(printf 'n%.0s' $(seq 300)).o"),
		at("given twice", ":", "-c a.c -o a.o -o b.o"),
		at("joined", "rm -f j.o", "-c a.c -oj.o"),
		at("given before all", "rm -f j.o", "-o j.o -c a.c"),
		at("not given", "rm -f a.o", "-c a.c"),
		at("not given, source elsewhere", "rm -f a.o", "-c ../$(basename $PWD)/a.c"),
		at("dep file exists, read-only", "echo old >a.d; chmod 444 a.d", "-MD -c a.c -o a.o"),
		at("dep file exists, private and long", "rm -f a.d; seq 10000 >a.d; chmod 600 a.d", "-MD -c a.c -o a.o"),
		at("dep file is a link", "rm -f a.d; ln -sfn b.d a.d", "-MD -c a.c -o a.o"),
		at("dep file has another name", "echo old >a.d; ln -f a.d b.d", "-MD -c a.c -o a.o"),
		at("dep file is a directory", "mkdir -p a.d", "-MD -c a.c -o a.o"),
		at("dep file in a missing directory", ":", "-MD -MF no/a.d -c a.c -o a.o"),
		at("dep file equal to the source", ":", "-MD -MF a.c -c a.c -o a.o"),
		at("dep file equal to another header", "echo '#define Q' >h.h", "-include h.h -MD -MF h.h -c a.c -o a.o"),
		at("notes exist, read-only", "rm -f a.gcno; echo old >a.gcno; chmod 400 a.gcno", "--coverage -c a.c -o a.o"),
		at("notes exist, longer", "rm -f a.gcno; seq 10000 >a.gcno", "--coverage -c a.c -o a.o"),
		at("a stale counter file lies there", "echo old >a.gcda", "--coverage -c a.c -o a.o"),
		at("notes are a link", "rm -f a.gcno; ln -sfn z a.gcno", "--coverage -c a.c -o a.o"),
		at("split file exists, read-only", "rm -f a.dwo; echo old >a.dwo; chmod 400 a.dwo", "-g -gsplit-dwarf -c a.c -o a.o"),
		at("split file has another name", "rm -f a.dwo z; echo old >a.dwo; ln a.dwo z", "-g -gsplit-dwarf -c a.c -o a.o"),
		at("assembler text exists, private", "rm -f a.s; echo old >a.s; chmod 600 a.s", "-S a.c"),
		at("assembler text has another name", "rm -f a.s z; echo old >a.s; ln a.s z", "-S a.c"),
	}
}

// specialOutputs are devices, FIFOs, descriptors and directories without rights.
func specialOutputs() []testCase {
	f := files{"a.c": "int v = 1;\n", "d/k": ""}
	const namespace = "unshare -rm sh -c 'mount -t tmpfs none /mnt && : >/mnt/null && "
	at := func(name, prep, call string) testCase {
		return testCase{name: "special " + name, on: ccs(), files: f, steps: []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {prep, call, "any"}, {"", "", "any"}}}
	}
	return []testCase{
		at("/dev/null", ":", namespace+"mount --bind /dev/null /mnt/null && $CC -c a.c -o /mnt/null; echo $?; ls -l /mnt/null | cut -c1; rm -f /mnt/null'"),
		at("FIFO", "mkfifo p", "{ timeout 5 cat p | cksum >sum & }; timeout 5 $CC -c a.c -o p; echo $? $(ls -l p | cut -c1); wait; cat sum"),
		at("device node", "mknod n c 1 3 2>/dev/null || mkfifo n", "{ timeout 3 cat n >/dev/null & }; timeout 5 $CC -c a.c -o n; echo $? $(ls -l n | cut -c1)"),
		at("link to a device node", "mknod n c 1 3 2>/dev/null || mkfifo n; ln -s n l", "{ timeout 3 cat n >/dev/null & }; timeout 5 $CC -c a.c -o l; echo $? $(ls -l n l | cut -c1)"),
		at("socket", "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'", "$CC -c a.c -o s; echo $? $(ls -l s | cut -c1)"),
		at("standard output by /dev/stdout", ":", "$CC -S a.c -o /dev/stdout | cksum"),
		at("standard output by -", ":", "$CC -S a.c -o - | cksum"),
		at("descriptor 3", ":", "$CC -S a.c -o /dev/fd/3 3>out; cat out | cksum"),
		at("/proc/self/fd", ":", "$CC -S a.c -o /proc/self/fd/1 | cksum"),
		at("dep file to a FIFO", "mkfifo p", "{ timeout 5 cat p | cksum >sum & }; timeout 5 $CC -MD -MF p -c a.c -o a.o; echo $? $(ls -l p | cut -c1); wait; cat sum"),
		at("dep file to standard output", ":", "$CC -MD -MF /dev/stdout -c a.c -o a.o"),
		at("dep file to standard error", ":", "$CC -MD -MF /dev/stderr -c a.c -o a.o"),
		at("directory that cannot be written to", "chmod 555 d", "setpriv --reuid 65534 --clear-groups $CC -c a.c -o d/a.o 2>/dev/null; echo $?; $CC -c a.c -o d/b.o"),
		at("sticky directory", "chmod 1777 d; rm -f d/a.o; echo x >d/a.o", "$CC -c a.c -o d/a.o"),
		at("setgid directory", "chmod 2775 d", "$CC -c a.c -o d/a.o"),
		at("directory with default rights", "setfacl -d -m u::rw d 2>/dev/null || :", "$CC -c a.c -o d/a.o"),
		at("source from a FIFO", "mkfifo q.c", "{ echo 'int q;' >q.c & }; timeout 5 $CC -c q.c -o q.o"),
		at("source from standard input", ":", "$CC -x c -c - -o a.o <a.c"),
		at("source from standard input without -x", ":", "$CC -c - -o a.o <a.c"),
		at("source from /dev/stdin", ":", "$CC -x c -c /dev/stdin -o a.o <a.c"),
		at("header from standard input", "echo '#include \"/dev/stdin\"' >i.c", "$CC -c i.c -o i.o <a.c"),
		at("header from a FIFO", "mkfifo q.h; echo '#include \"q.h\"' >i.c", "{ echo 'int q;' >q.h & }; timeout 5 $CC -c i.c -o i.o"),
		at("limit on file size", ":", "ulimit -f 0; $CC -c a.c -o a.o; echo $?"),
	}
}
