package neverwrong

import "testing"

// TestHelpers is about programs and files that a compiler finds for itself
// (rows 5 and 18), and about which compiler it is.
func TestHelpers(t *testing.T) {
	runCases(t, helperPrograms())
	runCases(t, fakeCompilers())
	runCases(t, compilerFiles())
}

func helperPrograms() []testCase {
	f := files{"a.c": "int v = 1;\n", "p/k": "", "q/k": "",
		"as.one": "#!/bin/sh\n/usr/bin/as --defsym MARK=1 \"$@\"\n", "as.two": "#!/bin/sh\n/usr/bin/as --defsym MARK=2 \"$@\"\n",
		"cc1.one": "#!/bin/sh\nexec $(env -u COMPILER_PATH -u GCC_EXEC_PREFIX gcc -print-prog-name=cc1) \"$@\" -DX\n"}
	as := func(dir string) string { return "cp as.one " + dir + "/as" }
	return []testCase{
		stale("another as first in PATH", []string{"gcc", "g++"}, f, "PATH=$PWD/p:$PATH $CC -c a.c -o a.o", as("p")),
		{"as in PATH edited", gcc(), f, as("p"), []step{{"", "PATH=$PWD/p:$PATH $CC -c a.c -o a.o", "any"}, {"", "", "any"}, {"cp as.two p/as", "", "!any"}, {"", "", "any"}}},
		{"as in PATH edited, same size and time", gcc(), f, as("p"), []step{{"", "PATH=$PWD/p:$PATH $CC -c a.c -o a.o", "any"}, {"", "", "any"},
			{"touch -r p/as r; sed -i s/MARK=1/MARK=2/ p/as; touch -r r p/as", "", "!any"}, {"", "", "any"}}},
		{"as of a link in PATH retargeted", gcc(), f, "ln -s ../as.one p/as", []step{{"", "PATH=$PWD/p:$PATH $CC -c a.c -o a.o", "any"}, {"ln -sfn ../as.two p/as", "", "!any"}, {"", "", "any"}}},
		{"as in PATH vanishes", gcc(), f, as("p"), []step{{"", "PATH=$PWD/p:$PATH $CC -c a.c -o a.o", "any"}, {"rm p/as", "", "!any"}, {"", "", "any"}}},
		{"as in PATH without permission", gcc(), f, as("p"), []step{{"", "PATH=$PWD/p:$PATH $CC -c a.c -o a.o", "any"}, {"chmod a-x p/as", "", "any"}, {"", "", "any"}}},
		{"order of PATH", gcc(), f, "cp as.one p/as; cp as.two q/as", []step{{"", "PATH=$PWD/p:$PWD/q:$PATH $CC -c a.c -o a.o", "any"}, {"", "PATH=$PWD/q:$PWD/p:$PATH $CC -c a.c -o a.o", "!any"}, {"", "", "any"}}},
		{"PATH with directories of no interest", []string{"gcc", "clang"}, f, "printf '#!/bin/sh\\n' >p/tool; chmod +x p/tool", []step{{"", "$CC -c a.c -o a.o", "stored"},
			{"", "PATH=$PWD/p:$PATH:/nowhere:$PWD/p $CC -c a.c -o a.o", "hit"}}},
		stale("as appears in a later directory that was not there", gcc(), f, "PATH=$PWD/new:$PATH $CC -c a.c -o a.o", "mkdir new; "+as("new")),
		stale("as appears in a relative directory of PATH", gcc(), f, "PATH=p:$PATH $CC -c a.c -o a.o", as("p")),
		right("as appears on COMPILER_PATH", gcc(), f, "COMPILER_PATH=p $CC -c a.c -o a.o", as("p")),
		right("as appears on -B", gcc(), f, "$CC -B p -c a.c -o a.o", as("p")),
		right("as appears by -B prefix", gcc(), f, "$CC -B$PWD/p/x- -c a.c -o a.o", "cp as.one p/x-as"),
		right("cc1 appears on -B", gcc(), f, "$CC -B p -c a.c -o a.o", "cp cc1.one p/cc1; echo 'int x = X;' >>a.c; "+as("p")),
		right("cc1 appears on COMPILER_PATH", gcc(), files{"a.c": "#ifdef X\nint x;\n#endif\n", "p/k": "", "cc1.one": f["cc1.one"]}, "COMPILER_PATH=$PWD/p $CC -c a.c -o a.o", "cp cc1.one p/cc1"),
		calm("cc1 appears on GCC_EXEC_PREFIX", gcc(), files{"a.c": "#ifdef X\nint x;\n#endif\n", "p/k": "", "cc1.one": f["cc1.one"]}, "GCC_EXEC_PREFIX=$PWD/p/ $CC -B/usr/lib/gcc/x86_64-linux-gnu/12 -c a.c -o a.o", "cp cc1.one p/cc1"),
		calm("as of clang without its own", clang(), f, "PATH=$PWD/p:$PATH $CC -fno-integrated-as -c a.c -o a.o", as("p")),
		calm("-B of clang without its own", clang(), f, "$CC -B$PWD/p -fno-integrated-as -c a.c -o a.o", as("p")),
		right("objcopy for split debug information", gcc(), files{"a.c": "int v = 1;\n", "p/k": "", "oc": "#!/bin/sh\n/usr/bin/objcopy \"$@\"; echo objcopied >&2\n"}, "PATH=$PWD/p:$PATH $CC -g -gsplit-dwarf -c a.c -o a.o", "cp oc p/objcopy"),
		right("-wrapper", gcc(), files{"a.c": "int v;\n", "w": "#!/bin/sh\necho one >&2; exec \"$@\"\n"}, "$CC -wrapper ./w -c a.c -o a.o", "sed -i s/one/two/ w"),
		right("-specs", gcc(), files{"a.c": "#ifdef X\nint x;\n#endif\n", "s": "*cc1:\n-w\n\n"}, "$CC -specs=s -c a.c -o a.o", "printf '*cc1:\\n-w -DX\\n\\n' >s"),
		right("specs of -B", gcc(), files{"a.c": "#ifdef X\nint x;\n#endif\n", "p/k": ""}, "$CC -B $PWD/p/ -c a.c -o a.o", "printf '*cpp_options:\\n+ -DX\\n\\n*cc1_options:\\n+ -DX\\n\\n' >p/specs"),
		right("-fplugin missing, then there", gcc(), files{"a.c": "int v;\n"}, "$CC -fplugin=./p.so -c a.c -o a.o", "echo junk >p.so"),
		right("-fplugin of clang", clang(), files{"a.c": "int v;\n"}, "$CC -fplugin=./p.so -c a.c -o a.o", "echo junk >p.so"),
		right("-Xclang -load", clang(), files{"a.c": "int v;\n"}, "$CC -Xclang -load -Xclang ./p.so -c a.c -o a.o", "echo junk >p.so"),
		right("LD_PRELOAD", ccs(), files{"a.c": "int v;\n", "l.c": "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { write(2, \"one\\n\", 4); }\n"},
			"[ -e l.so ] || gcc -shared -fPIC l.c -o l.so; LD_PRELOAD=$PWD/l.so $CC -c a.c -o a.o 2>&1 | sort -u", "sed -i s/one/two/ l.c; rm l.so"),
		right("LD_LIBRARY_PATH with a library of the compiler", gcc(), files{"a.c": "int v;\n", "d/k": ""}, "LD_LIBRARY_PATH=$PWD/d $CC -c a.c -o a.o", "echo junk >d/libmpc.so.3"),
	}
}

