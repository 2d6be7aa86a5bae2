package ringcentral_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/ringcentral"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

const address = "https://phones.example.com/hooks/main-line"

// platform is RingCentral's API: it logs in, and keeps subscriptions.
type platform struct {
	t     *testing.T
	url   string
	clock *clock.Manual
	api   http.HandlerFunc // what is not a subscription

	mu     sync.Mutex
	made   int
	subs   map[string]map[string]any
	asked  []string
	broken map[string]int // by method: the status that is answered
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{t: t, clock: clock.NewManual(began), subs: map[string]map[string]any{}, broken: map[string]int{}}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.URL.Path == "/restapi/oauth/token" {
		user, password, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || r.FormValue("assertion") != "jwt" || user != "client" || password != "api-secret" {
			p.t.Errorf("asked for a token with %q as %q", r.FormValue("grant_type"), user)
		}
		io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer t" {
		p.t.Error("no token")
	}
	id, isSub := strings.CutPrefix(r.URL.Path, "/restapi/v1.0/subscription")
	if !isSub {
		p.api(w, r)
		return
	}
	id = strings.TrimPrefix(id, "/")
	p.asked = append(p.asked, strings.TrimSpace(r.Method+" "+id))
	if status := p.broken[r.Method]; status != 0 {
		w.WriteHeader(status)
		return
	}
	p.subscription(w, r, id)
}

func (p *platform) subscription(w http.ResponseWriter, r *http.Request, id string) {
	var body map[string]any
	json.NewDecoder(r.Body).Decode(&body)
	if id != "" && p.subs[id] == nil {
		http.NotFound(w, r)
		return
	}
	switch r.Method + " " + fmt.Sprint(id != "") {
	case "GET false":
		records := []any{}
		for _, s := range p.subs {
			records = append(records, s)
		}
		json.NewEncoder(w).Encode(map[string]any{"records": records})
		return
	case "POST false":
		p.made++
		id = fmt.Sprintf("sub-%d", p.made)
		body["id"], body["status"] = id, "Active"
		p.subs[id] = body
	case "DELETE true":
		delete(p.subs, id)
		w.WriteHeader(http.StatusNoContent)
		return
	case "PUT true":
		p.subs[id]["expiresIn"] = body["expiresIn"]
	}
	if r.Method != http.MethodGet {
		p.subs[id]["expirationTime"] = p.clock.Now().Add(time.Duration(body["expiresIn"].(float64)) * time.Second).Format(time.RFC3339)
	}
	json.NewEncoder(w).Encode(p.subs[id])
}

// took returns what was asked since the last time.
func (p *platform) took() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.asked, ", ")
	p.asked = nil
	return s
}

