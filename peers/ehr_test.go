//go:build conformance

package peers_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// resource is a FHIR resource as JSON: the tests know nothing of Ringback's own
// FHIR packages, so that they share no mistake with them.
type resource = map[string]any

// peer is a FHIR server, seen with the eyes of the clinic's staff. What Ringback
// asks goes through a proxy, and what staff do does not.
type peer struct {
	name string
	base string
	// tells is the address beside the FHIR base where the server lists the invalid
	// resources that somebody tried to write; "": it has none.
	tells string
	// staff is how people log in; nil: they need not.
	staff interface{ token(testing.TB) string }
}

// do sends a request and decodes the answer into out. It ends the test when the
// status is not a success.
func (p peer) do(t testing.TB, method, address string, header http.Header, body, out any) {
	t.Helper()
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, &sent)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	p.login(t, req)
	req.Header.Set("Cache-Control", "no-cache") // what there is, and not what somebody has searched for lately
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 300 {
		t.Fatalf("the peer answers %s %s with %d %s", method, address, resp.StatusCode, got)
	}
	if out != nil {
		if err := json.Unmarshal(got, out); err != nil {
			t.Fatalf("%s %s: %v", method, address, err)
		}
	}
}

// login puts the token of staff on a request.
func (p peer) login(t testing.TB, req *http.Request) {
	t.Helper()
	if p.staff != nil {
		req.Header.Set("Authorization", "Bearer "+p.staff.token(t))
	}
}

func (p peer) create(t testing.TB, r resource) resource {
	t.Helper()
	var made resource
	p.do(t, http.MethodPost, p.base+"/"+r["resourceType"].(string), nil, r, &made)
	return made
}

// read returns the resource that reference ("Task/1") names.
func (p peer) read(t testing.TB, reference string) resource {
	t.Helper()
	var r resource
	p.do(t, http.MethodGet, p.base+"/"+reference, nil, nil, &r)
	return r
}

// edit changes a resource as a person at a screen does: read, change, save, and
// once more from the start when somebody else has saved in between.
func (p peer) edit(t testing.TB, reference string, change func(resource)) resource {
	t.Helper()
	for range 20 {
		r := p.read(t, reference)
		version := r["meta"].(resource)["versionId"].(string)
		change(r)
		var sent bytes.Buffer
		if err := json.NewEncoder(&sent).Encode(r); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.base+"/"+reference, &sent)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/fhir+json")
		req.Header.Set("If-Match", `W/"`+version+`"`)
		p.login(t, req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err != nil:
			t.Fatal(err)
		case resp.StatusCode == http.StatusPreconditionFailed, resp.StatusCode == http.StatusConflict:
			continue
		case resp.StatusCode >= 300:
			t.Fatalf("staff cannot edit %s: %d %s", reference, resp.StatusCode, got)
		}
		return r
	}
	t.Fatalf("%s changes faster than a person can save", reference)
	return nil
}

func (p peer) delete(t testing.TB, reference string) {
	t.Helper()
	p.do(t, http.MethodDelete, p.base+"/"+reference, nil, nil, nil)
}

// marked returns all resources of a type that carry a link's marker.
func (p peer) marked(t testing.TB, resourceType, linkID string) []resource {
	t.Helper()
	q := url.Values{"identifier": {"urn:ietf:rfc:3986|urn:uuid:" + linkID}, "_count": {"50"}}
	var bundle struct {
		Entry []struct{ Resource resource }
	}
	p.do(t, http.MethodGet, p.base+"/"+resourceType+"?"+q.Encode(), nil, nil, &bundle)
	var found []resource
	for _, e := range bundle.Entry {
		found = append(found, e.Resource)
	}
	return found
}

// furnish makes what the clinic has in its EHR before Ringback comes. Some servers
// refuse a reference to something that is not there.
func (p peer) furnish(t testing.TB) {
	t.Helper()
	for _, r := range []resource{
		{"resourceType": "Organization", "id": "front-desk", "name": "Front desk"},
		{"resourceType": "Practitioner", "id": "dr-ng", "name": []any{resource{"family": "Ng", "prefix": []any{"Dr."}}}},
	} {
		p.do(t, http.MethodPut, fmt.Sprintf("%s/%s/%s", p.base, r["resourceType"], r["id"]), nil, r, nil)
	}
}

// invalid returns what anybody tried to write and Medplum found invalid.
func (p peer) invalid(t testing.TB) (all []string) {
	t.Helper()
	if p.tells == "" {
		return nil // it answers with 400 or 422, which the proxy's log shows
	}
	var list []struct {
		Issue    json.RawMessage
		Resource json.RawMessage
	}
	p.do(t, http.MethodGet, p.tells, nil, nil, &list)
	for _, i := range list {
		all = append(all, fmt.Sprintf("%s\nin %s", i.Issue, i.Resource))
	}
	return all
}

// person is somebody made up, different from everybody else in this run.
type person struct{ given, family, phone, birthDate string }

func (p person) name() string { return p.given + " " + p.family }

var persons atomic.Int64

func somebody() person {
	n := persons.Add(1)
	family := "Xq" // letters only, and nothing that stands anywhere else by chance
	for m := n + 26*26; m > 0; m /= 26 {
		family += string(rune('a' + m%26))
	}
	area := []int{201, 202, 203, 205, 206, 207, 208, 209}[n/100%8]
	return person{"Marisol", family, fmt.Sprintf("+1%d55501%02d", area, n%100), fmt.Sprintf("19%02d-%02d-%02d", 50+n%50, 1+n%12, 1+n%28)}
}

// register makes the person's chart and returns the reference to it.
func (p peer) register(t testing.TB, who person) string {
	t.Helper()
	made := p.create(t, resource{
		"resourceType": "Patient", "active": true, "birthDate": who.birthDate,
		"name":    []any{resource{"use": "official", "family": who.family, "given": []any{who.given}}},
		"telecom": []any{resource{"system": "phone", "value": who.phone, "use": "mobile"}},
	})
	return "Patient/" + made["id"].(string)
}

// visit is an appointment that staff make.
type visit struct {
	patient string    // reference to the chart
	created time.Time // zero: the EHR does not tell when it was booked
	task    string    // reference to a work item; "": none
	status  string    // "": booked
}

// book makes an appointment and returns the reference to it.
func (p peer) book(t testing.TB, v visit) string {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Minute).Add(72 * time.Hour)
	r := resource{
		"resourceType": "Appointment", "status": cmp.Or(v.status, "booked"),
		"start": start.Format(time.RFC3339), "end": start.Add(30 * time.Minute).Format(time.RFC3339),
		"serviceType": []any{resource{"text": "Office visit"}},
		"participant": []any{resource{"actor": resource{"reference": v.patient}, "status": "accepted"}},
	}
	if !v.created.IsZero() {
		r["created"] = v.created.UTC().Format(time.RFC3339)
	}
	if v.task != "" {
		r["supportingInformation"] = []any{resource{"reference": v.task}}
	}
	return "Appointment/" + p.create(t, r)["id"].(string)
}

// move gives a resource another status.
func (p peer) move(t testing.TB, reference, status string) {
	t.Helper()
	p.edit(t, reference, func(r resource) { r["status"] = status })
}
