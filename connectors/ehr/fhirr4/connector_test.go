package fhirr4_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/sandbox"
)

const scopes = "system/*.cruds"

func tokenURL(base string) string { return strings.TrimSuffix(base, sandbox.BasePath) + "/token" }

// fetchToken gets an access token for staff.
func fetchToken(t *testing.T, base string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"ringback"}, "client_secret": {secret}, "scope": {scopes}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tokenURL(base), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.AccessToken == "" {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return got.AccessToken
}

func text(s string) redact.Text { return redact.NewText(s) }

var monday = time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)

// newWork is a work item for the type.
func newWork(resource callback.ResourceType) callback.WorkItem {
	c := callback.Capture(callback.Request{Clinic: "main-street", Source: "webform", ReceivedAt: monday,
		Caller: callback.Caller{Name: text("Ann Lee"), Phone: text("+15555550101")}}, monday).Callback
	return callback.WorkItem{Link: callback.NewLink(c, "ehr", resource, monday), Callback: c}
}

// scripted is a server that answers with what a test says and counts requests.
func scripted(t *testing.T, answer http.HandlerFunc) (*fhirr4.Connector, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		w.Header().Set("Content-Type", "application/fhir+json")
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return connect(t, config(server.URL)), &n
}

func write(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// statement is a CapabilityStatement of a server that can do little.
const statement = `{"resourceType":"CapabilityStatement","status":"active","date":"2026-01-01","kind":"instance","fhirVersion":"4.0.1",
	"format":["json"],"software":{"name":"Tiny","version":"1"},"rest":[{"mode":"server","resource":[{"type":"Task",
	"interaction":[{"code":"create"},{"code":"read"}],"conditionalCreate":%s}]}]}`

func TestCapabilitiesAreAskedForOnce(t *testing.T) {
	c, n := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, strings.Replace(statement, "%s", "false", 1))
	})
	for range 3 {
		caps, err := c.Capabilities(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rung := caps.RungFor(false)
		if caps.Software != "Tiny 1" || rung.Type != callback.TaskResource || rung.Close || caps.Proposal.Usable() || rung.MarkerSearch || !rung.ReadBack {
			t.Fatalf("%+v", caps)
		}
		for _, word := range []string{"updated", "identifier", "Appointment cannot be searched", "phone", "mrn_system"} {
			if !slices.ContainsFunc(caps.Missing, func(m string) bool { return strings.Contains(m, word) }) {
				t.Errorf("the operator is not told about %q: %q", word, caps.Missing)
			}
		}
	}
	if n.Load() != 1 {
		t.Errorf("%d requests", n.Load())
	}
}

// TestNothingIsRememberedOfAFailure: the next call asks again.
func TestNothingIsRememberedOfAFailure(t *testing.T) {
	var well atomic.Bool
	c, _ := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			write(w, 503, "")
			return
		}
		write(w, 200, strings.Replace(statement, "%s", "true", 1))
	})
	if _, err := c.Capabilities(t.Context()); !fault.Is(err, fault.Retry) {
		t.Fatalf("%v", err)
	}
	if _, err := c.Create(t.Context(), newWork(callback.TaskResource)); !fault.Is(err, fault.Retry) {
		t.Errorf("nothing was sent, and a create gives %q: %v", fault.Of(err), err)
	}
	well.Store(true)
	if caps, err := c.Capabilities(t.Context()); err != nil || !caps.RungFor(false).ConditionalCreate {
		t.Fatalf("%+v, %v", caps, err)
	}
}

// TestCreateWithoutMetadata: a server that hides /metadata still takes a create,
// without a condition that it may not know.
func TestCreateWithoutMetadata(t *testing.T) {
	for _, status := range []int{401, 403, 404, 422} {
		var condition atomic.Value
		c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				write(w, status, "")
				return
			}
			condition.Store(r.Header.Get("If-None-Exist"))
			write(w, 201, `{"resourceType":"Task","id":"7","status":"ready","intent":"order"}`)
		})
		item, err := c.Create(t.Context(), newWork(callback.TaskResource))
		if err != nil || item.ID != "7" || condition.Load() != "" {
			t.Errorf("%d: id %q, condition %v, %v", status, item.ID, condition.Load(), err)
		}
	}
}

