package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/sandbox"
)

// morning plays the demo: what callers do, what the front desk does in the EHR,
// and what follows.
type morning struct {
	*demoWorld
	desk     *sandbox.FrontDesk
	out      io.Writer
	pause    time.Duration
	began    time.Time
	played   []callback.ID // what became of each request that needs a callback, in the order they came
	byName   map[string]callback.ID
	sessions int // calls that the phone system's log was read as
	expected demoCount
}

func newMorning(w *demoWorld, out io.Writer, f demoFlags) *morning {
	m := &morning{demoWorld: w, desk: sandbox.NewFrontDesk(w.ehr.Store()), out: out, began: time.Now(), byName: map[string]callback.ID{}}
	if !f.once && !f.asJSON {
		m.pause = 700 * time.Millisecond
	}
	return m
}

// say prints one line of what happened and lets a reader keep up.
func (m *morning) say(ctx context.Context, who, format string, args ...any) {
	fmt.Fprintf(m.out, "%-10s %s\n", who, fmt.Sprintf(format, args...))
	select {
	case <-ctx.Done():
	case <-time.After(m.pause):
	}
}

func (m *morning) play(ctx context.Context) error {
	for _, act := range []func(context.Context) error{m.phones, m.forms, m.filed, m.bookings, m.completions, m.fallsThrough, m.settle} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// call is one call of the morning, as the phone system will write it down.
type call struct {
	name    string // how the demo calls it
	from    string // caller's number, or an extension
	minute  int    // after eight o'clock
	rings   int    // seconds
	kind    string // missed, answered, voicemail, internal
	comment string
}

var morningCalls = []call{
	{"maria", "2125550150", 2, 25, "missed", "a call rings out"},
	{"", "2125550151", 5, 4, "answered", "a call is answered"},
	{"voicemail", "2125550152", 11, 20, "voicemail", "a caller is sent to voicemail"},
	{"again", "2125550150", 20, 30, "missed", "the first caller tries again and rings out"},
	{"", "101", 24, 8, "internal", "two colleagues talk"},
	{"withheld", "anonymous", 31, 15, "voicemail", "somebody without a number is sent to voicemail"},
	{"family", "2125550101", 40, 22, "missed", "a number that a whole family shares rings out"},
	{"james", "2125550107", 44, 18, "missed", "a number that one chart has rings out"},
	{"", "2125550153", 50, 2, "missed", "a call of two seconds"},
}

// phones writes the phone system's log and imports it.
func (m *morning) phones(ctx context.Context) error {
	format, err := logFormats.Lookup("asterisk")
	if err != nil {
		return err
	}
	for _, c := range morningCalls {
		m.say(ctx, "phone", "%s", c.comment)
	}
	eight := m.began.Add(-2 * time.Hour).Truncate(time.Minute)
	log, err := phone.Read(format, strings.NewReader(callLog(eight, morningCalls)), phone.Options{UTC: true, Region: "US"})
	if err != nil {
		return err
	}
	sessions := calls.Collapse(log.Legs, calls.DefaultRules())
	if err := log.Account(sessions); err != nil {
		return err
	}
	res := importResult{Verdicts: map[string]int{}, Ignored: map[string]int{}}
	flags := importFlags{clinic: demoClinic, format: "asterisk", source: "asterisk"}
	take, err := take(config.Config{Clinics: m.app.clinics}, m.app.ledger, m.app.desk, flags)
	if err != nil {
		return err
	}
	err = importSessions(ctx, io.Discard, sessions, func(ctx context.Context, s calls.Session) (callback.Call, bool, error) {
		c, known, err := take(ctx, s)
		for _, played := range morningCalls {
			if played.name != "" && strings.HasPrefix(s.ID, fmt.Sprint(eight.Add(time.Duration(played.minute)*time.Minute).Unix())) {
				m.byName[played.name] = c.Callback
			}
		}
		if c.Callback != "" {
			m.played = append(m.played, c.Callback)
		}
		return c, known, err
	}, &res)
	if err != nil {
		return err
	}
	m.expected.Sessions, m.sessions = len(morningCalls), len(sessions)
	m.say(ctx, "ringback", "read the phone system's log: %d calls, %d of them need a callback, %d was the same person again",
		len(sessions), res.Callbacks+res.Merged, res.Merged)
	return nil
}

// callLog writes calls as Asterisk's Master.csv does.
func callLog(eight time.Time, calls []call) string {
	var b strings.Builder
	for i, c := range calls {
		start := eight.Add(time.Duration(c.minute) * time.Minute)
		end := start.Add(time.Duration(c.rings) * time.Second)
		answer, talk, disposition := "", 0, "NO ANSWER"
		context, channel, dst, app, to := "from-trunk", "SIP/trunk", "SIP/101", "Dial", "2125550100"
		switch c.kind {
		case "answered":
			answer, talk, disposition = end.Format(time.DateTime), 90, "ANSWERED"
		case "voicemail":
			answer, talk, disposition, app, dst = end.Format(time.DateTime), 20, "ANSWERED", "VoiceMail", ""
		case "internal":
			answer, talk, disposition, context, channel, dst, to = end.Format(time.DateTime), 60, "ANSWERED", "from-internal", "SIP/101", "SIP/102", "102"
		}
		id := fmt.Sprintf("%d.%d", start.Unix(), i)
		if dst != "" {
			dst += fmt.Sprintf("-%08x", i)
		}
		fmt.Fprintf(&b, `"","%s","%s","%s","""%s"" <%s>","%s-%08x","%s","%s","","%s",%s,"%s",%d,%d,"%s","DOCUMENTATION","%s","","","%s",%d`+"\n",
			c.from, to, context, c.from, c.from, channel, i, dst, app, start.Format(time.DateTime), quoted(answer),
			end.Add(time.Duration(talk)*time.Second).Format(time.DateTime), c.rings+talk, talk, disposition, id, id, i)
	}
	return b.String()
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return `"` + s + `"`
}

// forms sends the web forms of the morning over the API.
func (m *morning) forms(ctx context.Context) error {
	tomorrow := m.began.AddDate(0, 0, 1).UTC().Truncate(time.Hour)
	type obj = map[string]any
	forms := []struct {
		name, comment string
		body          obj
	}{
		{"nora", "a new patient asks for a first visit", obj{"new_patient": true, "visit_kind": "evaluation", "text": "First visit please, my knee.",
			"caller":          obj{"name": "Nora Castellanos", "phone": "+12125550160", "birth_date": "1990-04-01"},
			"preferred_times": []obj{{"start": tomorrow, "end": tomorrow.Add(3 * time.Hour)}}}},
		{"hana", "a patient asks for an appointment", obj{"text": "I would like an appointment next week.",
			"caller": obj{"name": "Hana Abebe", "phone": "+12125550111", "birth_date": "2001-04-19"}}},
		{"garcia", "a patient wants to reschedule", obj{"text": "Please reschedule my appointment.",
			"caller": obj{"name": "Maria Garcia", "phone": "212-555-0104", "birth_date": "1971-05-30"}}},
		{"novak", "a patient has a question about benefits", obj{"text": "Does my insurance cover the visit?",
			"caller": obj{"name": "Tomáš Novák", "phone": "+1 212 555 0110", "birth_date": "1966-06-06"}}},
		{"hana", "the browser sends the second form again", nil},
	}
	for i, f := range forms {
		m.say(ctx, "web form", "%s", f.comment)
		if f.body == nil {
			f.body = forms[1].body
			i = 1
		}
		f.body["source"], f.body["source_id"], f.body["clinic"] = "webform", fmt.Sprintf("form-%d", i+1), demoClinic
		f.body["received_at"] = m.began.UTC().Add(-time.Duration(30-i) * time.Minute)
		id, err := m.post(ctx, f.body)
		if err != nil {
			return err
		}
		if before := m.byName[f.name]; before != "" && before != id {
			return fmt.Errorf("the same form became two callbacks, %s and %s", before, id)
		}
		m.byName[f.name] = id
		m.played = append(m.played, id)
	}
	return nil
}

// post sends one request to the daemon's own API and returns its callback.
func (m *morning) post(ctx context.Context, body any) (callback.ID, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+m.listener.Addr().String()+"/v1/callbacks", bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var got struct {
		ID string `json:"id"`
	}
	if resp.StatusCode >= 300 || json.Unmarshal(answer, &got) != nil || got.ID == "" {
		return "", fmt.Errorf("POST /v1/callbacks answered %s: %s", resp.Status, answer)
	}
	return callback.ID(got.ID), nil
}