func (p *platform) system(secrets ...string) *ringcentral.WithAPI {
	p.t.Helper()
	s := phone.Settings{ID: "main-line", Clock: p.clock, Secret: func(_, env, _ string) (redact.Secret, error) { return redact.NewSecret(env), nil }}
	for _, secret := range secrets {
		s.Secrets = append(s.Secrets, redact.NewSecret(secret))
	}
	sys, err := ringcentral.New(s, func(into any) error {
		*into.(*ringcentral.Config) = ringcentral.Config{BaseURL: p.url + "/", ClientID: "client", ClientSecretEnv: "api-secret", JWTEnv: "jwt", Queues: []string{queue}, VoicemailExtensions: []string{queue, desk}}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return sys.(*ringcentral.WithAPI)
}

func TestSubscribe(t *testing.T) {
	p := newPlatform(t)
	sys := p.system(secret)
	must := func(have phone.Subscription, s *ringcentral.WithAPI, want string) phone.Subscription {
		t.Helper()
		got, err := s.Subscribe(t.Context(), address, have)
		if err != nil {
			t.Fatal(err)
		}
		if asked := p.took(); asked != want {
			t.Errorf("asked %s; want %s", asked, want)
		}
		if !got.RenewAt.Equal(p.clock.Now().Add(15*time.Minute)) || !got.Until.After(got.RenewAt) || strings.Contains(got.ID, secret) {
			t.Errorf("%+v", got)
		}
		return got
	}
	have := must(phone.Subscription{}, sys, "GET, POST")
	made := p.subs["sub-1"]
	delivery := made["deliveryMode"].(map[string]any)
	if fmt.Sprint(made["eventFilters"]) != "[/restapi/v1.0/account/~/telephony/sessions /restapi/v1.0/account/~/extension/201/voicemail /restapi/v1.0/account/~/extension/101/voicemail]" ||
		delivery["address"] != address || delivery["verificationToken"] != secret || delivery["transportType"] != "WebHook" {
		t.Errorf("%v", made)
	}
	if until := began.Add(7 * 24 * time.Hour); !have.Until.Equal(until) {
		t.Errorf("until %s", have.Until)
	}
	have = must(have, sys, "GET sub-1") // it is good for long
	p.clock.Advance(4 * 24 * time.Hour)
	have = must(have, sys, "GET sub-1, PUT sub-1")
	if !have.Until.Equal(p.clock.Now().Add(7 * 24 * time.Hour)) {
		t.Errorf("not renewed: until %s", have.Until)
	}

	p.subs["sub-1"]["status"] = "Blacklisted"
	have = must(have, sys, "GET sub-1, GET, DELETE sub-1, POST")
	delete(p.subs, "sub-2") // it ran out
	have = must(have, sys, "GET sub-2, GET, POST")
	have = must(have, p.system("new-token", secret), "GET, DELETE sub-3, POST") // the secret is rotated
	if p.subs["sub-4"]["deliveryMode"].(map[string]any)["verificationToken"] != "new-token" || len(p.subs) != 1 {
		t.Errorf("%v", p.subs)
	}
	p.subs["other"] = map[string]any{"id": "other", "deliveryMode": map[string]any{"address": "https://elsewhere.example.com/"}}
	must(phone.Subscription{}, p.system("new-token"), "GET, DELETE sub-4, POST") // what was made, and whose answer was lost
	if p.subs["other"] == nil {
		t.Error("the subscription of somebody else was deleted")
	}
	_ = have
}

func TestSubscribeFails(t *testing.T) {
	for method, want := range map[string]fault.Disposition{http.MethodPost: fault.Ambiguous, http.MethodGet: fault.Retry} {
		p := newPlatform(t)
		p.broken[method] = 500
		if _, err := p.system(secret).Subscribe(t.Context(), address, phone.Subscription{}); fault.Of(err) != want || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", method, err)
		}
	}
	p := newPlatform(t)
	sys := p.system(secret)
	have, err := sys.Subscribe(t.Context(), address, phone.Subscription{})
	if err != nil {
		t.Fatal(err)
	}
	p.broken[http.MethodGet] = 503
	if got, err := sys.Subscribe(t.Context(), address, have); err == nil || got != have || p.subs["sub-1"] == nil {
		t.Errorf("%+v, %v: a subscription that cannot be looked at is given up", got, err)
	}
}

func TestHistory(t *testing.T) {
	p := newPlatform(t)
	rec := func(id, result, more string) string {
		return `{"id":"r` + id + `","telephonySessionId":"s-` + id + `","sessionId":"` + id + `","startTime":"2026-03-02T16:00:00.000Z","duration":55,"type":"Voice","direction":"Inbound","result":"` + result +
			`","from":{"phoneNumber":"+12125550123"},"to":{"phoneNumber":"+12125550100"},"future":[1]` + more + `}`
	}
	leg := func(result, extension, more string) string {
		return `{"startTime":"2026-03-02T16:00:00.000Z","duration":55,"type":"Voice","direction":"Outbound","result":"` + result + `","extension":{"id":` + extension + `}` + more + `}`
	}
	const message = `,"message":{"id":"82063400004","type":"VoiceMail","uri":"https://example.com/m"}`
	pages := []string{
		`{"records":[` + strings.Join([]string{
			rec("1", "Accepted", `,"legs":[`+leg("Accepted", queue, "")+`,`+leg("Accepted", desk, "")+`]`),
			rec("2", "Accepted", `,"legs":[`+leg("Accepted", queue, "")+`]`),
			rec("3", "Voicemail", `,"legs":[`+leg("Missed", desk, "")+`]`+message),
			rec("4", "Missed", ""),
		}, ",") + `],"navigation":{"nextPage":{"uri":"https://example.com/2"}}}`,
		`{"records":[` + strings.Join([]string{
			rec("5", "Answered Not Accepted", ""), rec("6", "Levitated", ""), rec("7", "Busy", ""), rec("8", "Blocked", ""), rec("9", "Call Failed", ""),
			strings.Replace(rec("10", "Received", ""), "Voice", "Fax", 1),
			strings.Replace(rec("11", "Call connected", ""), `"direction":"Inbound"`, `"direction":"Outbound"`, 1),
			strings.NewReplacer(`"phoneNumber":"+12125550123"`, `"extensionNumber":"101"`, `"phoneNumber":"+12125550100"`, `"extensionNumber":"102"`).Replace(rec("12", "Missed", "")),
		}, ",") + `],"navigation":{}}`,
	}
	p.api = func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/restapi/v1.0/account/~/call-log" || q.Get("view") != "Detailed" || q.Get("dateFrom") != "2026-03-02T16:00:00Z" || q.Get("dateTo") != "2026-03-03T16:00:00Z" || q.Has("direction") {
			t.Errorf("asked %s", r.URL)
		}
		w.Header().Set("X-Rate-Limit-Remaining", "9")
		w.Header().Set("X-Rate-Limit-Window", "60")
		io.WriteString(w, pages[q.Get("page")[0]-'1'])
	}
	sys := p.system(secret)
	var legs []calls.Leg
	skipped := 0
	err := sys.History(t.Context(), callback.Span{From: began, Until: began.Add(24 * time.Hour)}, func(events []phone.Event) error {
		for _, e := range events {
			report, err := sys.Read(e)
			if err != nil || e.Form != phone.FormHistory || e.Key == "" {
				t.Fatalf("%+v, %v", e, err)
			}
			if report.Skip != "" {
				skipped++
			}
			legs = append(legs, report.Legs...)
		}
		return nil
	})
	if err != nil || skipped != 1 {
		t.Fatalf("%d skipped, %v", skipped, err)
	}
	want := map[string]calls.Verdict{
		"s-1": calls.VerdictAnswered, "s-2": calls.VerdictAbandonedQueue, "s-3": calls.VerdictVoicemail, "s-4": calls.VerdictAbandonedRing, "s-5": calls.VerdictAbandonedRing, "s-6": calls.VerdictAbandonedRing,
		"s-7": calls.VerdictBusy, "s-8": calls.VerdictRejected, "s-9": calls.VerdictFailed, "s-11": calls.VerdictOutbound, "s-12": calls.VerdictInternal,
	}
	for _, s := range calls.Collapse(calls.Latest(legs), calls.DefaultRules()) {
		if s.Verdict != want[s.ID] {
			t.Errorf("%s: %s, %v", s.ID, s.Verdict, s.Reasons)
		}
		if (s.ID == "s-3") != (s.Message.ID == "82063400004") || (s.ID == "s-1" || s.ID == "s-11") != (s.Talk == 55*time.Second) {
			t.Errorf("%s: %+v, talked for %s", s.ID, s.Message, s.Talk)
		}
		delete(want, s.ID)
	}
	if len(want) > 0 {
		t.Errorf("not seen: %v", want)
	}
}

