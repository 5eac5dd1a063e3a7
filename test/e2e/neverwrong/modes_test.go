package neverwrong

import "testing"

// TestModes is about permissions and the caller's umask (row 10).
func TestModes(t *testing.T) {
	f := files{"a.c": "#include <stddef.h>\nint v = 1;\n", "a.rs": "pub fn f() {}\n"}
	var cases []testCase
	flags := "-g -gsplit-dwarf -fstack-usage --coverage -MD"
	const clean = "rm -f a.o a.d a.dwo a.su a.gcno"
	for _, mask := range []string{"000", "002", "022", "027", "077", "777", "133", "644"} {
		cases = append(cases, testCase{name: "umask " + mask, on: ccs(), files: f, steps: []step{
			{"", "umask 022; $CC " + flags + " -c a.c -o a.o", "stored"}, {clean, "umask " + mask + "; $CC " + flags + " -c a.c -o a.o", "any"},
			{"", "", "any"}, {clean, "umask 022; $CC " + flags + " -c a.c -o a.o", "hit"}}})
		cases = append(cases, testCase{name: "umask first " + mask, on: ccs(), files: f, steps: []step{
			{"", "umask " + mask + "; $CC -MD -c a.c -o a.o", "any"}, {clean, "umask 022; $CC -MD -c a.c -o a.o", "any"}, {clean, "umask 000; $CC -MD -c a.c -o a.o", "any"}, {"", "umask 077; $CC -MD -c a.c -o a.o", "any"}}})
	}
	for _, mask := range []string{"000", "027", "077", "133"} {
		cases = append(cases, testCase{name: "umask rustc " + mask, on: rust(), files: f, steps: []step{
			{"", "umask 022; $CC --crate-name a --crate-type lib --emit=dep-info,metadata,link a.rs", "stored"},
			{"rm -f lib* *.d", "umask " + mask + "; $CC --crate-name a --crate-type lib --emit=dep-info,metadata,link a.rs", "any"}, {"", "", "any"}}})
	}
	cases = append(cases,
		testCase{name: "file that the first compile found", on: all(), files: f, steps: []step{
			{"", "umask 022; $CC -MD --coverage -c a.c -o a.o", "stored"}, {"chmod 600 a.*; echo '//' >>a.c", "umask 000; $CC -MD --coverage -c a.c -o a.o", "stored"}, {"rm a.o a.d a.gcno", "", "hit"}}},
		testCase{name: "umask that hides what was asked for", on: rust(), files: files{"a.rs": "fn main() {}\n"}, steps: []step{
			{"", "umask 133; $CC --crate-name a --crate-type bin --emit=dep-info,link a.rs", "any"}, {"rm a a.d", "umask 022; $CC --crate-name a --crate-type bin --emit=dep-info,link a.rs", "any"}, {"", "", "any"}}},
		testCase{name: "object in place that the first compile found", on: ccs(), files: files{"a.s": "nop\n"}, steps: []step{
			{"", "umask 022; $CC -c a.s -o a.o", "stored"}, {"echo nop >>a.s", "umask 000; $CC -c a.s -o a.o", "stored"}, {"rm a.o", "", "hit"}}},
		testCase{name: "dependency list of rustc that the first compile found", on: rust(), files: f, steps: []step{
			{"", "umask 022; $CC --crate-name a --crate-type lib --emit=dep-info,metadata,link a.rs", "stored"}, {"chmod 600 a.d; echo '//' >>a.rs", "", "stored"}, {"rm a.d lib*", "", "hit"}}},
		testCase{name: "existing object keeps or loses its mode", on: ccs(), files: f, steps: []step{
			{"", "$CC -MD -c a.c -o a.o", "stored"}, {"chmod 600 a.o a.d", "", "any"}, {"chmod 755 a.o a.d", "", "any"}, {"chmod 444 a.o a.d", "", "any"}}},
		testCase{name: "setuid bits on outputs", on: ccs(), files: f, steps: []step{
			{"", "$CC -MD -c a.c -o a.o", "stored"}, {"chmod 6777 a.o a.d", "", "any"}}},
		testCase{name: "executable source", on: ccs(), files: f, steps: []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {"chmod 755 a.c; rm a.o", "", "any"}}},
		testCase{name: "linked program", on: ccs(), files: files{"a.c": "int main(void) { return 0; }\n"}, steps: []step{
			{"", "umask 027; $CC a.c -o a", "bare"}, {"", "umask 077; $CC a.c -o a", "bare"}, {"", "umask 022; $CC -c a.c -o a.o && $CC a.o -o b", "any"}}},
	)
	runCases(t, cases)
}
