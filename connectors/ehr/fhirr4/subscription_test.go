package fhirr4_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
)

// pushing is a connector before a sandbox that tells of changes.
type pushing struct {
	testing.TB
	clock   *clock.Manual
	box     *sandbox.Server
	ehr     *fhirr4.Connector
	request callback.PushRequest
	refuse  atomic.Bool  // what the sandbox tells
	heard   atomic.Int64 // notifications that came with the right word
}

// subscribed is a Subscription as it stands in the sandbox.
type subscribed struct {
	ID, Status, Reason, Criteria string
	End                          time.Time
	Meta                         struct {
		Profile   []string
		VersionID string `json:"versionId"`
	}
	Channel struct{ Endpoint, Payload string }
}

func newPushing(t *testing.T, o sandbox.Options, change func(*fhirr4.Config)) *pushing {
	t.Helper()
	p := &pushing{TB: t, clock: clock.NewManual(examTime)}
	hears := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch {
		case p.refuse.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Header.Get("Authorization") == "Bearer "+p.request.Secret.Reveal():
			p.heard.Add(1)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(hears.Close)
	o.Clock = p.clock
	if o.Types == nil {
		o.Types = append(sandbox.StandardTypes(), "Subscription")
	}
	box, base := serve(t, o)
	p.box = box
	cfg := config(base)
	if change != nil {
		change(&cfg)
	}
	set := settings(t)
	set.Clock = p.clock
	c, err := fhirr4.New(set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p.ehr = c
	p.request = callback.PushRequest{Endpoint: hears.URL + "/v1/ehr/ehr/notifications", Secret: redact.NewSecret("canary-of-a-secret-word-of-32-chars")}
	return p
}

// push looks once and returns what stands, which must be one for each feed.
func (p *pushing) push() []callback.Push {
	p.Helper()
	all, err := p.ehr.Push(p.Context(), p.request)
	if err != nil {
		p.Fatal(err)
	}
	if len(all) != 2 || all[0].Feed != callback.FeedItems || all[1].Feed != callback.FeedAppointments {
		p.Fatalf("%+v", all)
	}
	return all
}

// states are those of what stands for the feeds.
func (p *pushing) states() [2]callback.PushState {
	p.Helper()
	all := p.push()
	return [2]callback.PushState{all[0].State, all[1].State}
}

func (p *pushing) all() []subscribed {
	p.Helper()
	var list []subscribed
	for _, r := range p.box.Store().List("Subscription") {
		var s subscribed
		if err := json.Unmarshal(r.Raw, &s); err != nil {
			p.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// set changes a member of a Subscription as the EHR, or somebody there, does.
func (p *pushing) set(id, member string, value any) {
	p.Helper()
	if _, err := p.box.Store().Edit("Subscription", id, func(raw json.RawMessage) (json.RawMessage, error) {
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, err
		}
		m[member] = value
		return json.Marshal(m)
	}); err != nil {
		p.Fatal(err)
	}
}

var (
	bothRequested = [2]callback.PushState{callback.PushRequested, callback.PushRequested}
	bothActive    = [2]callback.PushState{callback.PushActive, callback.PushActive}
)

// begin makes both active.
func (p *pushing) begin() []subscribed {
	p.Helper()
	if got := p.states(); got != bothRequested {
		p.Fatal(got)
	}
	p.box.Deliver(p.Context())
	if got := p.states(); got != bothActive {
		p.Fatal(got)
	}
	return p.all()
}

func TestPushAsksOnceForEachFeed(t *testing.T) {
	p := newPushing(t, sandbox.Options{}, nil)
	list := p.begin()
	p.box.ClearRequests()
	for range 5 {
		p.push()
	}
	for _, r := range p.box.Requests() {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s although nothing differs", r.Method, r.Path)
		}
	}
	if len(list) != 2 || len(p.all()) != 2 {
		t.Fatalf("%+v", p.all())
	}
	for i, criteria := range []string{"Task?code=", "Appointment?"} {
		s := list[i]
		if !strings.HasPrefix(s.Criteria, criteria) || s.Channel.Endpoint != p.request.EndpointOf(callback.Feeds[i]) || s.Channel.Payload != "" ||
			!s.End.Equal(examTime.Add(7*24*time.Hour)) || strings.Contains(s.Reason, "canary") {
			t.Errorf("%+v", s)
		}
	}
	front := sandbox.NewFrontDesk(p.box.Store())
	patient, err := front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Ann", BirthDate: "1980-02-03"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := front.Book(sandbox.Booking{PatientID: patient.ID, Start: examTime.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if p.box.Deliver(t.Context()); p.heard.Load() != 1 {
		t.Errorf("a booking was told %d times", p.heard.Load())
	}
}

// TestPushMendsWhatStands: each thing that can happen to a Subscription, and that the
// same one works again afterwards, or another where it is gone.
func TestPushMendsWhatStands(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   func(p *pushing, id string)
		rests   bool // it is left alone for an hour
		another bool
	}{
		"deleted": {func(p *pushing, id string) {
			if err := p.box.Store().Delete("Subscription", id); err != nil {
				p.Fatal(err)
			}
		}, false, true},
		"in error":             {func(p *pushing, id string) { p.set(id, "status", "error") }, false, false},
		"off":                  {func(p *pushing, id string) { p.set(id, "status", "off") }, true, false},
		"other words":          {func(p *pushing, id string) { p.set(id, "reason", "of an earlier version") }, false, false},
		"another secret":       {func(p *pushing, _ string) { p.request.Secret = redact.NewSecret(strings.Repeat("x", 40)) }, false, false},
		"a secret to sign":     {func(p *pushing, _ string) { p.request.SigningSecret = redact.NewSecret(strings.Repeat("y", 40)) }, false, false},
		"near its end":         {func(p *pushing, _ string) { p.clock.Advance(5 * 24 * time.Hour) }, false, false},
		"past its end":         {func(p *pushing, _ string) { p.clock.Advance(8 * 24 * time.Hour) }, false, false},
		"past its end and off": {func(p *pushing, _ string) { p.clock.Advance(8 * 24 * time.Hour); p.box.Deliver(p.Context()) }, false, false},
		"given less than asked": {func(p *pushing, id string) {
			p.set(id, "end", p.clock.Now().Add(30*time.Minute).Format(time.RFC3339))
			p.clock.Advance(21 * time.Minute)
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPushing(t, sandbox.Options{}, nil)
			before := p.begin()[0]
			id := before.ID
			c.spoil(p, id)
			if c.rests {
				if all := p.push(); all[0].State != callback.PushOff || all[0].Problem == "" {
					t.Fatalf("%+v", all[0])
				}
				p.clock.Advance(61 * time.Minute) // the sandbox's times can run ahead by milliseconds
			}
			p.push()
			p.box.Deliver(t.Context())
			after := p.push()
			if after[0].State != callback.PushActive || after[0].Problem != "" || !after[0].Stands(p.clock.Now()) || (after[0].ID != id) != c.another {
				t.Errorf("was %s, is %+v", id, after[0])
			}
			list := p.all()
			if len(list) != 2 {
				t.Fatalf("%d Subscriptions", len(list))
			}
			i := slices.IndexFunc(list, func(s subscribed) bool { return s.ID == after[0].ID })
			if !strings.HasPrefix(list[i].Reason, "Ringback ") || (list[i].Reason == before.Reason) == strings.Contains(name, "secret") {
				t.Errorf("was %+v, is %+v", before, list[i])
			}
		})
	}
}

func TestPushLeavesWhatLasts(t *testing.T) {
	p := newPushing(t, sandbox.Options{}, nil)
	before := p.begin()
	p.clock.Advance(4 * 24 * time.Hour)
	p.push()
	if after := p.all(); after[0].Meta.VersionID != before[0].Meta.VersionID {
		t.Error("renewed while more than a third of its time was left")
	}
	// A server that gives half an hour instead of a week is not asked at every look.
	p.set(before[0].ID, "end", p.clock.Now().Add(30*time.Minute).Format(time.RFC3339))
	short := p.all()[0].Meta.VersionID
	p.clock.Advance(15 * time.Minute)
	p.push()
	if after := p.all(); after[0].Meta.VersionID != short {
		t.Error("renewed while more than a third of what was given was left")
	}
}

func TestPushPutsAnEndToASecond(t *testing.T) {
	p := newPushing(t, sandbox.Options{}, nil)
	list := p.begin()
	foreign := `{"resourceType":"Subscription","status":"active","reason":"not ours","criteria":"Task?","channel":{"type":"rest-hook","endpoint":"https://else.example.org/"}}`
	copied := fmt.Sprintf(`{"resourceType":"Subscription","status":"active","reason":"a copy","criteria":"Task?","channel":{"type":"rest-hook","endpoint":%q}}`, list[0].Channel.Endpoint)
	for _, raw := range []string{copied, copied, foreign} {
		if _, err := p.box.Store().Create([]byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	p.push()
	var states []string
	for _, s := range p.all() {
		states = append(states, s.Status)
	}
	if want := []string{"active", "active", "off", "off", "active"}; !slices.Equal(states, want) {
		t.Errorf("%v, want %v", states, want)
	}
}

// TestPushKeepsWhatWorks: of two the one that works is kept, though it is younger, and
// also where the server cannot search by endpoint and shows those of others.
func TestPushKeepsWhatWorks(t *testing.T) {
	p := newPushing(t, sandbox.Options{}, func(c *fhirr4.Config) {
		to, err := url.Parse(strings.TrimSuffix(c.BaseURL, sandbox.BasePath))
		if err != nil {
			t.Fatal(err)
		}
		through := httputil.NewSingleHostReverseProxy(to)
		blind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			q.Del("url")
			r.URL.RawQuery = q.Encode()
			through.ServeHTTP(w, r)
		}))
		t.Cleanup(blind.Close)
		c.BaseURL = blind.URL + sandbox.BasePath
	})
	list := p.begin()
	raw, err := p.box.Store().Read("Subscription", list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	younger, err := p.box.Store().Create(raw.Raw)
	if err != nil {
		t.Fatal(err)
	}
	p.set(list[0].ID, "status", "error")
	if all := p.push(); all[0].ID != younger.ID || all[0].State != callback.PushActive || all[1].ID != list[1].ID {
		t.Errorf("%+v", all)
	}
}

// TestPushAfterALostAnswer: whether a Subscription was made is found out by looking.
func TestPushAfterALostAnswer(t *testing.T) {
	for _, action := range []sandbox.Action{sandbox.ActionDropAfter, sandbox.ActionDropBefore} {
		p := newPushing(t, sandbox.Options{}, nil)
		if err := p.box.Faults().Add(sandbox.Fault{Method: "POST", PathPrefix: "/Subscription", Times: 1, Action: action}); err != nil {
			t.Fatal(err)
		}
		_, err := p.ehr.Push(t.Context(), p.request)
		if !fault.Is(err, fault.Ambiguous) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", action, err)
		}
		p.push()
		if n := len(p.all()); n != 2 {
			t.Errorf("%s: %d Subscriptions", action, n)
		}
	}
}

