package neverwrong

import "testing"

// TestAssembler is about files that the assembler reads (row 1).
func TestAssembler(t *testing.T) {
	runCases(t, assemblerFiles())
	runCases(t, assemblerCalls())
}

func assemblerFiles() []testCase {
	blob := func(src string) files { return files{"a.c": src, "blob.bin": "one"} }
	const change = "printf two >blob.bin"
	return []testCase{
		stale("asm incbin", all(), blob("__asm__(\".section .rodata\\nb: .incbin \\\"blob.bin\\\"\\n.text\");\n"), "$CC -c a.c -o a.o", change),
		stale("asm incbin, same size and time", ccs(), blob("__asm__(\".incbin \\\"blob.bin\\\"\");\n"), "$CC -c a.c -o a.o", "touch -r blob.bin r; "+change+"; touch -r r blob.bin"),
		stale("asm incbin in a function", ccs(), blob("void f(void) { __asm__ volatile(\".incbin \\\"blob.bin\\\"\"); }\n"), "$CC -O2 -c a.c -o a.o", change),
		stale("asm incbin pasted", ccs(), blob("#define S(x) #x\n#define T(x) S(x)\n#define N blob.bin\n__asm__(\".inc\" \"bin \\\"\" T(N) \"\\\"\");\n"), "$CC -c a.c -o a.o", change),
		stale("asm incbin by a -D macro", ccs(), blob("__asm__(X);\n"), `$CC '-DX=".incbin \"blob.bin\""' -c a.c -o a.o`, change),
		stale("asm incbin from a header", ccs(), files{"a.c": "#include \"e.h\"\nEMBED(\"blob.bin\")\n", "e.h": "#define EMBED(f) __asm__(\".incbin \\\"\" f \"\\\"\");\n", "blob.bin": "one"}, "$CC -c a.c -o a.o", change),
		stale("asm incbin found by -I", ccs(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "d/blob.bin": "one"}, "$CC -Wa,-Id -c a.c -o a.o", "printf two >d/blob.bin"),
		stale("asm incbin that appears earlier", ccs(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "d/blob.bin": "one", "c/k": ""}, "$CC -Wa,-Ic -Wa,-Id -c a.c -o a.o", "printf two >c/blob.bin"),
		stale("asm incbin that appears in the working directory", ccs(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "d/blob.bin": "one"}, "$CC -Wa,-Id -c a.c -o a.o", "printf two >blob.bin"),
		stale("asm include from C", ccs(), files{"a.c": "__asm__(\".include \\\"x.inc\\\"\");\n", "x.inc": ".long 1\n"}, "$CC -c a.c -o a.o", "echo '.long 2' >x.inc"),
		stale("asm incbin with an offset", ccs(), blob("__asm__(\".incbin \\\"blob.bin\\\",1,2\");\n"), "$CC -c a.c -o a.o", change),
		stale("asm incbin, missing at first", ccs(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "blob.bin": ""}, "$CC -c a.c -o a.o", change),
		stale("incbin in .s", ccs(), files{"a.s": ".data\n.incbin \"blob.bin\"\n", "blob.bin": "one"}, "$CC -c a.s -o a.o", change),
		stale("incbin in .S", ccs(), files{"a.S": "#define F \"blob.bin\"\n.data\n.incbin F\n", "blob.bin": "one"}, "$CC -c a.S -o a.o", change),
		stale("include in .s", ccs(), files{"a.s": ".include \"x.inc\"\n", "x.inc": ".long 1\n"}, "$CC -c a.s -o a.o", "echo '.long 2' >x.inc"),
		stale("include in .S", ccs(), files{"a.S": ".include \"x.inc\"\n", "x.inc": ".long 1\n"}, "$CC -c a.S -o a.o", "echo '.long 2' >x.inc"),
		stale("#include in .S", ccs(), files{"a.S": "#include \"x.h\"\n.long V\n", "x.h": "#define V 1\n"}, "$CC -c a.S -o a.o", "echo '#define V 2' >x.h"),
		stale("#include in .S shadowed", ccs(), files{"a.S": "#include <x.h>\n.long V\n", "i1/k": "", "i2/x.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.S -o a.o", "echo '#define V 2' >i1/x.h"),
		stale("#include in .S with -MD", ccs(), files{"a.S": "#include \"x.h\"\n.long V\n", "x.h": "#define V 1\n"}, "$CC -MD -MF a.d -c a.S -o a.o", "echo '#define V 2' >x.h"),
		stale("include nested", ccs(), files{"a.s": ".include \"x.inc\"\n", "x.inc": ".include \"y.inc\"\n", "y.inc": ".incbin \"blob.bin\"\n", "blob.bin": "one"}, "$CC -c a.s -o a.o", change),
		stale("include in .s shadowed", ccs(), files{"a.s": ".include \"x.inc\"\n", "d/x.inc": ".long 1\n", "c/k": ""}, "$CC -Wa,-Ic,-Id -c a.s -o a.o", "echo '.long 2' >c/x.inc"),
		stale("include in .s found by -I", ccs(), files{"a.s": ".include \"x.inc\"\n", "d/x.inc": ".long 1\n", "c/k": ""}, "$CC -Ic -Id -c a.s -o a.o", "echo '.long 2' >c/x.inc"),
		stale("incbin by a link retargeted", ccs(), files{"a.s": ".incbin \"b\"\n", "one": "1", "two": "2"}, "$CC -c a.s -o a.o", "ln -sfn two b").prepared("ln -s one b"),
		stale("incbin name made by a macro of as", ccs(), files{"a.s": ".macro emb n\n.incbin \"\\n\\().bin\"\n.endm\nemb blob\n", "blob.bin": "one"}, "$CC -c a.s -o a.o", change),
		stale("incbin under altmacro and irp", ccs(), files{"a.s": ".irp n,blob\n.incbin \"\\n\\().bin\"\n.endr\n", "blob.bin": "one"}, "$CC -c a.s -o a.o", change),
		stale("incbin with escapes", ccs(), files{"a.s": ".incbin \"bl\\157b.bin\"\n", "blob.bin": "one"}, "$CC -c a.s -o a.o", change),
		right("incbin of a file with a space", ccs(), files{"a.s": ".incbin \"bl ob.bin\"\n", "bl ob.bin": "one"}, "$CC -c a.s -o a.o", "printf two >'bl ob.bin'"),
		right("incbin of a file with odd characters", ccs(), files{"a.s": ".incbin \"b$'#:.bin\"\n", "b$'#:.bin": "one"}, "$CC -c a.s -o a.o", `printf two >"b\$'#:.bin"`),
		right("incbin of /dev/zero or a FIFO", gcc(), files{"a.s": ".incbin \"/proc/self/comm\"\n"}, "$CC -c a.s -o a.o", "echo .long 1 >>a.s"),
		right(".ii from g++ with incbin", cxxs(), files{"a.ii": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "blob.bin": "one"}, "$CC -c a.ii -o a.o", change),
		right("-S of asm incbin", ccs(), blob("__asm__(\".incbin \\\"blob.bin\\\"\");\n"), "$CC -S a.c -o a.s", change+"; echo 'int x;' >>a.c"),
		right("LTO with asm incbin", gcc(), blob("__asm__(\".incbin \\\"blob.bin\\\"\"); int v;\n"), "$CC -flto -c a.c -o a.o; $CC -shared -nostdlib a.o -o a.so 2>/dev/null; rm -f a.o", change),
	}
}

func assemblerCalls() []testCase {
	s := files{"a.s": ".globl f\nf: ret\n", "a.S": "#ifdef X\n.globl x\nx: ret\n#endif\n.globl f\nf: ret\n"}
	return []testCase{
		other("-Wa options", gcc(), s, "$CC -c a.s -o a.o", "$CC -Wa,--defsym,Y=1 -c a.s -o a.o"),
		right("-Xassembler options", gcc(), files{"a.s": ".long Y\n"}, "$CC -Xassembler --defsym -Xassembler Y=2 -c a.s -o a.o", "echo .long Y+1 >a.s"),
		other("-D of .S", ccs(), s, "$CC -c a.S -o a.o", "$CC -DX -c a.S -o a.o"),
		other("-x assembler against assembler-with-cpp", ccs(), files{"a.x": "#define X 1\n.long X\n", "k": ""}, "$CC -x assembler-with-cpp -c a.x -o a.o", "$CC -x assembler -c a.x -o a.o"),
		other("-g of .s", ccs(), s, "$CC -c a.s -o a.o", "$CC -g -c a.s -o a.o"),
		other("-g of .S", ccs(), s, "$CC -c a.S -o a.o", "$CC -g -c a.S -o a.o"),
		other("noexecstack", ccs(), s, "$CC -c a.s -o a.o", "$CC -Wa,--noexecstack -c a.s -o a.o"),
		cached("-MD of .s writes nothing", ccs(), s, "$CC -MD -MF a.d -c a.s -o a.o", "rm -f a.o a.d"),
		cached("-MD of .S", ccs(), s, "$CC -MD -MF a.d -c a.S -o a.o", "rm -f a.o a.d"),
		asIs("-Wa,--MD", gcc(), s, "$CC -Wa,--MD,a.dep -c a.s -o a.o", "rm -f a.o a.dep"),
		asIs("-Wa,-a listing to a file", gcc(), s, "$CC -g -Wa,-adhlns=a.lst -c a.s -o a.o", "rm -f a.o a.lst"),
		asIs("-Wa,-a listing to standard output", gcc(), files{"a.c": "int f(void){return 1;}\n"}, "$CC -Wa,-a -c a.c -o a.o", "rm -f a.o"),
		asIs("-Wa,-a listing of C", gcc(), files{"a.c": "int f(void){return 1;}\n"}, "$CC -g -O -Wa,-ahls=a.lst -c a.c -o a.o", "rm -f a.o a.lst"),
		right("-Wa,@file", gcc(), files{"a.s": s["a.s"], "opts": "--defsym Z=1"}, "$CC -Wa,@opts -c a.s -o a.o", "echo '--defsym Y=2' >opts"),
		right("warnings of as", ccs(), files{"a.s": ".warning \"one\"\n"}, "$CC -c a.s -o a.o", "echo '.warning \"two\"' >a.s"),
		right("error of as", ccs(), files{"a.s": ".error \"one\"\n"}, "$CC -c a.s -o a.o", "echo 'nop' >a.s"),
		right("as prints", ccs(), files{"a.s": ".print \"one\"\n"}, "$CC -c a.s -o a.o", "echo '.print \"two\"' >a.s"),
		right("-Wa,-o", gcc(), s, "$CC -Wa,-o,b.o -c a.s -o a.o", "echo '.long 1' >>a.s"),
		asIs("-Wa,--statistics", gcc(), s, "$CC -Wa,--statistics -c a.s -o a.o", "rm a.o"),
		right("-no-integrated-as", clang(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "blob.bin": "one"}, "$CC -no-integrated-as -c a.c -o a.o", "printf two >blob.bin"),
		right("-pipe with incbin", gcc(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "blob.bin": "one"}, "$CC -pipe -c a.c -o a.o", "printf two >blob.bin"),
		right("-save-temps with incbin", ccs(), files{"a.c": "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "blob.bin": "one"}, "$CC -save-temps -c a.c -o a.o", "printf two >blob.bin"),
		right(".S with .if exists by a cpp __has_include", ccs(), files{"a.S": "#if __has_include(\"o.h\")\n.long 1\n#else\n.long 2\n#endif\n"}, "$CC -c a.S -o a.o", ":>o.h"),
		right("dwarf file names in .S", ccs(), files{"d1/a.S": "f: ret\n", "d2/a.S": "f: ret\n"}, "cd d1; $CC -g -c a.S -o ../a.o", "mv d1 t; mv d2 d1; echo 'g: nop' >>d1/a.S"),
	}
}
