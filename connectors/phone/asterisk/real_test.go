package asterisk_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/asterisk"
)

// truth is what a session was, worked out by hand.
type truth struct {
	id       string
	rows     []int
	verdict  calls.Verdict
	answered string // when a person answered, "" when nobody did
	talk     time.Duration
}

// weekend is what happened on the real PBX between Saturday 15:07 UTC and
// Sunday 03:40 UTC. Its own clock is UTC: the time stamps in the unique ids are
// equal to the start times.
//
// 211474 and 211553 are the two lines of a town whose numbers have six digits;
// its extensions have three (301, 200, 154, 158). So the caller 214943 is a
// neighbour on the public network, which also shows in the context stadion-pstn
// and in the channel, SIP/211553, the line it came in on: a callback if missed.
var weekend = []truth{
	// The line 211474 on Saturday: no phone is rung, the PBX answers at once,
	// plays something for 27 or 10 s and hangs up (lastapp Hangup, no
	// dstchannel). ANSWERED is the announcement. Nobody spoke to the caller.
	{"1706368044.0", []int{1}, calls.VerdictAbandonedIVR, "", 0},
	{"1706369278.2", []int{2}, calls.VerdictAbandonedIVR, "", 0},
	{"1706369476.4", []int{3}, calls.VerdictAbandonedIVR, "", 0},
	// The other line: the PBX answers, then rings 301 and 200 for 60 s. The two
	// legs say NO ANSWER with 60 and 30 s of billsec: that counts from the PBX's
	// own answer and is no talk. The last leg is the PBX hanging up, ANSWERED, 0 s.
	{"1706369600.6", []int{4, 5, 6}, calls.VerdictAbandonedRing, "", 0},
	// The administrator has changed the dialplan: three Local channels ring 301
	// for 15 s, 154, and 158 with 200. Their inner halves (context TimeDelay,
	// ids .14, .16, .18) are legs of this call, not calls. Everything rang out.
	{"1706372196.12", []int{7, 8, 9, 10, 11, 12, 13}, calls.VerdictAbandonedRing, "", 0},
	// The same, and the caller gave up after 23 s.
	{"1706401101.30", []int{14, 15, 16, 17, 18, 19, 20}, calls.VerdictAbandonedRing, "", 0},
	{"1706404398.48", []int{21}, calls.VerdictAbandonedIVR, "", 0}, // announcement, 10 s
	// 301 picks up after 6 s. Rows 22 and 23 say ANSWERED with 0 s: the two
	// halves of the Local channel, which then steps aside; row 26 is the talk.
	// Rows 24 and 25 say NO ANSWER: the other two stopped ringing.
	{"1706407446.50", []int{22, 23, 24, 25, 26}, calls.VerdictAnswered, "02:04:12", 17 * time.Second},
	// The neighbour; answered in the same way.
	{"1706412022.63", []int{27, 28, 29, 30, 31}, calls.VerdictAnswered, "03:20:27", 23 * time.Second},
	// Somebody calls the line 211474 twice within 40 s and hears the
	// announcement for 10 s each time. Five minutes later the dialplan rings a
	// phone there too and the same caller is answered: that is row 39.
	{"1706412843.76", []int{32}, calls.VerdictAbandonedIVR, "", 0},
	{"1706412883.78", []int{33}, calls.VerdictAbandonedIVR, "", 0},
	{"1706412893.79", []int{34, 35, 36, 37, 38}, calls.VerdictAnswered, "03:34:57", 79 * time.Second},
	// 301 picks up after 5 s and talks for 43 s; 200 stopped ringing.
	{"1706413165.93", []int{39, 40}, calls.VerdictAnswered, "03:39:30", 43 * time.Second},
}