func TestPushToATopic(t *testing.T) {
	topics := map[callback.Feed]string{callback.FeedItems: "https://ehr.example.org/topics/task", callback.FeedAppointments: "https://ehr.example.org/topics/appointment"}
	p := newPushing(t, sandbox.Options{Topics: map[string]string{topics[callback.FeedItems]: "Task?", topics[callback.FeedAppointments]: "Appointment?"}},
		func(c *fhirr4.Config) { c.Subscription.Topics = topics; c.Subscription.PayloadContent = "id-only" })
	p.refuse.Store(true)
	p.push()
	p.box.Deliver(t.Context())
	if all := p.all(); all[0].Status != "error" || all[1].Status != "error" {
		t.Fatalf("after handshakes that nobody answered: %+v", all)
	}
	p.refuse.Store(false)
	if got := p.states(); got != bothRequested {
		t.Fatal(got)
	}
	p.box.Deliver(t.Context())
	if got := p.states(); got != bothActive || p.heard.Load() != 2 {
		t.Errorf("%v after %d handshakes", got, p.heard.Load())
	}
	for i, s := range p.all() {
		if s.Criteria != topics[callback.Feeds[i]] || len(s.Meta.Profile) != 1 || s.Channel.Payload != "application/fhir+json" {
			t.Errorf("%+v", s)
		}
	}
}

