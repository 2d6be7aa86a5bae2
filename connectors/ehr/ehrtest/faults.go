package ehrtest

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

// Fault is an answer that an EHR, or what stands before it, may give to anything.
// Read, Create, Edit and Search say what may follow from it; empty means that it
// is not tried.
type Fault struct {
	Name        string
	Status      int
	RetryAfter  int // seconds; 0: the header is not sent
	ContentType string
	Body        string
	Cut         bool // the connection breaks in the middle of the body

	Read, Create, Edit, Search []fault.Disposition
	After                      time.Duration // every error asks to wait at least this long
}

const page = "<html><body>Sign in as " + canaryName + "</body></html>"

// Refusals are the faults that every EHR can show through its web server.
var Refusals = []Fault{
	same("401", 401, fault.Unauthorized),
	same("403", 403, fault.Unauthorized),
	{Name: "404", Status: 404, Read: one(fault.NotFound), Edit: one(fault.NotFound), Create: one(fault.Permanent), Search: one(fault.Permanent)},
	{Name: "409", Status: 409, Edit: one(fault.Conflict)},
	{Name: "412", Status: 412, Edit: one(fault.Conflict), Create: []fault.Disposition{fault.Ambiguous, fault.Conflict}},
	same("422", 422, fault.Permanent),
	{Name: "429 with Retry-After", Status: 429, RetryAfter: 7, After: 7 * time.Second,
		Read: one(fault.Throttled), Create: one(fault.Throttled), Edit: one(fault.Throttled), Search: one(fault.Throttled)},
	lost("500", 500, ""),
	{Name: "503 with Retry-After", Status: 503, RetryAfter: 9, After: 9 * time.Second,
		Read: maybeLater, Search: maybeLater, Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)},
	lost("502 as a page", 502, page),
	lost("200 as a page", 200, page),
	lost("200 without a body", 200, " "),
	{Name: "200 cut short", Status: 200, Body: `{"resourceType":"Task","id":"1","description":"` + canaryName, Cut: true,
		Read: one(fault.Retry), Search: one(fault.Retry), Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)},
}

var maybeLater = []fault.Disposition{fault.Retry, fault.Throttled}

func one(d fault.Disposition) []fault.Disposition { return []fault.Disposition{d} }

func same(name string, status int, d fault.Disposition) Fault {
	return Fault{Name: name, Status: status, Body: page, Read: one(d), Create: one(d), Edit: one(d), Search: one(d)}
}

// lost is an answer that says nothing about what was done.
func lost(name string, status int, body string) Fault {
	return Fault{Name: name, Status: status, Body: body, Read: one(fault.Retry), Search: one(fault.Retry),
		Create: one(fault.Ambiguous), Edit: one(fault.Ambiguous)}
}

func (s *suite) refusals(t *testing.T) {
	c, p := s.proxied(t)
	s.caps(t, c) // what was asked for once is not asked for again under the fault
	st, item := s.filed(t, c)
	st.closed(t, callback.AnsweredQuestion)
	fresh := s.story(t, c)
	calls := []struct {
		name    string
		allowed func(Fault) []fault.Disposition
		do      func() error
	}{
		{"read", func(f Fault) []fault.Disposition { return f.Read }, func() error { _, err := c.Read(t.Context(), item.Type, item.ID); return err }},
		{"find", func(f Fault) []fault.Disposition { return f.Search }, func() error { _, err := c.Find(t.Context(), item.Type, st.link.Marker()); return err }},
		{"items", func(f Fault) []fault.Disposition { return f.Search }, func() error { return drain(t, c, callback.FeedItems) }},
		{"appointments", func(f Fault) []fault.Disposition { return f.Search }, func() error { return drain(t, c, callback.FeedAppointments) }},
		{"patients", func(f Fault) []fault.Disposition { return f.Search }, func() error {
			_, err := c.Patients(t.Context(), callback.PatientQuery{Name: redact.NewText(canaryName + " Zebedee"), BirthDate: redact.NewText(canaryBirth)})
			return err
		}},
		{"create", func(f Fault) []fault.Disposition { return f.Create }, func() error { _, err := c.Create(t.Context(), fresh.work()); return err }},
		{"edit", func(f Fault) []fault.Disposition { return f.Edit }, func() error { _, err := c.Edit(t.Context(), item, st.work()); return err }},
	}
	for _, f := range append(slices.Clone(Refusals), s.Faults...) {
		for _, call := range calls {
			allowed := call.allowed(f)
			if len(allowed) == 0 {
				continue
			}
			t.Run(f.Name+" to "+call.name, func(t *testing.T) {
				p.answer(f)
				defer p.clear()
				err := call.do()
				s.safe(t, err)
				if err == nil || !slices.Contains(allowed, fault.Of(err)) {
					t.Errorf("%q, want %q: %v", fault.Of(err), allowed, err)
				}
				if fault.After(err) < f.After {
					t.Errorf("asks to wait %s, the EHR had said %s", fault.After(err), f.After)
				}
			})
		}
	}
	p.clear()
	if now := s.read(t, c, item); now.Version != item.Version {
		t.Errorf("something was written in spite of the refusals: version %s after %s", now.Version, item.Version)
	}
}

func drain(t *testing.T, c ehr.Connector, f callback.Feed) error {
	for _, err := range c.Changes(t.Context(), callback.FeedQuery{Feed: f, Since: time.Now().Add(-time.Minute), Patient: redact.NewText("1")}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// lostAnswers: the EHR did what was asked and the answer never came.
func (s *suite) lostAnswers(t *testing.T) {
	c, p := s.proxied(t)
	caps := s.on(t, c)
	need(t, caps.MarkerSearch, "search by marker")
	st := s.story(t, c)
	p.loseNext(http.MethodPost)
	_, err := c.Create(t.Context(), st.work())
	p.clear()
	s.safe(t, err)
	if !fault.Is(err, fault.Ambiguous) {
		t.Errorf("a create without an answer gives %q: %v", fault.Of(err), err)
	}
	list := s.found(t, c, st.link)
	if len(list) != 1 || list[0].State.Status != callback.ItemOpen {
		t.Fatalf("%d items carry the marker after the lost answer", len(list))
	}
	if caps.ConditionalCreate {
		again, err := c.Create(t.Context(), st.work())
		s.must(t, err)
		if again.ID != list[0].ID {
			t.Errorf("a second create made %s beside %s", again.ID, list[0].ID)
		}
	}
	if !caps.Close {
		return
	}
	st.closed(t, callback.AnsweredQuestion)
	p.loseNext(http.MethodPut, http.MethodPatch)
	_, err = c.Edit(t.Context(), list[0], st.work())
	p.clear()
	s.safe(t, err)
	if !fault.Is(err, fault.Ambiguous) {
		t.Errorf("an edit without an answer gives %q: %v", fault.Of(err), err)
	}
	item := s.read(t, c, list[0])
	if item.State.Status != callback.ItemDone {
		t.Errorf("the edit has arrived and is read as %+v", item.State)
	}
	same, err := c.Edit(t.Context(), item, st.work())
	s.must(t, err)
	if same.Version != item.Version {
		t.Error("what has arrived was written a second time")
	}
}

// header is what a fault sends beside its body.
func (f Fault) header(h http.Header) {
	h.Set("Content-Type", "text/html")
	if f.ContentType != "" {
		h.Set("Content-Type", f.ContentType)
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
}
