package proof_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/callback/proof"
)

var ten = time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)

func session(id string, v calls.Verdict) calls.Session {
	return calls.Session{ID: id, StartedAt: ten, Verdict: v}
}

func kept(id string, v calls.Verdict, cb callback.ID, why string) callback.Call {
	return callback.Call{Session: session(id, v), Callback: cb, Why: why, JudgedAt: ten}
}

func day(log []calls.Session, ledger []callback.Call, records map[callback.ID]callback.Record) proof.Day {
	return proof.Day{Clinic: "c", Phone: "p", Date: "2026-03-02", Zone: time.UTC, In: callback.Span{From: ten, Until: ten.Add(24 * time.Hour)}, Log: log, Ledger: ledger,
		Known: func(string) bool { return false }, Record: func(id callback.ID) (callback.Record, bool) { r, ok := records[id]; return r, ok }, EHR: true}
}

func filed(state callback.LinkState, remote string) callback.Record {
	return callback.Record{Callback: callback.Callback{Status: callback.Assigned},
		Links: []callback.Link{{EHR: "e", Type: callback.TaskResource, RemoteID: remote, State: state}}}
}

// TestProof works a day out by hand.
func TestProof(t *testing.T) {
	log := []calls.Session{session("answered", calls.VerdictAnswered), session("missed", calls.VerdictAbandonedRing), session("again", calls.VerdictAbandonedRing),
		session("missed", calls.VerdictAbandonedRing), session("lost", calls.VerdictVoicemail), session("out", calls.VerdictOutbound), session("stuck", calls.VerdictBusy),
		session("at midnight", calls.VerdictAnswered)}
	waits := kept("waits", "", "", "")
	refused := kept("refused", calls.VerdictBusy, "", "could not be taken: caller: nobody")
	refused.SettlesAt = ten
	ledger := []callback.Call{kept("answered", calls.VerdictAnswered, "", "a person answered"), kept("missed", calls.VerdictAbandonedRing, "1", ""),
		kept("again", calls.VerdictAbandonedRing, "1", ""), kept("stuck", calls.VerdictBusy, "2", ""), waits, refused}
	d := day(log, ledger, map[callback.ID]callback.Record{"1": filed(callback.LinkSynced, "t1"), "2": filed(callback.LinkStuck, "")})
	d.Known = func(id string) bool { return id == "at midnight" }
	p := proof.Of(d, ten)
	got := fmt.Sprint(p.Inbound, p.Kept, p.Callbacks, p.Filed, len(p.Missing), len(p.Unexplained), len(p.NotFiled), p.Beyond, len(p.Calls), p.Holds())
	// From outside: answered, missed, again, lost, stuck, at midnight; of these only lost is not known.
	if want := "6 5 2 1 1 2 1 [refused waits] 6 false"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
	if p.Missing[0].Call != "lost" || p.NotFiled[0].Call != "stuck" {
		t.Errorf("%+v %+v", p.Missing, p.NotFiled)
	}
	d.EHR = false
	if p := proof.Of(d, ten); p.Filed != 2 {
		t.Error("without an EHR a callback has nowhere else to be")
	}
}

// TestNothingIsCountedAway: every call from outside in the log is kept or missing, once, and a proof holds only
// if all are kept.
func TestNothingIsCountedAway(t *testing.T) {
	id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"})
	verdict := rapid.SampledFrom([]calls.Verdict{calls.VerdictAnswered, calls.VerdictBusy, calls.VerdictOutbound})
	rapid.Check(t, func(t *rapid.T) {
		verdicts := map[string]calls.Verdict{}
		var log []calls.Session
		for _, s := range rapid.SliceOf(id).Draw(t, "log") {
			if _, ok := verdicts[s]; !ok {
				verdicts[s] = verdict.Draw(t, "verdict")
			}
			log = append(log, session(s, verdicts[s]))
		}
		have := map[string]bool{}
		var ledger []callback.Call
		for _, s := range rapid.SliceOfDistinct(id, rapid.ID).Draw(t, "ledger") {
			have[s] = true
			ledger = append(ledger, kept(s, calls.VerdictAnswered, "", "why"))
		}
		inbound, missing := 0, 0
		for s, v := range verdicts {
			if v.Inbound() {
				inbound++
				if !have[s] {
					missing++
				}
			}
		}
		p := proof.Of(day(log, ledger, nil), ten)
		if p.Inbound != inbound || len(p.Missing) != missing || p.Kept+len(p.Missing) != p.Inbound || p.Holds() != (missing == 0) {
			t.Fatalf("%+v", p)
		}
	})
}