func TestPushWhereTheClientActivates(t *testing.T) {
	p := newPushing(t, sandbox.Options{ClientActivates: true}, nil)
	p.push()
	p.box.Deliver(t.Context())
	if all := p.push(); all[0].State != callback.PushRequested || !strings.Contains(all[0].Problem, "initial_status") {
		t.Errorf("%+v", all[0])
	}
	p = newPushing(t, sandbox.Options{ClientActivates: true}, func(c *fhirr4.Config) { c.Subscription.InitialStatus = "active" })
	if got := p.states(); got != bothActive {
		t.Error(got)
	}
}

func TestPushWhereItIsNotOffered(t *testing.T) {
	p := newPushing(t, sandbox.Options{Types: sandbox.StandardTypes()}, nil)
	_, err := p.ehr.Push(t.Context(), p.request)
	if !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "subscription.offered") {
		t.Error(err)
	}
	for _, r := range p.box.Requests() {
		if strings.Contains(r.Path, "Subscription") {
			t.Errorf("asked all the same: %s %s", r.Method, r.Path)
		}
	}
}

// TestPushInvariant: whatever happens in the EHR, to the secrets and to the network,
// at most one Subscription per feed is live after each look, and an hour after all is
// well again both tell of changes.
func TestPushInvariant(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPushing(t, sandbox.Options{}, nil)
		pick := func() (string, bool) {
			all := p.all()
			if len(all) == 0 {
				return "", false
			}
			return rapid.SampledFrom(all).Draw(rt, "one").ID, true
		}
		edit := func(member string, value any) func(*rapid.T) {
			return func(*rapid.T) {
				if id, any := pick(); any {
					p.set(id, member, value)
				}
			}
		}
		settle := func() {
			_, _ = p.ehr.Push(t.Context(), p.request)
			live := map[string]int{}
			for _, s := range p.all() {
				if s.Status == "active" || s.Status == "requested" {
					live[s.Channel.Endpoint]++
				}
			}
			for at, n := range live {
				if n > 1 {
					rt.Fatalf("%d live Subscriptions for %s", n, at)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"push":    func(*rapid.T) { settle() },
			"deliver": func(*rapid.T) { p.box.Deliver(t.Context()) },
			"later": func(rt *rapid.T) {
				p.clock.Advance(time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours")) * time.Hour)
			},
			"off":    edit("status", "off"),
			"error":  edit("status", "error"),
			"active": edit("status", "active"),
			"delete": func(*rapid.T) {
				if id, any := pick(); any {
					_ = p.box.Store().Delete("Subscription", id)
				}
			},
			"rotate": func(rt *rapid.T) {
				p.request.Secret = redact.NewSecret(rapid.StringMatching(`[a-z]{32}`).Draw(rt, "secret"))
			},
			"refuse": func(rt *rapid.T) { p.refuse.Store(rapid.Bool().Draw(rt, "refuse")) },
			"lose": func(*rapid.T) {
				_ = p.box.Faults().Add(sandbox.Fault{PathPrefix: "/Subscription", Times: 1, Action: sandbox.ActionDropAfter})
			},
		})
		p.refuse.Store(false)
		p.box.Faults().Clear()
		for range 3 {
			p.clock.Advance(time.Hour)
			settle()
			p.box.Deliver(t.Context())
		}
		if got := p.states(); got != bothActive {
			rt.Fatalf("at the end: %v", got)
		}
	})
}

