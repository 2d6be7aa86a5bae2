package sandbox_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/sandbox"
)

const searched = `{"resourceType":"Bundle","type":"collection","entry":[
{"resource":{"resourceType":"Patient","id":"ann","identifier":[{"system":"urn:mrn","value":"1,2"}],"name":[{"family":"Müller","given":["Ann","Zoë"]}],"birthDate":"1980-05-01","telecom":[{"system":"phone","value":"(212) 555-0101"},{"system":"email","value":"Ann@Example.org"}]}},
{"resource":{"resourceType":"Patient","id":"bob","name":[{"family":"Muller","given":["Bob"],"prefix":["Dr."]}],"birthDate":"1980-05","telecom":[{"system":"phone","value":"+12125550101"},{"system":"fax","value":"212-555-0199"}]}},
{"resource":{"resourceType":"Patient","id":"cy","name":[{"text":"Cy Ode"}]}},
{"resource":{"resourceType":"Task","id":"t1","meta":{"tag":[{"system":"urn:tag","code":"x"}]},"identifier":[{"system":"urn:a","value":"1"},{"value":"2"}],"status":"requested","intent":"order","priority":"urgent","code":{"coding":[{"system":"urn:c","code":"new"}]},"focus":{"reference":"Communication/7"},"for":{"reference":"Patient/ann"},"authoredOn":"2025-03-03T10:00:00-05:00","lastModified":"2025-03-03T15:30:00.250Z"}},
{"resource":{"resourceType":"Task","id":"t2","identifier":[{"system":"urn:b","value":"1"}],"status":"completed","intent":"order","code":{"coding":[{"code":"new"}]},"for":{"reference":"Group/ann"},"owner":{"reference":"Practitioner/p"},"authoredOn":"2025-03-04"}},
{"resource":{"resourceType":"Task","id":"t3","status":"ready","intent":"order","for":{"reference":"https://elsewhere.example.org/Patient/ann"},"owner":{"display":"front desk"},"authoredOn":"2025-03"}},
{"resource":{"resourceType":"Appointment","id":"a1","status":"booked","serviceType":[{"coding":[{"system":"urn:s","code":"new"}]}],"start":"2025-03-04T09:00:00-05:00","end":"2025-03-04T09:30:00-05:00","supportingInformation":[{"reference":"Task/t1"}],"participant":[{"actor":{"reference":"Patient/ann"},"status":"accepted"},{"actor":{"reference":"Practitioner/p"},"status":"accepted"}]}},
{"resource":{"resourceType":"Appointment","id":"a2","status":"cancelled","start":"2025-03-04T14:00:00Z","end":"2025-03-04T14:30:00Z","participant":[{"actor":{"reference":"Patient/bob/_history/3"},"status":"accepted"},{"actor":{"reference":"Location/ann"},"status":"accepted"}]}},
{"resource":{"resourceType":"Appointment","id":"a3","status":"proposed","participant":[{"actor":{"reference":"Patient/bob"},"status":"needs-action"}]}},
{"resource":{"resourceType":"Schedule","id":"s","actor":[{"reference":"Practitioner/p"}]}},
{"resource":{"resourceType":"Slot","id":"s1","schedule":{"reference":"Schedule/s"},"status":"free","start":"2025-03-05T09:00:00Z","end":"2025-03-05T09:30:00Z"}},
{"resource":{"resourceType":"Slot","id":"s2","schedule":{"reference":"Schedule/s"},"status":"busy","start":"2025-03-05T09:30:00Z","end":"2025-03-05T10:00:00Z"}},
{"resource":{"resourceType":"Communication","id":"c","status":"completed","subject":{"reference":"Patient/ann"},"identifier":[{"system":"urn:a","value":"9"}]}}
]}`

