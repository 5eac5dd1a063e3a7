//go:build linux && (amd64 || arm64)

package watch

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkCompilers runs compilers bare and watched for each class,
// in turns, so that all meet the same machine; -benchtime=40x gives 40 of
// each. It tells the lower quartile of the processor time of a call (that of the
// watcher included, in ms), the share that watching adds, and that share per
// reported call in microseconds. Wall time is told as the least seen.
func BenchmarkCompilers(b *testing.B) {
	dir := b.TempDir()
	write := func(name, text string) string {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o666); err != nil {
			b.Fatal(err)
		}
		return dir + "/" + name
	}
	c := write("x.c", "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { return puts(\"x\"); }\n")
	rs := write("x.rs", "pub fn f(x: u32) -> String { format!(\"{x}\") }\n")
	main := write("y.rs", "fn main() {}\n")
	empty := write("e.c", "int main(void) { return 0; }\n")
	if out, err := exec.Command("gcc", "-O2", "-o", dir+"/empty", empty).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	tests := []struct {
		name string
		args []string
	}{
		{"empty", []string{dir + "/empty"}},
		{"gcc", []string{"gcc", "-c", c, "-o", dir + "/x.o"}},
		{"clang", []string{"clang", "-c", c, "-o", dir + "/x.o"}},
		{"rustc", []string{"rustc", "--crate-type", "lib", rs, "--out-dir", dir}},
		{"link", []string{"rustc", main, "--out-dir", dir}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			path, err := exec.LookPath(tt.args[0])
			if err != nil {
				b.Skip(err)
			}
			if tt.args[0] == "rustc" {
				out, err := exec.Command("rustc", "--print", "sysroot").Output()
				if err != nil {
					b.Fatal(err)
				}
				path = strings.TrimSpace(string(out)) + "/bin/rustc"
			}
			turns(b, path, tt.args)
		})
	}
}

func turns(b *testing.B, path string, args []string) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	var cpu, wall [All + 1][]float64
	var calls [All + 1]int
	for b.Loop() {
		for class := range All + 1 {
			before, start := processorTime(), time.Now()
			if class == 0 {
				pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{Env: os.Environ(), Files: files})
				if err != nil {
					b.Fatal(err)
				}
				syscall.Wait4(pid, nil, 0, nil)
			} else {
				tree, err := Start(&Spec{Path: path, Argv: args, Env: os.Environ(), Files: files, Class: class, Alone: true})
				if err != nil {
					b.Fatal(err)
				}
				tree.Wait()
				calls[class] = tree.Report().Calls
			}
			wall[class] = append(wall[class], float64(time.Since(start).Microseconds())/1e3)
			cpu[class] = append(cpu[class], float64((processorTime()-before).Microseconds())/1e3)
		}
	}
	quartile := func(v []float64) float64 {
		slices.Sort(v)
		return v[len(v)/4]
	}
	bare := quartile(cpu[0])
	b.ReportMetric(bare, "bare-cpu-ms")
	b.ReportMetric(slices.Min(wall[0]), "bare-wall-ms")
	for class, name := range map[Class]string{Opens: "opens", Direct: "direct", All: "all"} {
		more := quartile(cpu[class]) - bare
		b.ReportMetric(100*more/bare, name+"-cpu-%")
		b.ReportMetric(1e3*more/float64(max(1, calls[class])), name+"-us/call")
		b.ReportMetric(float64(calls[class]), name+"-calls")
		b.ReportMetric(slices.Min(wall[class]), name+"-wall-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// processorTime is that of this process and of the children it has waited for.
func processorTime() time.Duration {
	var sum time.Duration
	for _, who := range [...]int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		syscall.Getrusage(who, &u)
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