// twoPhones is the test PBX: client1 and client2 call each other by their
// extensions 6789 and 1234 in the context default. No trunk, no public number:
// every call is internal whether it was answered or not. There is no linkedid;
// each call is one row, and the channel names begin again after each restart.
// The unique ids say that this PBX kept its log at UTC+3.
var twoPhones = []truth{
	{"1690325492.2", []int{1}, calls.VerdictInternal, "01:51:50", 13 * time.Second},
	{"1690325531.5", []int{2}, calls.VerdictInternal, "", 0},
	{"1690325659.8", []int{3}, calls.VerdictInternal, "01:54:23", 13 * time.Second},
	{"1690327106.0", []int{4}, calls.VerdictInternal, "02:18:33", 18 * time.Second},
	{"1690327386.3", []int{5}, calls.VerdictInternal, "", 0},
	{"1690327415.6", []int{6}, calls.VerdictInternal, "02:23:38", 8 * time.Second},
	{"1690328151.0", []int{7}, calls.VerdictInternal, "02:35:56", 8 * time.Second},
	{"1690328361.3", []int{8}, calls.VerdictInternal, "02:39:26", 7 * time.Second},
	{"1690328739.0", []int{9}, calls.VerdictInternal, "02:45:45", 3 * time.Second},
	{"1690329224.3", []int{10}, calls.VerdictInternal, "", 0},
	{"1690329445.6", []int{11}, calls.VerdictInternal, "02:57:27", 2 * time.Second},
	{"1690329700.0", []int{12}, calls.VerdictInternal, "03:01:43", 2 * time.Second},
	{"1690352535.0", []int{13}, calls.VerdictInternal, "09:22:18", 2 * time.Second},
	{"1690352700.3", []int{14}, calls.VerdictInternal, "09:25:02", 2 * time.Second},
}

var moscow = time.FixedZone("MSK", 3*60*60)