func TestSearch(t *testing.T) {
	e := start(t, sandbox.Options{})
	if err := e.Seed([]byte(searched)); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"Task?":                           "t1 t2 t3",
		"Task?_id=t2":                     "t2",
		"Task?_id=t2,t3":                  "t2 t3",
		"Task?_tag=urn:tag|x":             "t1",
		"Task?identifier=urn:a|1":         "t1",
		"Task?identifier=1":               "t1 t2",
		"Task?identifier=|2":              "t1",
		"Task?identifier=|1":              "",
		"Task?identifier=urn:b|":          "t2",
		"Task?identifier=urn:a|1,urn:b|1": "t1 t2",
		"Task?status=requested,ready":     "t1 t3",
		"Task?status=http://hl7.org/fhir/task-status|ready":                 "t3",
		"Task?status=urn:x|ready":                                           "",
		"Task?status=ready&status=completed":                                "",
		"Task?priority=urgent":                                              "t1",
		"Task?patient=ann":                                                  "t1",
		"Task?patient=Group/ann":                                            "",
		"Task?patient:missing=true":                                         "t2",
		"Task?patient=https://elsewhere.example.org/Patient/ann/_history/2": "t3",
		"Task?patient=Patient/ann":                                          "t1",
		"Task?patient=BASE/Patient/ann":                                     "t1",
		"Task?subject=ann":                                                  "t1 t2",
		"Task?subject=Group/ann":                                            "t2",
		"Task?subject=https://elsewhere.example.org/Patient/ann":            "t3",
		"Task?focus=Communication/7":                                        "t1",
		"Task?owner=Practitioner/p":                                         "t2",
		"Task?owner:missing=true":                                           "t1",
		"Task?owner:missing=false":                                          "t2 t3",
		"Task?code=new":                                                     "t1 t2",
		"Task?code=urn:c|new":                                               "t1",
		"Task?code=|new":                                                    "t2",
		"Task?code=urn:c|":                                                  "t1",
		"Task?modified=2025-03-03":                                          "t1",
		"Task?modified=2025-03-03T15:30:00Z":                                "t1",
		"Task?modified=gt2025-03-03T15:30:00.249Z":                          "t1",
		"Task?modified=gt2025-03-03T15:30:00.250Z":                          "",
		"Task?modified=ge2025-03-03T15:30:00.250Z":                          "t1",
		"Task?authored-on=2025-03-03T15:00:00Z":                             "t1",
		"Task?authored-on=2025-03-03T15:00Z":                                "t1",
		"Task?authored-on=2025-03":                                          "t1 t2 t3",
		"Task?authored-on=ne2025-03-04":                                     "t1 t3",
		"Task?authored-on=gt2025-03-03":                                     "t2 t3",
		"Task?authored-on=sa2025-03-03":                                     "t2",
		"Task?authored-on=lt2025-03-04":                                     "t1 t3",
		"Task?authored-on=eb2025-03-04":                                     "t1",
		"Task?authored-on=ge2025-03-03&authored-on=lt2025-03-05":            "t1 t2 t3",
		"Task?_sort=-authored-on":                                           "t2 t1 t3",
		"Task?_sort=-_lastUpdated":                                          "t3 t2 t1",
		"Task?_sort=-modified,_lastUpdated":                                 "t1 t2 t3",
		"Task?status=":                                                      "t1 t2 t3",
		"Task?colour=red":                                                   "t1 t2 t3",
		"Appointment?status=booked,cancelled":                               "a1 a2",
		"Appointment?patient=ann":                                           "a1",
		"Appointment?patient=bob":                                           "a2 a3",
		"Appointment?actor=Practitioner/p":                                  "a1",
		"Appointment?actor=ann":                                             "a1 a2",
		"Appointment?practitioner=p":                                        "a1",
		"Appointment?location=ann":                                          "a2",
		"Appointment?date=2025-03-04":                                       "a1 a2",
		"Appointment?date=ge2025-03-04T14:00:00Z":                           "a1 a2",
		"Appointment?date=gt2025-03-04":                                     "",
		"Appointment?date=ge2025-03-03&date=lt2025-03-04":                   "",
		"Appointment?service-type=urn:s|new":                                "a1",
		"Appointment?supporting-info=Task/t1":                               "a1",
		"Appointment?_sort=date":                                            "a1 a2 a3",
		"Patient?identifier=urn:mrn|1\\,2":                                  "ann",
		"Patient?family=mul":                                                "ann bob",
		"Patient?family=MÜLLER":                                             "ann bob",
		"Patient?family=uller":                                              "",
		"Patient?given=zoe":                                                 "ann",
		"Patient?name=cy":                                                   "cy",
		"Patient?name=dr":                                                   "bob",
		"Patient?name=ann,bob":                                              "ann bob",
		"Patient?birthdate=1980-05-01":                                      "ann",
		"Patient?birthdate=1980-05":                                         "ann bob",
		"Patient?birthdate=1980":                                            "ann bob",
		"Patient?birthdate:missing=true":                                    "cy",
		"Patient?phone=2125550101":                                          "ann bob",
		"Patient?phone=%2B1 212 555 0101":                                   "ann bob",
		"Patient?phone=212-555-0199":                                        "",
		"Patient?telecom=212-555-0199":                                      "bob",
		"Patient?telecom=phone|2125550101":                                  "ann bob",
		"Patient?email=ann@example.ORG":                                     "ann",
		"Slot?schedule=Schedule/s&status=free":                              "s1",
		"Slot?start=ge2025-03-05T09:30:00Z":                                 "s2",
		"Schedule?actor=Practitioner/p":                                     "s",
		"Communication?identifier=urn:a|9":                                  "c",
		"Communication?subject=Patient/ann":                                 "c",
	} {
		t.Run(query, func(t *testing.T) {
			e := e.in(t)
			typ, params, _ := strings.Cut(strings.ReplaceAll(query, "BASE", e.base), "?")
			for _, how := range []string{"GET", "POST"} {
				target, body := "/"+typ+"?"+strings.ReplaceAll(params, " ", "%20"), ""
				if how == "POST" {
					target, body = "/"+typ+"/_search", strings.ReplaceAll(params, " ", "%20")
				}
				page := e.do(http.StatusOK, how, target, body, "Content-Type", "application/x-www-form-urlencoded")
				var ids []string
				for _, entry := range list(page.doc["entry"]) {
					ids = append(ids, entry["resource"].(map[string]any)["id"].(string))
					if !strings.HasPrefix(entry["fullUrl"].(string), e.base+"/"+typ+"/") {
						t.Errorf("fullUrl: %v", entry["fullUrl"])
					}
				}
				if got := strings.Join(ids, " "); got != want || int(page.doc["total"].(float64)) != len(ids) {
					t.Errorf("%s: got %q of %v, want %q", how, got, page.doc["total"], want)
				}
			}
		})
	}
}

