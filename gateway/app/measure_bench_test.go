package app

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// measurement is what one run has measured. CPU, allocations and memory are those of this process, with the load
// generator and the clients, but not those of the servers.
type measurement struct {
	rate        float64       // events per second, with as many in flight as fit
	cpu, allocs float64       // CPU in microseconds, and allocations, each per event, at that rate
	p50, p99    time.Duration // from one end to the other with few in flight; 0: not measured
	peak        float64       // most resident memory in 1e6 bytes
}

// measure runs f, which passes a number of events, and returns what it has cost.
func measure(b *testing.B, events int, f func()) (m measurement) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // resets the peak
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, used := time.Now(), cpuTime()
	f()
	took, used := time.Since(begin), cpuTime()-used
	runtime.ReadMemStats(&after)
	n := float64(events)
	return measurement{rate: n / took.Seconds(), cpu: float64(used.Nanoseconds()) / 1e3 / n, allocs: float64(after.Mallocs-before.Mallocs) / n, peak: peakMemory(b, "self")}
}

// peakMemory returns the most resident memory of a process since its start or the last reset, in 1e6 bytes.
func peakMemory(b *testing.B, pid string) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib * 1024 / 1e6
}

// perDelivery returns the same measurement for each delivery, where every event has reached a number of clients.
func (m measurement) perDelivery(clients int) measurement {
	n := float64(clients)
	m.rate, m.cpu, m.allocs = m.rate*n, m.cpu/n, m.allocs/n
	return m
}

// setLatency sets the percentiles.
func (m *measurement) setLatency(took []time.Duration) {
	slices.Sort(took)
	m.p50, m.p99 = took[len(took)/2], took[len(took)*99/100]
}

// pairs returns the number of alternating runs of each benchmark: 5, or as BENCH_PAIRS says.
func pairs(b *testing.B) int {
	text := os.Getenv("BENCH_PAIRS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("BENCH_PAIRS is %q; set it to a number of at least 1", text)
	}
	return n
}

// compareToBare reports the medians of alternating runs of a bare loop and of the gateway. bare is nil where there is no bare loop. A run
// fails the benchmark where an event is lost or out of order, so what is reported as lost is 0.
func compareToBare(b *testing.B, bare, ours func() measurement) {
	b.Helper()
	for b.Loop() {
		var theirs, own []measurement
		var ratios []float64
		for pair := range pairs(b) {
			note := ""
			if bare != nil {
				theirs = append(theirs, bare())
			}
			own = append(own, ours())
			m := own[pair]
			if bare != nil {
				t := theirs[pair]
				ratios = append(ratios, m.rate/t.rate)
				note = fmt.Sprintf("; bare loop %.0f/s, %.2f us CPU each; ratio %.2f", t.rate, t.cpu, ratios[pair])
			}
			fmt.Printf("%s, pair %d: gateway %.0f/s, %.2f us CPU each%s\n", strings.TrimPrefix(b.Name(), "Benchmark"), pair, m.rate, m.cpu, note)
		}
		reportMedians(b, own, "events/s", "us-CPU/event", "allocs/event", "p50-ms", "p99-ms", "peak-MB")
		reportMedians(b, theirs, "bare/s", "us-cpu-bare", "allocs-bare", "p50-ms-bare", "p99-ms-bare", "peak-MB-bare")
		if bare != nil {
			b.ReportMetric(median(ratios), "ratio-to-bare") // which sorts them
			b.ReportMetric(ratios[0], "ratio-min")
			b.ReportMetric(ratios[len(ratios)-1], "ratio-max")
		}
		b.ReportMetric(0, "lost")
	}
}

// reportMedians reports the median of each measured quantity in the given unit. What is 0 was not measured.
func reportMedians(b *testing.B, runs []measurement, units ...string) {
	for i, of := range []func(measurement) float64{
		func(m measurement) float64 { return m.rate },
		func(m measurement) float64 { return m.cpu },
		func(m measurement) float64 { return m.allocs },
		func(m measurement) float64 { return m.p50.Seconds() * 1e3 },
		func(m measurement) float64 { return m.p99.Seconds() * 1e3 },
		func(m measurement) float64 { return m.peak },
	} {
		var values []float64
		for _, m := range runs {
			values = append(values, of(m))
		}
		if len(values) == 0 {
			continue
		}
		if value := median(values); value != 0 {
			b.ReportMetric(value, units[i])
		}
	}
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// cpuTime returns the CPU time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
