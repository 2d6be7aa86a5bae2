package fhirr4_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/sandbox"
)

// answering starts a server that speaks FHIR and returns its base URL.
func answering(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// can is a CapabilityStatement: for each type its interactions, and behind a slash its
// search parameters.
func can(types map[string]string) string {
	type coded struct {
		Code string `json:"code,omitempty"`
		Name string `json:"name,omitempty"`
	}
	type resource struct {
		Type        string  `json:"type"`
		Interaction []coded `json:"interaction"`
		SearchParam []coded `json:"searchParam,omitempty"`
	}
	var list []resource
	for name, words := range types {
		r := resource{Type: name}
		interactions, params, _ := strings.Cut(words, "/")
		for _, w := range strings.Fields(interactions) {
			r.Interaction = append(r.Interaction, coded{Code: w})
		}
		for _, w := range strings.Fields(params) {
			r.SearchParam = append(r.SearchParam, coded{Name: w})
		}
		list = append(list, r)
	}
	raw, _ := json.Marshal(map[string]any{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1",
		"rest": []any{map[string]any{"mode": "server", "resource": list}}})
	return string(raw)
}

// sent is a request that a server got.
type sent struct {
	http.Header
	line, body string
}

// office is an EHR as Oracle Health describes its own: a Communication is a message,
// answered with nothing but its address, and only its state extension can be patched.
type office struct {
	t       *testing.T
	mu      sync.Mutex
	held    string // the message, as a read answers it; "": a read finds nothing
	version string
	got     []sent
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/fhir+json")
	switch {
	case r.URL.Path == "/metadata":
		write(w, 200, can(map[string]string{"Communication": "create read search-type patch/_id category received recipient"}))
		return
	case r.Method == http.MethodPost:
		w.Header().Set("Location", "https://"+r.Host+"/r4/tenant/Communication/472894781.0.-4.0")
		w.Header().Set("ETag", `W/"0"`)
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPatch && r.Header.Get("If-Match") != `W/"`+o.version+`"`:
		write(w, 409, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict"}]}`)
	case r.Method == http.MethodPatch:
		w.Header().Set("ETag", `W/"2"`)
		w.WriteHeader(http.StatusOK)
	case o.held == "":
		write(w, 404, "")
	default:
		w.Header().Set("ETag", `W/"`+o.version+`"`)
		write(w, 200, o.held)
	}
	o.got = append(o.got, sent{r.Header, r.Method + " " + r.URL.Path, string(body)})
}

// last returns the last request of a method, and how many there were.
func (o *office) last(method string) (s sent, n int) {
	for _, one := range o.got {
		if strings.HasPrefix(one.line, method) {
			s, n = one, n+1
		}
	}
	return s, n
}

func (o *office) connect(set func(*fhirr4.Config)) *fhirr4.Connector {
	server := httptest.NewServer(o)
	o.t.Cleanup(server.Close)
	cfg := config(server.URL)
	message(&cfg)
	if set != nil {
		set(&cfg)
	}
	return connect(o.t, cfg)
}

const stateURL = "https://fhir-ehr.cerner.com/r4/StructureDefinition/email-status"

func held(state string) string {
	extension := ""
	if state != "" {
		extension = `,"extension":[{"url":"https://ehr.example/reply-to","valueReference":{"reference":"Group/9"}},{"url":"` + stateURL +
			`","valueCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/task-status","code":"` + state + `"}]}}]`
	}
	return `{"resourceType":"Communication","id":"472894781.0.-4.0"` + extension + `,"status":"completed",
		"topic":{"text":"Callback: other request (Ringback urn:uuid:01920000-0000-7000-8000-000000000001)"}}`
}

// TestMessageIsFiled: a 201 without a body, and a read that finds nothing, is a
// success: nobody may send it again.
func TestMessageIsFiled(t *testing.T) {
	o := &office{t: t}
	c := o.connect(nil)
	work := newWork(callback.CommunicationResource)
	item, err := c.Create(t.Context(), work)
	if err != nil || item.ID != "472894781.0.-4.0" || item.Version != "0" || item.Found || item.State.Status != callback.ItemOpen {
		t.Fatalf("id %q version %q %+v, %v", item.ID, item.Version, item.State, err)
	}
	if !slices.Equal(item.Markers, []callback.Marker{work.Link.Marker()}) {
		t.Errorf("markers %v", item.Markers)
	}
	post, n := o.last(http.MethodPost)
	if n != 1 || post.Get("If-None-Exist") != "" || post.Get("Content-Type") != "application/fhir+json" {
		t.Errorf("%d posts, %v", n, post.Header)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(post.body), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"status", "category", "recipient", "sender", "payload", "topic"} {
		if got[name] == nil {
			t.Errorf("%s is missing in %s", name, post.body)
		}
	}
	if len(got) != 8 {
		t.Errorf("members beyond those of a message: %s", post.body)
	}
	if _, err := c.Find(t.Context(), callback.CommunicationResource, work.Link.Marker()); !fault.Is(err, fault.Permanent) {
		t.Errorf("a marker in the topic was searched for: %v", err)
	}
}

// TestMessageStaysAsItWasSent: without a state extension there is nothing to say.
func TestMessageStaysAsItWasSent(t *testing.T) {
	o := &office{t: t, held: held(""), version: "1"}
	c := o.connect(nil)
	item, err := c.Read(t.Context(), callback.CommunicationResource, "472894781.0.-4.0")
	if err != nil || item.State.Status != callback.ItemOpen {
		t.Fatalf("%+v, %v", item.State, err)
	}
	work := newWork(callback.CommunicationResource)
	work.Callback.Status, work.Callback.Outcome = callback.Closed, callback.AnsweredQuestion
	after, err := c.Edit(t.Context(), item, work)
	if err != nil || after.Version != item.Version || len(o.got) != 1 {
		t.Errorf("version %q, %d requests, %v", after.Version, len(o.got), err)
	}
}

// TestMessageIsClosedByItsExtension: with a guarded patch of the extensions, others' kept.
func TestMessageIsClosedByItsExtension(t *testing.T) {
	for state, want := range map[string]callback.ItemStatus{"": callback.ItemOpen, "received": callback.ItemOpen,
		"in-progress": callback.ItemInProgress, "completed": callback.ItemDone, "postponed": ""} {
		o := &office{t: t, held: held(state), version: "1"}
		c := o.connect(func(cfg *fhirr4.Config) { cfg.Communication.StateExtension = stateURL })
		item, err := c.Read(t.Context(), callback.CommunicationResource, "472894781.0.-4.0")
		if err != nil || item.State.Status != want {
			t.Errorf("%q: %+v, %v", state, item.State, err)
			continue
		}
		work := newWork(callback.CommunicationResource)
		work.Callback.Status, work.Callback.Outcome = callback.Closed, callback.AnsweredQuestion
		o.held = held("completed")
		_, err = c.Edit(t.Context(), item, work)
		patch, n := o.last(http.MethodPatch)
		switch {
		case want == "":
			if !fault.Is(err, fault.Permanent) || n != 0 {
				t.Errorf("a state nobody understands was edited: %d, %v", n, err)
			}
			continue
		case want == callback.ItemDone:
			if err != nil || n != 0 {
				t.Errorf("what is done was written again: %d, %v", n, err)
			}
			continue
		}
		done := `{"url":"` + stateURL + `","valueCodeableConcept":{"coding":[{"system":"http://hl7.org/fhir/task-status","code":"completed"}]}}`
		ops := `[{"op":"replace","path":"/extension","value":[{"url":"https://ehr.example/reply-to","valueReference":{"reference":"Group/9"}},` + done + `]}]`
		if state == "" {
			ops = `[{"op":"add","path":"/extension","value":[` + done + `]}]`
		}
		if err != nil || patch.body != ops || patch.Get("If-Match") != `W/"1"` || patch.Get("Content-Type") != "application/json-patch+json" {
			t.Errorf("%q: %v\n%s\n%s\n%v", state, err, patch.body, ops, patch.Header)
		}
		o.version = "2" // somebody was faster
		if _, err := c.Edit(t.Context(), item, work); !fault.Is(err, fault.Conflict) {
			t.Errorf("%q: a 409 gives %q: %v", state, fault.Of(err), err)
		}
	}
}

// TestGuards: what is sent so that an edit does not write over somebody's change.
func TestGuards(t *testing.T) {
	for guard, want := range map[string][2]string{
		"if-match": {`W/"3"`, ""}, "if-unmodified-since": {"", "Mon, 23 Nov 2026 14:00:00 GMT"}, "none": {"", ""},
	} {
		var put http.Header
		base := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/metadata" {
				write(w, 200, can(map[string]string{"Task": "read update"}))
				return
			}
			if r.Method == http.MethodPut {
				put = r.Header
			}
			w.Header().Set("Last-Modified", "Mon, 23 Nov 2026 14:00:00 GMT")
			write(w, 200, `{"resourceType":"Task","id":"7","meta":{"versionId":"3"},"status":"ready","intent":"order"}`)
		})
		cfg := config(base)
		cfg.Guard = guard
		c := connect(t, cfg)
		item, err := c.Read(t.Context(), callback.TaskResource, "7")
		if err != nil || !item.UpdatedAt.Equal(monday) {
			t.Fatalf("changed at %s, %v", item.UpdatedAt, err)
		}
		if _, err := c.Edit(t.Context(), item, newWork(callback.TaskResource)); err != nil {
			t.Fatal(err)
		}
		if got := [2]string{put.Get("If-Match"), put.Get("If-Unmodified-Since")}; got != want {
			t.Errorf("%s: %q, want %q", guard, got, want)
		}
	}
}