func TestSearchRefusals(t *testing.T) {
	lenient, strict := start(t, sandbox.Options{}), start(t, sandbox.Options{Strict: true})
	for _, query := range []string{
		"_count=-1", "_count=x", "_sort=status", "_sort=", "_total=maybe", "_format=xml", "authored-on=yesterday", "authored-on=ge",
		"authored-on=2025-03-03T10:00:00+05:00", // the plus was not escaped
		"owner:missing=perhaps", "status:not=ready", "code=a|b|c", "code=|", "status=ready,",
	} {
		lenient.do(http.StatusBadRequest, "GET", "/Task?"+query, "")
	}
	for _, query := range []string{"colour=red", "patient.name=ann", "_has:x:y:z=1", "_page=1"} {
		want := http.StatusBadRequest
		if query == "_page=1" {
			want = http.StatusGone
		}
		strict.do(want, "GET", "/Task?"+query, "")
	}
	links := list(lenient.do(http.StatusOK, "GET", "/Task?colour=red&status=ready", "").doc["link"])
	if got := links[0]["url"]; got != lenient.base+"/Task?status=ready" {
		t.Errorf("the self link names what was not used: %v", got)
	}
	strict.do(http.StatusOK, "GET", "/Task?_format=json&_pretty=true&_total=none&_count=5&_sort=_lastUpdated", "")
}

func TestTotalAndPages(t *testing.T) {
	e := start(t, sandbox.Options{PageSize: 2})
	for range 5 {
		e.create(task)
	}
	first := e.do(http.StatusOK, "GET", "/Task?_total=none", "")
	if len(list(first.doc["entry"])) != 2 || first.doc["total"] != nil {
		t.Errorf("page size or total: %s", first.text)
	}
	if count := e.do(http.StatusOK, "GET", "/Task?_count=0", ""); count.doc["total"].(float64) != 5 || count.doc["entry"] != nil || len(list(count.doc["link"])) != 1 {
		t.Errorf("_count=0: %s", count.text)
	}
	if n := len(e.ids("/Task")); n != 5 {
		t.Errorf("%d over all pages", n)
	}
	if got := e.ids("/Task?_count=4"); !slices.Equal(got, []string{"1001", "1002", "1003", "1004", "1005"}) {
		t.Errorf("order without _sort: %v", got)
	}
	next := list(first.doc["link"])[1]["url"].(string)
	e.do(http.StatusGone, "GET", strings.Replace(next, "/Task?", "/Patient?", 1), "")
	for range 600 {
		e.do(http.StatusOK, "GET", "/Task?_count=1", "")
	}
	e.do(http.StatusGone, "GET", next, "")
	public := start(t, sandbox.Options{PublicURL: "https://ehr.example.org/", PageSize: 1})
	public.create(task)
	public.create(task)
	for _, link := range list(public.do(http.StatusOK, "GET", "/Task", "").doc["link"]) {
		if !strings.HasPrefix(link["url"].(string), "https://ehr.example.org/fhir/R4/Task") {
			t.Errorf("link: %v", link)
		}
	}
}