func TestHistoryFails(t *testing.T) {
	p := newPlatform(t)
	span := callback.Span{From: began, Until: began.Add(time.Hour)}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want fault.Disposition
	}{
		"throttled":      {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "60"); w.WriteHeader(429) }, fault.Throttled},
		"no permission":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, fault.Unauthorized},
		"not JSON":       {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, fault.Retry},
		"something else": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, fault.Retry},
		"broken in between": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") == "2" {
				w.WriteHeader(500)
				return
			}
			io.WriteString(w, `{"records":[],"navigation":{"nextPage":{}}}`)
		}, fault.Retry},
	} {
		p.api = c.h
		if err := p.system(secret).History(t.Context(), span, func([]phone.Event) error { return nil }); fault.Of(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := errors.New("disk full")
	p.api = func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"records":[]}`) }
	if err := p.system(secret).History(t.Context(), span, func([]phone.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("the error of page is lost: %v", err)
	}
}

func TestConfig(t *testing.T) {
	settings := phone.Settings{ID: "x", Secrets: []redact.Secret{redact.NewSecret("s")}}
	for name, cfg := range map[string]ringcentral.Config{
		"secrets alone": {JWTEnv: "E"}, "no reader of secrets": {ClientID: "c"}, "a name": {Queues: []string{"Front desk"}},
		"checked too often": {Check: time.Second}, "checked too seldom": {Check: time.Hour, Lifetime: time.Hour}, "for ever": {Lifetime: 20 * 365 * 24 * time.Hour},
	} {
		if _, err := ringcentral.New(settings, func(into any) error { *into.(*ringcentral.Config) = cfg; return nil }); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := ringcentral.New(phone.Settings{ID: "x"}, nil); err == nil {
		t.Error("made without a secret")
	}
	sys, err := ringcentral.New(settings, nil)
	_, subscribes := sys.(phone.Subscriber)
	_, history := sys.(phone.Historian)
	if err != nil || subscribes || history {
		t.Errorf("without a client it has no API: %v", err)
	}
	if k := ringcentral.Kind(); k.Name != "ringcentral" || k.New == nil || k.What == "" {
		t.Errorf("%+v", k)
	}
}
