package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// madeUpLog writes a call log of a busy phone system: rows of Asterisk's Master.csv, or
// of a table with column names, over days days. Callers and calls are made up.
func madeUpLog(w io.Writer, format string, rows, days int) error {
	rng := rand.New(rand.NewPCG(1, 2))
	out := bufio.NewWriterSize(w, 1<<20)
	if format == "generic" {
		fmt.Fprintln(out, "Call ID,Start Time,From,To,Direction,Result,Duration,Extension,Notes")
	}
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	step := time.Duration(days) * 24 * time.Hour / time.Duration(rows)
	for n := 0; n < rows; {
		at := begin.Add(time.Duration(n) * step)
		caller := fmt.Sprintf("212555%04d", rng.IntN(rows/10+10))
		if format == "generic" {
			direction, from, to := "Inbound", caller, "2125550100"
			if rng.IntN(4) == 0 {
				direction, from, to = "Outbound", to, from
			}
			result := []string{"Accepted", "Missed", "Voicemail", "Hang Up"}[rng.IntN(4)]
			fmt.Fprintf(out, "c%d,%s,%s,%s,%s,%s,%d,101,\n", n, at.Format(time.DateTime), from, to, direction, result, rng.IntN(400))
			n++
			continue
		}
		n += asteriskCall(out, rng, n, at, caller)
	}
	return out.Flush()
}

// asteriskCall writes the legs of one call and returns how many they are.
func asteriskCall(w io.Writer, rng *rand.Rand, n int, at time.Time, caller string) int {
	id := fmt.Sprintf("%d.%d", at.Unix(), n)
	row := func(i int, src, dst, context, channel, dstChannel, app string, talk int, disposition string) {
		start, ring := at.Format(time.DateTime), 10
		answer := ""
		if disposition == "ANSWERED" {
			answer = at.Add(10 * time.Second).Format(time.DateTime)
		}
		end := at.Add(time.Duration(ring+talk) * time.Second).Format(time.DateTime)
		fmt.Fprintf(w, `"","%s","%s","%s","""%s"" <%s>","%s","%s","%s","SIP/301&SIP/302,60,t","%s","%s","%s",%d,%d,"%s","DOCUMENTATION","%s","","","%s",%d`+"\n",
			src, dst, context, src, src, channel, dstChannel, app, start, answer, end, ring+talk, talk, disposition, id, id, n+i)
	}
	trunk := fmt.Sprintf("SIP/trunk-%08x", n)
	switch rng.IntN(4) {
	case 0:
		row(0, "301", caller, "from-internal", fmt.Sprintf("SIP/301-%08x", n), trunk, "Dial", 60, "ANSWERED")
		return 1
	case 1:
		row(0, caller, "s", "from-trunk", trunk, "", "VoiceMail", 20, "ANSWERED")
		return 1
	case 2:
		for i := range 3 {
			row(i, caller, "2125550100", "from-trunk", trunk, fmt.Sprintf("SIP/30%d-%08x", i, n), "Dial", 0, "NO ANSWER")
		}
		return 3
	default:
		row(0, caller, "2125550100", "from-trunk", trunk, fmt.Sprintf("SIP/301-%08x", n), "Dial", 90, "ANSWERED")
		row(1, caller, "2125550100", "from-trunk", trunk, fmt.Sprintf("SIP/302-%08x", n), "Dial", 0, "NO ANSWER")
		return 2
	}
}

func madeUpFile(t testing.TB, format string, rows, days int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), format+".csv")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := madeUpLog(f, format, rows, days); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// BenchmarkAudit reads a million rows of one week. The limit is 20 s and 300 MB on two
// cores; MB is all memory that the process has from the system, at its highest.
func BenchmarkAudit(b *testing.B) {
	for _, format := range []string{"asterisk", "generic"} {
		b.Run(format, func(b *testing.B) {
			const rows = 1_000_000
			file := madeUpFile(b, format, rows, 7)
			for b.Loop() {
				if code := run(b.Context(), []string{"audit", file, "--zone", "UTC", "--out", b.TempDir()}, io.Discard, os.Stderr); code != exitDone {
					b.Fatal("exit code ", code)
				}
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/1e6, "MB")
			b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
