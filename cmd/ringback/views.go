package main

import (
	"context"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/matching"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/scheduler"
)

// callbackRow is a callback in a list with --json.
type callbackRow struct {
	ID         string `json:"id"`
	Clinic     string `json:"clinic"`
	Source     string `json:"source"`
	SourceID   string `json:"source_id"`
	ReceivedAt string `json:"received_at"`
	Status     string `json:"status"`
	Outcome    string `json:"outcome,omitempty"`
	Category   string `json:"category"`
	Priority   string `json:"priority"`
	Owner      string `json:"owner"`
	DueAt      string `json:"due_at,omitempty"`
	Repeats    int    `json:"repeats"`
	Review     bool   `json:"needs_review"`
	Name       string `json:"caller_name,omitempty"`
	Phone      string `json:"caller_phone,omitempty"`
	Revision   int64  `json:"revision"`
}

// viewRow reveals a callback to the operator at the terminal.
func viewRow(c callback.Callback) callbackRow {
	return callbackRow{ID: string(c.ID), Clinic: string(c.Clinic), Source: c.Source, SourceID: c.SourceID,
		ReceivedAt: instant(c.ReceivedAt), Status: string(c.Status), Outcome: string(c.Outcome), Category: string(c.Category),
		Priority: string(c.Priority), Owner: c.Owner, DueAt: instant(c.DueAt), Repeats: c.Repeats, Review: c.Review,
		Name: c.Caller.Name.Reveal(), Phone: c.Caller.Phone.Reveal(), Revision: c.Revision}
}

// callbackDetail is one callback with --json.
type callbackDetail struct {
	callbackRow
	Text     string        `json:"text,omitempty"`
	Chart    string        `json:"chart"`
	Why      string        `json:"why"`
	Attempts []attemptView `json:"attempts"`
	Evidence []evidenceRow `json:"evidence"`
	Links    []linkRow     `json:"links"`
	Timeline []eventRow    `json:"timeline"`
}

type attemptView struct {
	At      string `json:"at"`
	By      string `json:"by"`
	Channel string `json:"channel"`
	Result  string `json:"result"`
	Talk    int    `json:"talk_seconds"`
	Note    string `json:"note,omitempty"`
}

type evidenceRow struct {
	Appointment string   `json:"appointment"`
	Verdict     string   `json:"verdict"`
	State       string   `json:"state"`
	Reasons     []string `json:"reasons"`
	Sentence    string   `json:"sentence"`
}

type eventRow struct {
	Seq    int64  `json:"seq"`
	At     string `json:"at"`
	EHRAt  string `json:"ehr_at,omitempty"`
	Kind   string `json:"kind"`
	By     string `json:"by"`
	To     string `json:"status"`
	Detail string `json:"detail,omitempty"`
	Note   string `json:"note,omitempty"`
}

type linkRow struct {
	ID        string `json:"link_id"`
	Callback  string `json:"callback_id"`
	Clinic    string `json:"clinic"`
	EHR       string `json:"ehr"`
	Type      string `json:"resource_type"`
	RemoteID  string `json:"id,omitempty"`
	State     string `json:"status"`
	Holds     int64  `json:"holds_revision"`
	Failures  int    `json:"failures"`
	LastError string `json:"last_error,omitempty"`
	Hint      string `json:"what_to_do,omitempty"`
	Next      string `json:"next_attempt_at,omitempty"`
	// Waiting says why nothing is sent to the EHR now.
	Waiting string `json:"waiting,omitempty"`

	resource string // for the eye
}

func viewLink(l callback.Link) linkRow {
	return linkRow{ID: string(l.ID), Callback: string(l.Callback), Clinic: string(l.Clinic), EHR: string(l.EHR),
		Type: string(l.Type), RemoteID: l.RemoteID, State: string(l.State), Holds: l.Holds, Failures: l.Failures,
		LastError: l.LastError, Hint: l.Hint, Next: instant(l.NextAttemptAt), resource: l.Resource()}
}

// viewLinks says of links also why they wait, where their EHR is held back.
func viewLinks(ctx context.Context, l ledger, links []callback.Link) ([]linkRow, error) {
	rows, held := []linkRow{}, map[callback.EHRID]string{}
	for _, k := range links {
		row := viewLink(k)
		why, known := held[k.EHR]
		if !known {
			c, err := l.Connection(ctx, k.Clinic, k.EHR)
			if err != nil {
				return nil, err
			}
			why = c.HeldBack(clock.System{}.Now())
			held[k.EHR] = why
		}
		if why != "" {
			rec, err := l.Record(ctx, k.Callback)
			if err != nil {
				return nil, err
			}
			if k.Lags(rec.Callback) {
				row.Waiting = why
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// viewDetail shows a callback; because says why it stands as it does, links are those of it.
func viewDetail(r callback.Record, because string, links []linkRow) callbackDetail {
	d := callbackDetail{callbackRow: viewRow(r.Callback), Text: r.Text.Reveal(), Chart: chart(r.Patient), Why: because,
		Attempts: []attemptView{}, Evidence: []evidenceRow{}, Links: links, Timeline: []eventRow{}}
	for _, a := range r.Attempts {
		d.Attempts = append(d.Attempts, attemptView{instant(a.At), actor(a.By), a.Channel, string(a.Result), int(a.Talk.Seconds()), a.Note.Reveal()})
	}
	for _, ev := range r.Evidence {
		d.Evidence = append(d.Evidence, evidenceRow{ev.Appointment, string(ev.Verdict), string(ev.State), ev.Reasons, ev.Sentence})
	}
	for _, e := range r.Timeline {
		d.Timeline = append(d.Timeline, eventRow{e.Seq, instant(e.At), instant(e.EHRAt), string(e.Kind), actor(e.By), string(e.To), e.Detail, e.Note.Reveal()})
	}
	return d
}

func actor(a callback.Actor) string {
	if a.Name == "" {
		return string(a.Kind)
	}
	return string(a.Kind) + " " + a.Name
}

// chart says what is known of the callback's chart.
func chart(p callback.Patient) string {
	switch p.Resolution {
	case callback.Certain:
		return "certain, by " + p.How
	case callback.Ambiguous:
		return "not certain: several fit, or only the phone number does"
	case callback.NoChart:
		return "the EHR knows no such patient yet"
	default:
		return "not looked for yet"
	}
}

// why says in one sentence why the callback stands as it does, by what the ledger knows
// of the visits that may concern it.
func why(ctx context.Context, l callback.Ledger, clinics []config.Clinic, r callback.Record) (string, error) {
	site := scheduler.Site{Clinic: r.Clinic}
	for _, cl := range clinics {
		if callback.ClinicID(cl.ID) != r.Clinic {
			continue
		}
		rules, err := clinicRules(cl)
		if err != nil {
			return "", err
		}
		site.Rules = rules
		if cl.EHR != nil {
			site.ID = callback.EHRID(cl.EHR.ID)
		}
	}
	in, err := scheduler.Evidence(ctx, l, site, r)
	return matching.Explain(in), err
}