// TestSearchesAreNotAnsweredFromACache: HAPI FHIR gives out the result of a search
// again for a minute.
func TestSearchesAreNotAnsweredFromACache(t *testing.T) {
	var mu sync.Mutex
	stale := 0
	searches := 0
	base := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metadata" {
			write(w, 200, can(map[string]string{"Task": "create read search-type/identifier code _lastUpdated"}))
			return
		}
		mu.Lock()
		defer mu.Unlock()
		searches++
		if r.Header.Get("Cache-Control") != "no-cache" {
			stale++
		}
		next := ""
		if !r.URL.Query().Has("page") {
			next = `"link":[{"relation":"next","url":"` + r.URL.Path + `?page=2"}],`
		}
		write(w, 200, `{"resourceType":"Bundle",`+next+`"type":"searchset"}`)
	})
	c := connect(t, config(base))
	if _, err := c.Find(t.Context(), callback.TaskResource, newWork(callback.TaskResource).Link.Marker()); err != nil {
		t.Fatal(err)
	}
	for _, f := range callback.Feeds { // two pages without any order: read twice
		for _, err := range c.Changes(t.Context(), callback.FeedQuery{Feed: f, Since: monday}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if searches != 10 || stale != 0 {
		t.Errorf("%d of %d searches may be answered from a cache", stale, searches)
	}
}

// TestFeedReadsTheRungsInUse: the kind that is filed, and Tasks of an earlier time.
func TestFeedReadsTheRungsInUse(t *testing.T) {
	all := map[string]string{"Task": "create read update search-type/identifier code _lastUpdated"}
	for _, name := range []string{"Communication", "ServiceRequest", "DocumentReference"} {
		all[name] = "create read update search-type/identifier category _lastUpdated"
	}
	without := func(name, words string) map[string]string {
		some := map[string]string{}
		for k, v := range all {
			some[k] = v
		}
		some[name] = words
		return some
	}
	for _, tt := range []struct {
		name string
		can  map[string]string
		set  func(*fhirr4.Config)
		want []string
	}{
		{"Task alone", all, nil, []string{"/Task"}},
		{"a lower rung beside it", all, recipient.set, []string{"/Task", "/Communication"}},
		{"pinned", all, pinned("service-request", code.set).set, []string{"/Task", "/ServiceRequest"}},
		{"a message is in no feed", all, func(c *fhirr4.Config) {
			message(c)
			c.Communication.StateExtension = stateURL
		}, []string{"/Task"}},
		{"no Task", without("Task", "read search-type/patient"), document.set, []string{"/DocumentReference"}},
		{"no search by category", without("Communication", "create read search-type/_lastUpdated"), recipient.set, []string{"/Task"}},
		{"worklist", all, pinned("worklist", nil).set, []string{"/Task"}},
		{"nothing to read", map[string]string{"Task": "create read"}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			base := answering(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/metadata" {
					write(w, 200, can(tt.can))
					return
				}
				asked = append(asked, r.URL.Path)
				if r.URL.Query().Get("code")+r.URL.Query().Get("category") == "" {
					t.Errorf("%s is not narrowed to ours", r.URL)
				}
				write(w, 200, `{"resourceType":"Bundle","type":"searchset"}`)
			})
			cfg := config(base)
			if tt.set != nil {
				tt.set(&cfg)
			}
			c := connect(t, cfg)
			caps, err := c.Capabilities(t.Context())
			if err != nil || caps.ItemFeed != (len(tt.want) > 0) {
				t.Errorf("feed %t, %v", caps.ItemFeed, err)
			}
			for _, err := range c.Changes(t.Context(), callback.FeedQuery{Feed: callback.FeedItems, Since: monday}) {
				if (err != nil) != (tt.want == nil) {
					t.Error(err)
				}
			}
			if !slices.Equal(asked, tt.want) {
				t.Errorf("asked %q, want %q", asked, tt.want)
			}
		})
	}
}