// TestCreateOnAServerThatSaysLittle: an empty answer is read back, and when that
// fails, it was made all the same and holds what was sent.
func TestCreateOnAServerThatSaysLittle(t *testing.T) {
	var readable atomic.Bool
	readable.Store(true)
	var version atomic.Value
	version.Store("1")
	work := newWork(callback.TaskResource)
	c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metadata":
			write(w, 200, strings.Replace(statement, "%s", "true", 1))
		case r.Method == http.MethodPost:
			want := url.Values{"identifier": {"urn:ietf:rfc:3986|" + string(work.Link.Marker())}}.Encode()
			if got := r.Header.Get("If-None-Exist"); got != want {
				t.Errorf("If-None-Exist is %q, want %q", got, want)
			}
			w.Header().Set("Location", "https://elsewhere.example/Task/7/_history/1")
			w.WriteHeader(http.StatusCreated)
		case readable.Load():
			w.Header().Set("ETag", `W/"`+version.Load().(string)+`"`)
			write(w, 200, `{"resourceType":"Task","id":"7","status":"in-progress","intent":"order"}`)
		default:
			write(w, 500, "")
		}
	})
	item, err := c.Create(t.Context(), work)
	if err != nil || item.ID != "7" || item.Version != "1" || item.State.Status != callback.ItemInProgress {
		t.Fatalf("id %q version %q %+v, %v", item.ID, item.Version, item.State, err)
	}
	version.Store("2") // staff were quick: what they did is seen later, as theirs
	item, err = c.Create(t.Context(), work)
	if err != nil || item.Version != "1" || item.State.Status != callback.ItemOpen {
		t.Errorf("changed at once: version %q %+v, %v", item.Version, item.State, err)
	}
	readable.Store(false)
	item, err = c.Create(t.Context(), work)
	if err != nil || item.ID != "7" || item.Version != "1" || !slices.Contains(item.Markers, work.Link.Marker()) || item.State.Status != callback.ItemOpen {
		t.Errorf("made and not read back gives id %q version %q %+v, %v", item.ID, item.Version, item.State, err)
	}
}

// TestEditOnAServerThatSaysLittle: what is read back after an empty answer is taken for
// what was written only where it is; else what staff did meanwhile would be swallowed.
func TestEditOnAServerThatSaysLittle(t *testing.T) {
	const (
		task   = `{"resourceType":"Task","id":"7","intent":"order","status":"%s","priority":"urgent"%s}`
		theirs = `,"note":[{"authorString":"Kim","time":"2026-11-24T10:00:00Z","text":"left a message"}]`
	)
	for _, c := range []struct {
		name    string
		written string // version by the answer; empty: it does not say
		status  string // as read back; empty: as it was sent
		more    string
		known   bool
	}{
		{"nobody else", "", "", "", true},
		{"staff put it on hold", "", "on-hold", "", false},
		{"staff wrote a note", "", "", theirs, false},
		{"not written at all", "", "ready", "", false},
		{"by its version", "2", "on-hold", theirs, true},
		{"by its version, another", "3", "on-hold", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent atomic.Value
			con, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/metadata":
					write(w, 200, strings.NewReplacer("%s", "true", `{"code":"read"}`, `{"code":"read"},{"code":"update"}`).Replace(statement))
				case r.Method == http.MethodPut:
					body, _ := io.ReadAll(r.Body)
					sent.Store(string(body))
					if c.written != "" {
						w.Header().Set("ETag", `W/"`+c.written+`"`)
					}
					w.WriteHeader(http.StatusOK)
				default:
					w.Header().Set("ETag", `W/"2"`)
					back := sent.Load().(string)
					if c.status != "" {
						back = fmt.Sprintf(task, c.status, "")
					}
					write(w, 200, strings.TrimSuffix(back, "}")+c.more+"}")
				}
			})
			work := newWork(callback.TaskResource)
			work.Link.RemoteID = "7"
			before := fmt.Sprintf(task, "on-hold", "")
			item, err := con.Edit(t.Context(), callback.Item{Type: callback.TaskResource, ID: "7", Version: "1", Raw: []byte(before)}, work)
			if c.known && (err != nil || item.Version != "2") || !c.known && !fault.Is(err, fault.Ambiguous) {
				t.Errorf("version %q, %v", item.Version, err)
			}
		})
	}
}

