package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// measurePeers runs the benchmarks of that name, which cmd/sysc has, with that
// binary, and prints each beside its peers, with ratios of processor time: sysc's to the peer's.
func measurePeers(ctx context.Context, name, binary string, runs int) error {
	binary, err := filepath.Abs(binary) // the benchmarks run in another directory
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name+"$",
		"-benchtime", fmt.Sprintf("%dx", runs), "-timeout", "2h", "./cmd/sysc")
	var out bytes.Buffer
	cmd.Env = append(os.Environ(), "SYSC_BENCH_BINARY="+binary)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %v\n%s", name, err, out.Bytes())
	}
	return printPeers(os.Stdout, &out)
}

// A peerResult is one line of `go test -bench`.
type peerResult struct {
	work, name string
	wall, cpu  float64 // ms
	peak       float64 // MiB, 0 when it was not measured
}

// printPeers makes a table of what `go test -bench` printed: names are
// BenchmarkNAME/WORK/PEER-2, and the first peer of each work is sysc.
func printPeers(w io.Writer, r io.Reader) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "work\tprogram\twall ms\tcpu ms\tpeak MiB\tsysc: wall\tcpu\tmemory\t")
	var ours peerResult
	var firsts []peerResult
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		one, ok := parsePeer(lines.Text())
		if !ok {
			continue
		}
		if one.work != ours.work {
			ours = one
			firsts = append(firsts, one)
			fmt.Fprintf(table, "%s\t%s\t%.0f\t%.0f\t%s\t\t\t\t\n", one.work, one.name, one.wall, one.cpu, one.memory())
			continue
		}
		memory := ""
		if one.peak > 0 && ours.peak > 0 {
			memory = fmt.Sprintf("%.2f ×", ours.peak/one.peak)
		}
		fmt.Fprintf(table, "\t%s\t%.0f\t%.0f\t%s\t%.2f ×\t%.2f ×\t%s\t\n", one.name, one.wall, one.cpu, one.memory(), ours.wall/one.wall, ours.cpu/one.cpu, memory)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, g := range growth(firsts) {
		fmt.Fprintln(w, g)
	}
	return lines.Err()
}

// growth says what each of many costs beside each of few, of works that are named
// WORK-1000 and WORK-50000.
func growth(results []peerResult) []string {
	var out []string
	small := map[string]peerResult{}
	size := map[string]float64{}
	for _, one := range results {
		work, digits, _ := strings.Cut(one.work, "-")
		n, err := strconv.Atoi(digits)
		if err != nil {
			continue
		}
		if _, ok := small[work]; !ok {
			small[work], size[work] = one, float64(n)
			continue
		}
		few, many := small[work].cpu*1000/size[work], one.cpu*1000/float64(n)
		out = append(out, fmt.Sprintf("%s: %.0f µs of CPU each at %d, %.0f at %.0f: %.2f ×", work, many, n, few, size[work], many/few))
	}
	return out
}

// memory is what the table has of it.
func (p peerResult) memory() string {
	if p.peak == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", p.peak)
}

func parsePeer(line string) (p peerResult, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return p, false
	}
	parts := strings.Split(fields[0], "/")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "Benchmark") {
		return p, false
	}
	p.work, p.name = parts[1], parts[2]
	if i := strings.LastIndexByte(p.name, '-'); i > 0 { // the number of cores
		p.name = p.name[:i]
	}
	p.name = strings.ReplaceAll(p.name, "_", " ")
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return p, false
		}
		switch fields[i+1] {
		case "cpu-ms":
			p.cpu = value
		case "wall-ms":
			p.wall = value
		case "peak-MiB":
			p.peak = value
		}
	}
	return p, true
}