func fakeCompilers() []testCase {
	f := files{"a.c": "int v = 1;\n", "b/gcc": "#!/bin/sh\nexec /usr/bin/gcc -DX=1 \"$@\"\n", "c/gcc": "#!/bin/sh\nexec /usr/bin/gcc -DX=2 \"$@\"\n"}
	script := func(body string) files { return files{"a.c": "int v = X;\n", "cc": "#!/bin/sh\n" + body} }
	none := []string{"./cc"}
	return []testCase{
		right("a script for a compiler, edited", none, script("exec gcc -DX=1 \"$@\"\n"), "$CC -c a.c -o a.o", "sed -i s/X=1/X=2/ cc"),
		right("a script for a compiler, edited, same time", none, script("exec gcc -DX=1 \"$@\"\n"), "$CC -c a.c -o a.o", "touch -r cc r; sed -i s/X=1/X=2/ cc; touch -r r cc"),
		right("a script that reads a file", none, files{"a.c": "int v = X;\n", "cfg": "1", "cc": "#!/bin/sh\nexec gcc -DX=$(cat cfg) \"$@\"\n"}, "$CC -c a.c -o a.o", "echo 2 >cfg"),
		right("a script that reads a variable", none, files{"a.c": "int v = X;\n", "cfg": "export Y=1", "cc": "#!/bin/sh\nexec gcc -DX=$Y \"$@\"\n"}, ". ./cfg; $CC -c a.c -o a.o", "echo export Y=2 >cfg"),
		right("gcc in PATH is a script", gcc(), files{"a.c": "int v = X;\n", "b/gcc": f["b/gcc"]}, "PATH=$PWD/b:$PATH $CC -c a.c -o a.o", "sed -i s/X=1/X=2/ b/gcc"),
		right("gcc changes by PATH", gcc(), files{"a.c": "int v = X;\n", "b/gcc": f["b/gcc"], "c/gcc": f["c/gcc"], "p": "b"}, "PATH=$PWD/$(cat p):$PATH $CC -c a.c -o a.o", "echo c >p"),
		right("gcc by a link that is retargeted", []string{"./cc"}, files{"a.c": "int v = sizeof 'c';\n"}, "[ -e cc ] || ln -s /usr/bin/gcc cc; $CC -x c -c a.c -o a.o", "ln -sfn /usr/bin/clang cc"),
		right("gcc by a link to g++", []string{"./cc"}, files{"a.c": "int v = sizeof 'c';\n"}, "[ -e cc ] || ln -s /usr/bin/gcc cc; $CC -c a.c -o a.o", "ln -sfn /usr/bin/g++ cc"),
		calm("a copy of gcc in a directory of its own", []string{"t/bin/gcc"}, files{"a.c": "int v;\n"}, "mkdir -p t/bin; cp /usr/bin/gcc-12 t/bin/gcc; $CC -c a.c -o a.o", "echo 'int w;' >>a.c"),
		right("exit 1 with output", none, script("echo out; echo err >&2; exit 1\n"), "$CC -c a.c -o a.o", "sed -i 's/exit 1/exit 7/' cc"),
		right("exit 0 without output", none, script("exit 0\n"), "$CC -c a.c -o a.o", "sed -i 's/exit 0/exit 255/' cc"),
		right("killed by a signal", none, script("kill -SEGV $$\n"), "$CC -c a.c -o a.o; echo $?", "sed -i s/SEGV/TERM/ cc"),
		right("gcc whose cc1 is killed", gcc(), files{"a.c": "int v;\n", "w": "#!/bin/sh\nkill -9 $$\n"}, "$CC -wrapper ./w -c a.c -o a.o; echo $?", "sed -i s/-9/-TERM/ w"),
		right("gcc whose as fails by -B", gcc(), files{"a.c": "int v;\n", "p/as": "#!/bin/sh\nexit 3\n"}, "$CC -B $PWD/p -c a.c -o a.o; echo $?", "printf '#!/bin/sh\\nkill -11 $$\\n' >p/as"),
		right("a script without #!", none, files{"a.c": "int v;\n", "cc": "exec gcc \"$@\"\n"}, "chmod +x cc; $CC -c a.c -o a.o", "echo 'echo hi' >>cc; sed -i 's/exec //' cc"),
		right("a script that gives another version", none, files{"a.c": "int v;\n", "cc": "#!/bin/sh\ncase $1 in --version) echo 'gcc (X) 12.2.0'; exit;; esac\nexec clang \"$@\"\n"}, "$CC -c a.c -o a.o", "sed -i 's/exec clang/exec gcc/' cc"),
	}
}