// TestSeveralCarryTheMarker: a conditional create that finds two must lead to a
// search, not to a person.
func TestSeveralCarryTheMarker(t *testing.T) {
	c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metadata" {
			write(w, 200, strings.Replace(statement, "%s", "true", 1))
			return
		}
		write(w, 412, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"multiple-matches"}]}`)
	})
	if _, err := c.Create(t.Context(), newWork(callback.TaskResource)); !fault.Is(err, fault.Ambiguous) {
		t.Errorf("%q: %v", fault.Of(err), err)
	}
}

// TestFindOnAServerThatIgnoresIdentifier: it answers with its whole inbox.
func TestFindOnAServerThatIgnoresIdentifier(t *testing.T) {
	work := newWork(callback.TaskResource)
	mine := func(id string) string {
		return `{"search":{"mode":"match"},"resource":{"resourceType":"Task","id":"` + id + `","status":"ready","intent":"order","identifier":[{"system":"urn:ietf:rfc:3986","value":"` + string(work.Link.Marker()) + `"}]}}`
	}
	c, _ := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, `{"resourceType":"Bundle","type":"searchset","entry":[`+mine("100")+`,
			{"resource":{"resourceType":"Task","id":"5","status":"ready","intent":"order"}},`+mine("20")+`,
			{"search":{"mode":"include"},"resource":{"resourceType":"Patient","id":"1"}}]}`)
	})
	found, err := c.Find(t.Context(), callback.TaskResource, work.Link.Marker())
	if err != nil || len(found) != 2 || found[0].ID != "20" || found[1].ID != "100" {
		t.Errorf("%d found, %v", len(found), err)
	}
}

// TestEditWithoutVersions: a hash of ours is not a version of theirs.
func TestEditWithoutVersions(t *testing.T) {
	var guard atomic.Value
	body := `{"resourceType":"Task","id":"7","status":"ready","intent":"order"}`
	c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			guard.Store(r.Header.Get("If-Match"))
		}
		write(w, 200, body)
	})
	item, err := c.Read(t.Context(), callback.TaskResource, "7")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Edit(t.Context(), item, newWork(callback.TaskResource)); err != nil || guard.Load() != "" {
		t.Errorf("If-Match %v, %v", guard.Load(), err)
	}
	for _, wrong := range []callback.Item{{}, {Type: callback.TaskResource, ID: "7"}, {Type: callback.AppointmentResource, ID: "7", Raw: item.Raw}} {
		if _, err := c.Edit(t.Context(), wrong, newWork(callback.TaskResource)); !fault.Is(err, fault.Permanent) {
			t.Errorf("an edit that starts from nothing gives %q: %v", fault.Of(err), err)
		}
	}
}

// TestWhatCannotBeWritten names the member, says what to do, and holds no value.
func TestWhatCannotBeWritten(t *testing.T) {
	c, n := scripted(t, func(w http.ResponseWriter, _ *http.Request) { write(w, 500, "") })
	work := newWork(callback.TaskResource)
	work.Callback.Patient = callback.Patient{Keys: callback.PatientKeys{EHRID: text("Ann Lee")}, Resolution: callback.Certain}
	if _, err := c.Create(t.Context(), work); !fault.Is(err, fault.Permanent) || strings.Contains(err.Error(), "Ann") || !strings.Contains(err.Error(), ";") {
		t.Errorf("create: %v", err)
	}
	odd := callback.Item{Type: callback.TaskResource, ID: "7", Raw: []byte(`{"resourceType":"Task","id":"7","status":"postponed","intent":"order"}`)}
	if _, err := c.Edit(t.Context(), odd, newWork(callback.TaskResource)); !fault.Is(err, fault.Permanent) || !strings.Contains(err.Error(), "postponed") {
		t.Errorf("edit: %v", err)
	}
	if n.Load() != 0 {
		t.Errorf("%d requests were sent", n.Load())
	}
}

func TestFeedsAskForWhatChanged(t *testing.T) {
	var asked atomic.Value
	c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path + "?" + r.URL.Query().Encode())
		write(w, 200, `{"resourceType":"Bundle","type":"searchset"}`)
	})
	since := time.Date(2026, 11, 23, 9, 0, 0, 999_999_999, time.FixedZone("", -5*3600))
	kind := "https://ringback-health.github.io/fhir/CodeSystem/task-kind|callback"
	day := time.Now().Add(-24 * time.Hour).In(settings(t).Zone).Format(time.DateOnly)
	for _, tt := range []struct {
		feed  callback.Feed
		since time.Time
		path  string
		want  url.Values
	}{
		{callback.FeedItems, time.Time{}, "/Task", url.Values{"code": {kind}}},
		{callback.FeedItems, since, "/Task", url.Values{"code": {kind}, "_lastUpdated": {"ge2026-11-23T14:00:00Z"}}},
		{callback.FeedAppointments, time.Time{}, "/Appointment", url.Values{"date": {"ge" + day}}},
		{callback.FeedAppointments, since, "/Appointment", url.Values{"_lastUpdated": {"ge2026-11-23T14:00:00Z"}}},
	} {
		tt.want.Set("_sort", "_lastUpdated")
		tt.want.Set("_count", "100")
		for _, err := range c.Changes(t.Context(), callback.FeedQuery{Feed: tt.feed, Since: tt.since}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if want := tt.path + "?" + tt.want.Encode(); asked.Load() != want {
			t.Errorf("%s since %s asks for\n%s, want\n%s", tt.feed, tt.since, asked.Load(), want)
		}
	}
	for _, err := range c.Changes(t.Context(), callback.FeedQuery{Feed: "faxes", Since: since}) {
		if !fault.Is(err, fault.Permanent) {
			t.Errorf("a feed that does not exist gives %v", err)
		}
	}
}

// TestFeedsAskForSlices: each is twice as long as the one before, but for the overlap in
// the first, and the last reaches the present by the EHR's clock.
func TestFeedsAskForSlices(t *testing.T) {
	var asked []string
	c, _ := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, strings.Join(r.URL.Query()["_lastUpdated"], " "))
		w.Header().Set("Date", "Mon, 23 Nov 2026 14:20:00 GMT")
		write(w, 200, `{"resourceType":"Bundle","type":"searchset"}`)
	})
	var reached []string
	q := callback.FeedQuery{Feed: callback.FeedAppointments, Since: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC), Overlap: 2 * time.Minute, Slice: 5 * time.Minute}
	for page, err := range c.Changes(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if page.Body == nil {
			reached = append(reached, page.Reached.Format("15:04"))
		}
	}
	if want := []string{"ge2026-11-23T14:00:00Z lt2026-11-23T14:07:01Z", "ge2026-11-23T14:07:00Z lt2026-11-23T14:17:01Z",
		"ge2026-11-23T14:17:00Z lt2026-11-23T14:37:01Z"}; !slices.Equal(asked, want) {
		t.Errorf("asked for\n%s, want\n%s", strings.Join(asked, "\n"), strings.Join(want, "\n"))
	}
	if want := []string{"14:07", "14:17"}; !slices.Equal(reached, want) {
		t.Errorf("reached %v, want %v", reached, want)
	}
}

// TestPHIStaysOutOfURLs: names, birth dates and numbers go in the body, unless the
// operator says that the EHR cannot do that.
func TestPHIStaysOutOfURLs(t *testing.T) {
	for _, post := range []bool{true, false} {
		var lines []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			lines = append(lines, r.Method+" "+r.URL.String())
			w.Header().Set("Content-Type", "application/fhir+json")
			write(w, 200, `{"resourceType":"Bundle","type":"searchset"}`)
		}))
		cfg := config(server.URL)
		cfg.SearchByPost = post
		c := connect(t, cfg)
		for _, q := range []callback.PatientQuery{
			{MRN: text("canary-7")}, {Name: text("Canary Lee"), BirthDate: text("1980-02-29")}, {Name: text("Canary Lee")}, {Phone: text("+15555550101")},
		} {
			if _, err := c.Patients(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		server.Close()
		all := strings.ToLower(strings.Join(lines, "\n"))
		leaked := strings.Contains(all, "canary") || strings.Contains(all, "1980") || strings.Contains(all, "5550101")
		if leaked == post || len(lines) != 5 {
			t.Errorf("by post %t, and the requests were\n%s", post, all)
		}
	}
}

// TestPatientsAreFoundInAPractice looks for the made-up patients of the sandbox.
func TestPatientsAreFoundInAPractice(t *testing.T) {
	box, base := serve(t, sandbox.Options{})
	if _, err := sandbox.SeedClinic(box.Store(), sandbox.ClinicOptions{Now: monday}); err != nil {
		t.Fatal(err)
	}
	c := connect(t, config(base))
	for _, tt := range []struct {
		name string
		q    callback.PatientQuery
		want int
	}{
		{"a family on one number", callback.PatientQuery{Phone: text("+12125550101")}, 3},
		{"a number with dots in the chart", callback.PatientQuery{Phone: text("2125550108")}, 2},
		{"an accent in the chart", callback.PatientQuery{Name: text("Maria Garcia"), BirthDate: text("1993-10-08")}, 1},
		{"the name alone", callback.PatientQuery{Name: text("Garcia, Maria")}, 2},
		{"the same name, other birth date", callback.PatientQuery{Name: text("James Lee"), BirthDate: text("1989-08-25")}, 1},
		{"accents of the caller", callback.PatientQuery{Name: text("tomas novak"), BirthDate: text("1966-06-06")}, 1},
		{"a brother", callback.PatientQuery{Phone: text("+12125550101"), Name: text("Owen Whitfield")}, 1},
		{"nobody", callback.PatientQuery{Name: text("Nemo Nobody"), BirthDate: text("1966-06-06")}, 0},
		{"misspelt", callback.PatientQuery{Name: text("Tommas Nowak"), BirthDate: text("1966-06-06")}, 0},
		{"misspelt, and similar ones wanted", callback.PatientQuery{Name: text("Tommas Nowak"), BirthDate: text("1966-06-06"), Similar: true}, 1},
		{"misspelt, and of another day", callback.PatientQuery{Name: text("Tommas Nowak"), BirthDate: text("1966-06-07"), Similar: true}, 0},
		{"somebody else of that day", callback.PatientQuery{Name: text("Nemo Nobody"), BirthDate: text("1966-06-06"), Similar: true}, 0},
	} {
		charts, err := c.Patients(t.Context(), tt.q)
		if err != nil || len(charts) != tt.want {
			t.Errorf("%s: %d charts, want %d, %v", tt.name, len(charts), tt.want, err)
		}
	}
}

// TestMergedChartByItsOldID: an EHR shows the old chart and its link, or answers with the
// chart that replaced it.
func TestMergedChartByItsOldID(t *testing.T) {
	for body, want := range map[string]struct{ id, into string }{
		`{"resourceType":"Patient","id":"old","active":false,"link":[{"type":"replaced-by","other":{"reference":"Patient/new"}}]}`: {"old", "new"},
		`{"resourceType":"Patient","id":"new","link":[{"type":"replaces","other":{"reference":"Patient/old"}}]}`:                   {"old", "new"},
		`{"resourceType":"Patient","id":"new","link":[{"type":"replaced-by","other":{"reference":"Patient/newer"}}]}`:              {"old", "new"}, // followed once
		`{"resourceType":"Patient","id":"old"}`: {"old", ""},
	} {
		c, _ := scripted(t, func(w http.ResponseWriter, _ *http.Request) { write(w, 200, body) })
		charts, err := c.Patients(t.Context(), callback.PatientQuery{ID: text("old")})
		if err != nil || len(charts) != 1 || charts[0].ID.Reveal() != want.id || charts[0].MergedInto.Reveal() != want.into {
			t.Errorf("%s: %d charts, %v", body, len(charts), err)
		}
	}
}

func TestChartNumberInItsSystem(t *testing.T) {
	c, _ := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, `{"resourceType":"Bundle","type":"searchset","entry":[
			{"resource":{"resourceType":"Patient","id":"1","identifier":[{"system":"urn:mrn","value":"77"}]}},
			{"resource":{"resourceType":"Patient","id":"2","identifier":[{"system":"urn:insurance","value":"77"}]}},
			{"resource":{"resourceType":"Patient","id":"2","identifier":[{"system":"urn:insurance","value":"77"}]}},
			{"resource":{"resourceType":"Patient","id":"3","identifier":[{"system":"urn:mrn","value":"78"}]}}]}`)
	})
	if charts, err := c.Patients(t.Context(), callback.PatientQuery{MRN: text("77")}); err != nil || len(charts) != 2 {
		t.Errorf("in any system: %d charts, %v", len(charts), err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("identifier") != "urn:mrn|7\\,7" {
			t.Errorf("asked for %q", r.PostForm.Get("identifier"))
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		write(w, 200, `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"1","identifier":[{"system":"urn:mrn","value":"7,7"}]}}]}`)
	}))
	defer server.Close()
	cfg := config(server.URL)
	cfg.MRNSystem = "urn:mrn"
	if charts, err := connect(t, cfg).Patients(t.Context(), callback.PatientQuery{MRN: text("7,7")}); err != nil || len(charts) != 1 {
		t.Errorf("in its system: %d charts, %v", len(charts), err)
	}
}

// TestAChartThatCannotBeRead may be the right one: what is left is not the answer.
func TestAChartThatCannotBeRead(t *testing.T) {
	c, _ := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		write(w, 200, `{"resourceType":"Bundle","type":"searchset","entry":[
			{"resource":{"resourceType":"Patient","id":"1","birthDate":"29 Feb Canary"}},
			{"resource":{"resourceType":"Patient","id":"2","telecom":[{"system":"phone","value":"5555550101"}]}}]}`)
	})
	charts, err := c.Patients(t.Context(), callback.PatientQuery{Phone: text("+15555550101")})
	if len(charts) != 0 || !fault.Is(err, fault.Permanent) || strings.Contains(err.Error(), "Canary") || !strings.Contains(err.Error(), "birthDate") {
		t.Errorf("%d charts, %v", len(charts), err)
	}
}

// TestManyCharts: it is enough to know that there are several.
func TestManyCharts(t *testing.T) {
	var entries []string
	for _, id := range strings.Fields("1 2 3 4 5 6 7 8 9") {
		entries = append(entries, `{"resource":{"resourceType":"Patient","id":"`+id+`","telecom":[{"system":"phone","value":"5555550101"}]}}`)
	}
	c, n := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		write(w, 200, `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://`+r.Host+`/Patient?page=2"}],"entry":[`+strings.Join(entries, ",")+`]}`)
	})
	charts, err := c.Patients(t.Context(), callback.PatientQuery{Phone: text("+15555550101")})
	if err != nil || len(charts) != 5 || n.Load() != 1 {
		t.Errorf("%d charts in %d requests, %v", len(charts), n.Load(), err)
	}
}

// TestCapabilitiesWithoutMetadata: a server that hides /metadata is used as far as the
// operator says what it takes, and never trusted with a conditional create.
func TestCapabilitiesWithoutMetadata(t *testing.T) {
	hiding := func(status int, rung string) (callback.Capabilities, error) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { write(w, status, "") }))
		t.Cleanup(server.Close)
		cfg := config(server.URL)
		cfg.Rung = rung
		return connect(t, cfg).Capabilities(t.Context())
	}
	for _, status := range []int{401, 403, 404} {
		if _, err := hiding(status, "auto"); err == nil {
			t.Errorf("%d: nothing is known, and nothing is said", status)
		}
		caps, err := hiding(status, "task")
		rung := caps.RungFor(false)
		if err != nil || rung.Type != callback.TaskResource || !rung.MarkerSearch || !rung.Close || rung.ConditionalCreate || !caps.ItemFeed || caps.Proposal.Usable() {
			t.Errorf("%d: %+v, %v", status, caps, err)
		}
	}
	if _, err := hiding(503, "task"); !fault.Is(err, fault.Retry) {
		t.Errorf("one that is down is not one that says nothing: %v", err)
	}
}