func TestNotified(t *testing.T) {
	p := newPushing(t, sandbox.Options{}, nil)
	topic := func(kind, status string) string {
		return fmt.Sprintf(`{"resourceType":"Bundle","type":"history","entry":[{"resource":{"resourceType":"Parameters","parameter":[
			{"name":"status","valueCode":%q},{"name":"type","valueCode":%q}]}}]}`, status, kind)
	}
	for body, want := range map[string]callback.NotificationKind{
		"":                                     callback.NotifiedChange,
		"{}":                                   callback.NotifiedChange,
		"no JSON":                              callback.NotifiedChange,
		`{"resourceType":"Task"}`:              callback.NotifiedChange,
		topic("event-notification", "active"):  callback.NotifiedChange,
		topic("query-event", "active"):         callback.NotifiedChange,
		topic("handshake", "requested"):        callback.NotifiedHandshake,
		topic("heartbeat", "active"):           callback.NotifiedHeartbeat,
		topic("heartbeat", "error"):            callback.NotifiedTrouble,
		topic("event-notification", "off"):     callback.NotifiedTrouble,
		topic("something-new", "active"):       callback.NotifiedChange,
		strings.Repeat(`{"resourceType":`, 99): callback.NotifiedChange,
	} {
		if got := p.ehr.Notified([]byte(body)); got != want {
			t.Errorf("%.60s: %s, want %s", body, got, want)
		}
	}
}

