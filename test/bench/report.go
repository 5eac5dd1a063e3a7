package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// spread is the middle and the ends of a sample.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + mid) / 2
	}
	return spread{mid, v[0], v[len(v)-1], len(v)}
}

// String shows a sample as "median (min-max)".
func (s spread) String() string {
	if s.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", s.Median, s.Min, s.Max)
}

// ratios divides two samples pairwise: values of the same round were taken under
// the same load, so their ratio is steadier than that of the medians.
func ratios(of, to []float64) []float64 {
	var r []float64
	for i := range min(len(of), len(to)) {
		if to[i] > 0 {
			r = append(r, of[i]/to[i])
		}
	}
	return r
}

func seconds(d time.Duration) float64      { return d.Seconds() }
func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// printTable prints rows in columns; the first row is the head.
func printTable(rows [][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		// A cell that is missing would end its column for the rows around it.
		missing := strings.Repeat("\t", len(rows[0])-len(row))
		fmt.Fprintln(w, strings.Join(row, "\t")+missing)
	}
	w.Flush()
}

// loadAverage is that of the last minute, or 0 where the kernel gives none. It goes
// beside the figures: on a busy machine their ratios still say something, their
// absolute values do not.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return 0
	}
	return load
}

// busySeconds is the time that the machine's processors have worked, whoever for:
// the only figure that has a cache's daemons in it without asking each for its own. 0
// where the kernel does not tell.
func busySeconds() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, softirq float64
	if _, err := fmt.Sscanf(string(text), "cpu %f %f %f %f %f %f %f", &user, &nice, &system, &idle, &wait, &irq, &softirq); err != nil {
		return 0
	}
	const ticksPerSecond = 100 // USER_HZ, on every architecture
	return (user + nice + system + irq + softirq) / ticksPerSecond
}

// awaitQuiet waits until the processors have little to do, not for long.
func awaitQuiet() {
	const pause, few = 100 * time.Millisecond, 0.02
	for range 20 {
		before := busySeconds()
		time.Sleep(pause)
		if busySeconds()-before <= few {
			return
		}
	}
}

// report is what -json writes.
type report struct {
	Command string            `json:"command"`
	When    time.Time         `json:"when"`
	CPUs    int               `json:"cpus"`
	Tools   map[string]string `json:"tools"` // first line of --version
	Absent  []string          `json:"absent,omitempty"`
	Results any               `json:"results"`
}

func (b *bench) writeJSON(command string, absent []string, results any) error {
	if b.jsonPath == "" {
		return nil
	}
	r := report{command, time.Now().UTC(), runtime.NumCPU(), toolVersions(b), absent, results}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	return os.WriteFile(b.jsonPath, append(data, '\n'), 0o644)
}

func toolVersions(b *bench) map[string]string {
	versions := map[string]string{}
	for _, tool := range []string{"gcc", "g++", "rustc", "cargo", "cmake", "ccache", b.sccache} {
		cmd := exec.Command(tool, "--version")
		cmd.Env = b.env
		if out, err := cmd.Output(); err == nil {
			versions[tool], _, _ = strings.Cut(string(out), "\n")
		}
	}
	return versions
}