func compilerFiles() []testCase {
	f := files{"a.c": "#include <stdio.h>\nint f(void) { return printf(\"x\"); }\n", "k": ""}
	var out []testCase
	for _, pair := range [][2]string{
		{"-O1", "-O2"}, {"-std=c99", "-std=gnu11"}, {"-DX=1", "-DX=2"}, {"-DX", "-UX"}, {"-fPIC", "-fno-PIC"}, {"-m64", "-m64 -mno-red-zone"}, {"-mtune=generic", "-march=x86-64-v3"},
		{"-Wall", "-Wall -Wextra"}, {"-g", "-g0"}, {"-ffunction-sections", "-fdata-sections"}, {"-fno-builtin", "-fbuiltin"}, {"-fvisibility=hidden", "-fvisibility=default"},
		{"-x c", "-x c++"}, {"-fstack-protector-all", "-fno-stack-protector"}, {"-pg", ""}, {"-pthread", "-D_REENTRANT -O"}, {"-w", "-Weverything"}, {"-funsigned-char", "-fsigned-char"}, {"-fcf-protection", "-fcf-protection=none"},
	} {
		c := testCase{name: "flags " + pair[0] + " and " + pair[1], on: ccs(), files: f, steps: []step{
			{"", "$CC " + pair[0] + " -c a.c -o a.o", "stored"}, {"", "$CC " + pair[1] + " -c a.c -o a.o", "any"},
			{"", "$CC " + pair[0] + " -c a.c -o a.o", "hit"}, {"", "$CC " + pair[1] + " -c a.c -o a.o", "any"}}}
		out = append(out, c)
	}
	return append(out,
		other("gcc and g++", []string{"/usr/bin"}, f, "$CC/gcc -c a.c -o a.o", "$CC/g++ -c a.c -o a.o"),
		other("gcc and clang", []string{"/usr/bin"}, f, "$CC/gcc -c a.c -o a.o", "$CC/clang -c a.c -o a.o"),
		other("clang and clang++", []string{"/usr/bin"}, f, "$CC/clang -c a.c -o a.o", "$CC/clang++ -w -c a.c -o a.o"),
		cached("by a target's name", []string{"x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc-12", "/usr/bin/gcc", "cc", "c++", "clang-14"}, f, "$CC -c a.c -o a.o", "rm a.o"),
	)
}