func TestSubscriptionConfig(t *testing.T) {
	for want, change := range map[string]func(*fhirr4.SubscriptionConfig){
		"subscription.offered":           func(s *fhirr4.SubscriptionConfig) { s.Offered = "yes" },
		"subscription.initial_status":    func(s *fhirr4.SubscriptionConfig) { s.InitialStatus = "off" },
		"subscription.lifetime":          func(s *fhirr4.SubscriptionConfig) { s.Lifetime = time.Minute },
		"subscription.topics: there is":  func(s *fhirr4.SubscriptionConfig) { s.Topics = map[callback.Feed]string{"tasks": "https://x.example/"} },
		"subscription.topics.work-items": func(s *fhirr4.SubscriptionConfig) { s.Topics = map[callback.Feed]string{"work-items": "task"} },
		"subscription.payload_content":   func(s *fhirr4.SubscriptionConfig) { s.PayloadContent = "full-resource" },
		"subscription.heartbeat":         func(s *fhirr4.SubscriptionConfig) { s.Heartbeat = time.Millisecond },
		"subscription.secret_extension":  func(s *fhirr4.SubscriptionConfig) { s.SecretExtension = "" },
	} {
		cfg := config("https://ehr.example.org/fhir")
		change(&cfg.Subscription)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestExaminePush: what doctor says of each state, and that it only looks.
func TestExaminePush(t *testing.T) {
	find := func(p *pushing, r *callback.PushRequest) (list findings) {
		t.Helper()
		p.box.ClearRequests()
		p.ehr.Examine(t.Context(), ehr.Examination{Push: r}, func(f doctor.Finding) {
			if f.Check == "push" {
				list = append(list, f)
			}
		})
		for _, q := range p.box.Requests() {
			if q.Method != http.MethodGet && !strings.HasSuffix(q.Path, "/_search") {
				t.Errorf("doctor sends %s %s", q.Method, q.Path)
			}
		}
		return list
	}
	expect := func(list findings, n int, s doctor.Status, whose doctor.Party, words string) {
		t.Helper()
		if len(list) != n || list[0].Status != s || list[0].Whose != whose || !strings.Contains(list[0].What, words) {
			t.Errorf("want %d of %s with %q: %+v", n, s, words, list)
		}
	}
	without := newPushing(t, sandbox.Options{Types: sandbox.StandardTypes()}, nil)
	expect(find(without, nil), 1, doctor.Note, doctor.Nobody, "does not offer")
	expect(find(without, &without.request), 1, doctor.Warning, doctor.Vendor, "does not offer")
	p := newPushing(t, sandbox.Options{}, nil)
	expect(find(p, nil), 1, doctor.Note, doctor.Nobody, "not set up")
	expect(find(p, &p.request), 2, doctor.Note, doctor.Nobody, "not asked yet")
	p.push()
	expect(find(p, &p.request), 2, doctor.Note, doctor.Nobody, "not taken it up")
	p.box.Deliver(t.Context())
	expect(find(p, &p.request), 2, doctor.OK, doctor.Nobody, "until 2026-03-15T09:00:00Z")
	id := p.all()[0].ID
	p.set(id, "status", "error")
	expect(find(p, &p.request), 2, doctor.Warning, doctor.EHRAdmin, "could not deliver")
	p.set(id, "status", "active")
	p.clock.Advance(8 * 24 * time.Hour)
	expect(find(p, &p.request), 2, doctor.Note, doctor.Nobody, "come to its end")
}

// TestPushNeedsItsScope: a grant without Subscription is a loss where the EHR is to
// tell of changes, and none where it is not.
func TestPushNeedsItsScope(t *testing.T) {
	v := newVendor(t)
	w := httptest.NewRecorder()
	sandbox.New(sandbox.Options{Types: append(sandbox.StandardTypes(), "Subscription")}).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, sandbox.BasePath+"/metadata", nil))
	v.metadata = w.Body.Bytes()
	v.scopes = "system/Task.crus system/Appointment.crus system/Patient.rs"
	base := withToken(v.start())
	for _, push := range []bool{false, true} {
		set := still(t)
		set.Push = push
		list := examine(t, t.Context(), base, ehr.Examination{}, set)
		if f := list.of("scopes"); strings.Contains(strings.Join(f.More, " "), "Subscription") != push || (f.Status == doctor.OK) == push {
			t.Errorf("push %t: %+v", push, f)
		}
	}
}