func read(t testing.TB, log string, zone *time.Location) phone.Log {
	t.Helper()
	l, err := phone.Read(asterisk.Format{}, strings.NewReader(log), phone.Options{Zone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sessions collapses a log, checks its account, and brings it into the form of
// the tables.
func sessions(t testing.TB, l phone.Log, zone *time.Location) []truth {
	t.Helper()
	got := calls.Collapse(l.Legs, calls.DefaultRules())
	if err := l.Account(got); err != nil {
		t.Fatal(err)
	}
	var out []truth
	for _, s := range got {
		row := truth{id: s.ID, rows: s.Rows, verdict: s.Verdict, talk: s.Talk}
		if !s.AnsweredAt.IsZero() {
			row.answered = s.AnsweredAt.In(zone).Format(time.TimeOnly)
		}
		out = append(out, row)
	}
	return out
}

var sameTruth = cmp.AllowUnexported(truth{})

func TestRealLogs(t *testing.T) {
	for _, c := range []struct {
		file, layout string
		zone         *time.Location
		want         []truth
	}{
		{"real-master-21-columns.csv", "cdr_csv (Master.csv), 21 columns", time.UTC, weekend},
		{"real-custom-19-columns.csv", "cdr_custom, 19 columns, no linkedid: calls are told apart by uniqueid", moscow, twoPhones},
	} {
		t.Run(c.file, func(t *testing.T) {
			l := read(t, load(t, c.file), c.zone)
			if l.Layout != c.layout || len(l.Warnings) != 0 || len(l.Explained) != 0 || l.Rows != len(l.Legs) {
				t.Errorf("layout %q, warnings %v, explained %v, %d rows", l.Layout, l.Warnings, l.Explained, l.Rows)
			}
			if diff := cmp.Diff(c.want, sessions(t, l, c.zone), sameTruth); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRealCallers: numbers and start times of the weekend's sessions come from
// the caller's own leg, not from a leg inside the PBX.
func TestRealCallers(t *testing.T) {
	got := calls.Collapse(read(t, load(t, "real-master-21-columns.csv"), time.UTC).Legs, calls.DefaultRules())
	neighbour := got[8]
	if neighbour.From.Reveal() != "214943" || neighbour.To.Reveal() != "211553" {
		t.Errorf("from %s to %s", neighbour.From.Reveal(), neighbour.To.Reveal())
	}
	if !neighbour.FromName.IsEmpty() {
		t.Error("a name that only repeats the number is none")
	}
	if s := neighbour.StartedAt.Format(time.RFC3339); s != "2024-01-28T03:20:22Z" {
		t.Errorf("started %s", s)
	}
	need := 0
	for _, s := range got {
		if s.Verdict.NeedsCallback() {
			need++
		}
	}
	if need != 9 {
		t.Errorf("%d calls need a callback, want 9 of 13", need)
	}
}

// TestFewerColumns reads the weekend as it would stand in a log with fewer
// columns: the calls are the same.
func TestFewerColumns(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(load(t, "real-master-21-columns.csv")), "\n")
	cut := func(columns func([]string) []string) string {
		var out []string
		for _, line := range lines {
			fields, ok := phone.Split(line, ',')
			if !ok {
				t.Fatal("cannot be split")
			}
			for i, f := range fields {
				fields[i] = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
			}
			out = append(out, strings.Join(columns(fields), ","))
		}
		return strings.Join(out, "\n") + "\n"
	}
	for name, log := range map[string]string{
		"18 columns":                cut(func(f []string) []string { return f[:18] }),
		"17 columns, with uniqueid": cut(func(f []string) []string { return f[:17] }),
		"20 columns, no userfield":  cut(func(f []string) []string { return slices.Concat(f[:17], f[18:]) }),
		"20 columns, no uniqueid":   cut(func(f []string) []string { return slices.Concat(f[:16], f[17:]) }),
		"19 columns, as in cdr_csv": cut(func(f []string) []string { return slices.Concat(f[:16], f[18:]) }),
		"19 columns, as in cdr_custom": cut(func(f []string) []string {
			return slices.Concat(f[4:5], f[1:4], f[5:16], f[:1], f[16:18], f[20:])
		}),
	} {
		t.Run(name, func(t *testing.T) {
			l := read(t, log, time.UTC)
			if l.Damaged() != 0 {
				t.Fatalf("explained: %+v", l.Explained)
			}
			if diff := cmp.Diff(weekend, sessions(t, l, time.UTC), sameTruth); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("without any identifier", func(t *testing.T) {
		want := slices.Clone(weekend)
		for i, start := range []string{
			"20240127T150724Z", "20240127T152758Z", "20240127T153116Z", "20240127T153320Z", "20240127T161636Z", "20240128T001821Z", "20240128T011318Z",
			"20240128T020406Z", "20240128T032022Z", "20240128T033403Z", "20240128T033443Z", "20240128T033453Z", "20240128T033925Z",
		} {
			want[i].id = "at-" + start
		}
		for _, log := range []string{
			cut(func(f []string) []string { return f[:16] }),
			cut(func(f []string) []string { return slices.Concat(f[:16], f[17:18]) }),
		} {
			if diff := cmp.Diff(want, sessions(t, read(t, log, time.UTC), time.UTC), sameTruth); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestOrderOfRows shuffles and repeats the rows of the weekend: the calls and
// their verdicts stay.
func TestOrderOfRows(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(load(t, "real-master-21-columns.csv"), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	withoutRows := func(in []truth) []truth {
		out := slices.Clone(in)
		for i := range out {
			out[i].rows = nil
		}
		return out
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		shuffled := slices.Concat(lines, lines[:rng.IntN(len(lines))])
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got := sessions(t, read(t, strings.Join(shuffled, ""), time.UTC), time.UTC)
		if diff := cmp.Diff(withoutRows(weekend), withoutRows(got), sameTruth); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestWithoutUnanswered drops the rows that say NO ANSWER, as a PBX does that
// logs only what was answered: what was answered stays so.
func TestWithoutUnanswered(t *testing.T) {
	var kept []string
	for line := range strings.Lines(load(t, "real-master-21-columns.csv")) {
		if !strings.Contains(line, `"NO ANSWER"`) {
			kept = append(kept, line)
		}
	}
	got := make(map[string]calls.Verdict)
	for _, s := range sessions(t, read(t, strings.Join(kept, ""), time.UTC), time.UTC) {
		got[s.id] = s.verdict
	}
	for _, w := range weekend {
		if w.verdict == calls.VerdictAnswered && got[w.id] != calls.VerdictAnswered {
			t.Errorf("%s was answered and is %q", w.id, got[w.id])
		}
	}
}