// TestASecondSourceThatFails must not pass for the end of the feed.
func TestASecondSourceThatFails(t *testing.T) {
	box, base := serve(t, sandbox.Options{})
	if err := box.Faults().Add(sandbox.Fault{Method: "GET", PathPrefix: "/Communication", Action: sandbox.ActionStatus, Status: 503}); err != nil {
		t.Fatal(err)
	}
	cfg := config(base)
	recipient.set(&cfg)
	pages, failures := 0, 0
	for _, err := range connect(t, cfg).Changes(t.Context(), callback.FeedQuery{Feed: callback.FeedItems}) {
		if err != nil {
			failures++
			continue
		}
		pages++
	}
	if pages != 1 || failures != 1 {
		t.Errorf("%d pages, %d failures", pages, failures)
	}
}

// TestItStaysAsItWasFiled: an EHR that takes no change is not asked for one.
func TestItStaysAsItWasFiled(t *testing.T) {
	base := answering(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metadata":
			write(w, 200, can(map[string]string{"Task": "create read"}))
		case r.Method == http.MethodGet:
			write(w, 200, `{"resourceType":"Task","id":"7","status":"ready","intent":"order"}`)
		default:
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
	})
	c := connect(t, config(base))
	item, err := c.Read(t.Context(), callback.TaskResource, "7")
	if err != nil {
		t.Fatal(err)
	}
	if after, err := c.Edit(t.Context(), item, newWork(callback.TaskResource)); err != nil || after.Version != item.Version {
		t.Errorf("version %q, %v", after.Version, err)
	}
}