// TestPagingSeesEachMatchOnce pages through a search by _lastUpdated in pages of any
// size while others write between the pages.
func TestPagingSeesEachMatchOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := start(t, sandbox.Options{PageSize: rapid.IntRange(1, 7).Draw(rt, "page size")})
		var want []string
		writes := func(n int) {
			for range n {
				e.clock.Advance(time.Duration(rapid.IntRange(0, 2).Draw(rt, "ms")) * time.Millisecond)
				status := rapid.SampledFrom([]string{"ready", "draft"}).Draw(rt, "status")
				body := fmt.Sprintf(`{"resourceType":"Task","status":%q,"intent":"order"}`, status)
				if tasks := e.Store().List("Task"); len(tasks) > 0 && rapid.Bool().Draw(rt, "update") {
					id := rapid.SampledFrom(tasks).Draw(rt, "which").ID
					body = strings.Replace(body, "{", fmt.Sprintf(`{"id":%q,`, id), 1)
					if _, err := e.Store().Update([]byte(body), ""); err != nil {
						rt.Fatal(err)
					}
					continue
				}
				e.create(body)
			}
		}
		writes(rapid.IntRange(0, 25).Draw(rt, "writes"))
		found, err := e.Store().Search("Task", url.Values{"status": {"ready"}, "_sort": {"_lastUpdated"}})
		if err != nil {
			rt.Fatal(err)
		}
		for _, r := range found {
			want = append(want, r.ID)
		}
		target := "/Task?status=ready&_sort=_lastUpdated"
		if rapid.Bool().Draw(rt, "with _count") {
			target += fmt.Sprintf("&_count=%d", rapid.IntRange(1, 30).Draw(rt, "_count"))
		}
		var got []string
		last := ""
		for target != "" {
			page := e.do(http.StatusOK, "GET", target, "")
			target = ""
			for _, entry := range list(page.doc["entry"]) {
				resource := entry["resource"].(map[string]any)
				got = append(got, resource["id"].(string))
				updated := resource["meta"].(map[string]any)["lastUpdated"].(string)
				if updated <= last {
					rt.Fatalf("lastUpdated %s after %s", updated, last)
				}
				last = updated
			}
			for _, link := range list(page.doc["link"]) {
				if link["relation"] == "next" {
					target = link["url"].(string)
				}
			}
			writes(rapid.IntRange(0, 2).Draw(rt, "writes between pages"))
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("paged %v, want %v", got, want)
		}
	})
}

// TestWatermarkMissesNothing follows a store with _lastUpdated=gt the last one seen.
func TestWatermarkMissesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		manual := clock.NewManual(monday)
		store := sandbox.New(sandbox.Options{Clock: manual}).Store()
		seen := map[string]bool{}
		mark := "2000-01-01T00:00:00.000Z"
		poll := func() {
			found, err := store.Search("Task", url.Values{"_lastUpdated": {"gt" + mark}, "_sort": {"_lastUpdated"}})
			if err != nil {
				rt.Fatal(err)
			}
			for _, r := range found {
				if seen[r.ID] {
					rt.Fatalf("%s came twice", r.ID)
				}
				seen[r.ID] = true
				mark = r.LastUpdated.Format("2006-01-02T15:04:05.000Z07:00")
			}
		}
		n := rapid.IntRange(1, 30).Draw(rt, "writes")
		for range n {
			manual.Advance(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "us")) * time.Microsecond)
			if _, err := store.Create([]byte(task)); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "poll") {
				poll()
			}
		}
		poll()
		if len(seen) != n {
			rt.Fatalf("saw %d of %d", len(seen), n)
		}
	})
}

// TestMetadataNamesWhatTheSearchTakes asks a strict server for every parameter that
// /metadata declares, and for one it does not.
func TestMetadataNamesWhatTheSearchTakes(t *testing.T) {
	e := start(t, sandbox.Options{Strict: true})
	statement := e.do(http.StatusOK, "GET", "/metadata", "").doc
	types := list(list(statement["rest"])[0]["resource"])
	if len(types) != 8 {
		t.Fatalf("%d types", len(types))
	}
	values := map[string]string{"token": "x", "reference": "Patient/1", "date": "2025", "string": "x"}
	for _, typ := range types {
		for _, p := range list(typ["searchParam"]) {
			e.do(http.StatusOK, "GET", fmt.Sprintf("/%s?%s=%s", typ["type"], p["name"], values[p["type"].(string)]), "")
		}
		e.do(http.StatusBadRequest, "GET", fmt.Sprintf("/%s?undeclared=1", typ["type"]), "")
	}
	if statement["software"].(map[string]any)["name"] != "Ringback sandbox" ||
		!strings.Contains(statement["implementation"].(map[string]any)["description"].(string), "synthetic data only") {
		t.Error("/metadata does not say what this is")
	}
}

func FuzzSearch(f *testing.F) {
	server := sandbox.New(sandbox.Options{})
	if err := server.Seed([]byte(searched)); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"identifier=a|b&_sort=-_lastUpdated", `name=\,\|\\,x`, "authored-on=ge2025-02-30T24:61Z", "owner:missing=true", "code=|", "_count=9999999999999999999", "patient=/", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		params, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		for _, typ := range []string{"Task", "Patient", "Appointment"} {
			found, err := server.Store().Search(typ, params)
			if err != nil {
				if status(t, err) != http.StatusBadRequest {
					t.Fatalf("%v", err)
				}
				continue
			}
			if len(found) > len(server.Store().List(typ)) {
				t.Fatal("more matches than resources")
			}
		}
	})
}