// TestRungsByTheSettings: what is pinned and cannot be had is said, and what lacks a
// setting says which.
func TestRungsByTheSettings(t *testing.T) {
	create := map[string]string{"Task": "create", "Communication": "create", "ServiceRequest": "create", "DocumentReference": "create"}
	lacking := map[string]string{"Task": "read search-type", "Communication": "create", "ServiceRequest": "create", "DocumentReference": "create"}
	for _, tt := range []struct {
		name    string
		can     map[string]string
		set     func(*fhirr4.Config)
		known   callback.ResourceType // with a chart
		unknown callback.ResourceType // without one
		said    string                // among what is told to the operator
	}{
		{"all", create, nil, callback.TaskResource, callback.TaskResource, ""},
		{"no Task, no settings", lacking, nil, callback.Worklist, callback.Worklist, "no work item is filed"},
		{"communication", lacking, recipient.set, callback.CommunicationResource, callback.CommunicationResource, "in whose inbox a Communication lands"},
		{"communication for charts only", lacking, func(c *fhirr4.Config) { recipient.set(c); c.Communication.NeedsPatient = true },
			callback.CommunicationResource, callback.Worklist, ""},
		{"order", lacking, code.set, callback.ServiceRequestResource, callback.Worklist, "no word for being worked on"},
		{"document", lacking, document.set, callback.DocumentReferenceResource, callback.Worklist, "superseded"},
		{"document without a chart", lacking, func(c *fhirr4.Config) { document.set(c); c.DocumentReference.NeedsPatient = false },
			callback.DocumentReferenceResource, callback.DocumentReferenceResource, ""},
		{"an order, and a document for the others", lacking, func(c *fhirr4.Config) { code.set(c); document.set(c); c.DocumentReference.NeedsPatient = false },
			callback.ServiceRequestResource, callback.DocumentReferenceResource, ""},
		{"message without a sender", lacking, func(c *fhirr4.Config) { message(c); c.Communication.Sender = "" }, callback.Worklist, callback.Worklist, ""},
		{"pinned below what is there", create, pinned("communication", recipient.set).set, callback.CommunicationResource, callback.CommunicationResource, ""},
		{"pinned and impossible", lacking, pinned("task", recipient.set).set, callback.Worklist, callback.Worklist,
			"rung is set to task, and Task cannot be filed: it cannot be created here"},
		{"pinned and unset", create, pinned("document-reference", nil).set, callback.Worklist, callback.Worklist, "document_reference.type"},
		{"worklist", create, pinned("worklist", recipient.set).set, callback.Worklist, callback.Worklist, "no work item is filed"},
		{"file again", create, func(c *fhirr4.Config) { c.FileAgain = true }, callback.TaskResource, callback.TaskResource, "twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := answering(t, func(w http.ResponseWriter, _ *http.Request) { write(w, 200, can(tt.can)) })
			cfg := config(base)
			if tt.set != nil {
				tt.set(&cfg)
			}
			caps, err := connect(t, cfg).Capabilities(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if known, unknown := caps.RungFor(true).Type, caps.RungFor(false).Type; known != tt.known || unknown != tt.unknown {
				t.Errorf("%s and %s, want %s and %s", known, unknown, tt.known, tt.unknown)
			}
			if !strings.Contains(strings.Join(caps.Missing, "\n"), tt.said) {
				t.Errorf("%q is not said: %q", tt.said, caps.Missing)
			}
			if len(caps.Rungs) != 4 {
				t.Errorf("%d rungs", len(caps.Rungs))
			}
			for _, r := range caps.Rungs {
				if r.FileAgain != cfg.FileAgain {
					t.Errorf("%s: file again %t", r.Type, r.FileAgain)
				}
			}
		})
	}
}

// TestMarkerSearchThatIsNone: the operator knows better than /metadata.
func TestMarkerSearchThatIsNone(t *testing.T) {
	base := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, can(map[string]string{"Task": "create read search-type/identifier"}))
	})
	for _, never := range []bool{false, true} {
		cfg := config(base)
		cfg.NoMarkerSearch = never
		caps, err := connect(t, cfg).Capabilities(t.Context())
		if err != nil || caps.On(callback.TaskResource).MarkerSearch == never {
			t.Errorf("no_marker_search %t: %+v, %v", never, caps.On(callback.TaskResource), err)
		}
	}
}
