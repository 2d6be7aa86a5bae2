package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
)

// The canaries: each is a word, or a run of digits, that occurs nowhere else.
const (
	canaryWord   = "Canaryfeather"
	canaryDigits = "5550100987"
)

// leaks returns the canaries that occur in a text.
func leaks(text string) (found []string) {
	for _, c := range []string{canaryWord, canaryDigits, "010-0987", "1931-07-04"} {
		if strings.Contains(text, c) {
			found = append(found, c)
		}
	}
	return found
}

// phi is a request in which everything that can be PHI is a canary.
func phi(id string) map[string]any {
	return map[string]any{
		"source": "webform", "source_id": id, "clinic": "main-street", "received_at": "2026-03-02T14:58:00Z",
		"caller":  map[string]any{"name": "Ann " + canaryWord, "phone": "+1" + canaryDigits, "email": canaryWord + "@example.org", "birth_date": "1931-07-04"},
		"patient": map[string]any{"mrn": canaryWord + "-1", "ehr_id": canaryWord + "-2"}, "new_patient": true, "category": "new-patient",
		"text":            "It hurts, says " + canaryWord,
		"preferred_times": []any{map[string]any{"start": "2026-03-03T14:00:00Z", "end": "2026-03-03T15:00:00Z"}},
		"visit_kind":      canaryWord,
	}
}

// spoiled returns a body again and again, each time with one value replaced by a
// canary in a shape that does not belong there.
func spoiled(body map[string]any) (out []string) {
	var spoil func(set func(any), value any)
	shapes := []any{canaryWord, canaryWord + "\x00", strings.Repeat(canaryWord+" ", 2000), 15550100987.5, true, []any{canaryWord}, map[string]any{"x": canaryWord}, -1}
	write := func() {
		data, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		out = append(out, string(data))
	}
	spoil = func(set func(any), value any) {
		for _, s := range shapes {
			set(s)
			write()
		}
		set(value)
		switch v := value.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				spoil(func(x any) { v[name] = x }, v[name])
			}
		case []any:
			for i := range v {
				spoil(func(x any) { v[i] = x }, v[i])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		spoil(func(x any) { body[name] = x }, body[name])
	}
	return out
}

// TestNothingLeaks sends canaries in every member of every operation, well and
// badly formed, in paths, queries and headers, with and without the right to,
// and looks for them in all that must not hold them: problems, logs, metrics.
func TestNothingLeaks(t *testing.T) {
	r := newRig(t).withToken(callback.RoleAdmin)
	refused := 0
	check := func(a answer) {
		t.Helper()
		if a.status >= 400 {
			refused++
			if found := leaks(string(a.body) + fmt.Sprint(a.header)); found != nil {
				t.Errorf("status %d shows %v: %s", a.status, found, a.body)
			}
			if a.status >= 500 {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		}
	}
	good, _ := json.Marshal(phi("good"))
	first := r.post("/v1/callbacks", string(good)).want(http.StatusCreated)
	if leaks(string(first.body)) == nil {
		t.Fatal("the canaries are not in the answer; this test would find nothing")
	}
	at := "/v1/callbacks/" + first.object()["id"].(string)
	link := r.get(at).object()["links"].([]any)[0].(map[string]any)["link_id"].(string)

	// In this order, so that the callback is open at the end.
	for _, p := range []struct {
		path string
		body map[string]any
	}{
		{"/v1/callbacks", phi("bad")},
		{at + "/attempts", map[string]any{"channel": "phone", "result": "busy", "talk_seconds": 1, "at": "2026-03-02T15:00:00Z", "note": canaryWord}},
		{at + "/assign", map[string]any{"owner": "front-desk"}},
		{at + "/close", map[string]any{"outcome": "answered-question", "note": canaryWord}},
		{at + "/reopen", map[string]any{"reason": canaryWord}},
		{"/v1/links/" + link + "/discard", map[string]any{"reason": canaryWord}},
		{"/v1/links/" + link + "/retry", map[string]any{"x": canaryWord}},
	} {
		path, body := p.path, p.body
		data, _ := json.Marshal(body)
		bodies := append(spoiled(body), string(data), string(data[:len(data)/2]), canaryWord, `"`+canaryWord+`"`, `["`+canaryWord+`"]`, `{`+canaryWord)
		for _, b := range bodies {
			check(r.post(path, b))
		}
		check(r.post(path, string(data), "If-Match", canaryWord))
		check(r.post(path, canaryWord, "Content-Type", "text/"+canaryWord))
		check(r.post(path, string(data), "Authorization", "Bearer rbk_"+canaryWord))
		check(r.post(path, string(data), "Authorization", "Basic "+canaryWord))
		check(r.post(path+"/"+canaryWord, string(data)))
		check(r.post(path+"?q="+canaryWord, string(data)))
	}
	word := url.QueryEscape(canaryWord + " " + canaryDigits)
	for _, path := range []string{
		"/" + word, "/v1/" + word, "/v1/callbacks/" + word, "/v1/links/" + word, "/callbacks/" + word, "/" + word + "?" + word, "/v1//" + canaryWord,
		"/v1/callbacks?status=" + word, "/v1/callbacks?category=" + word, "/v1/callbacks?limit=" + word, "/v1/callbacks?cursor=urn:uuid:" + canaryWord,
		"/v1/callbacks?owner=" + word, "/v1/callbacks?open=" + word, "/v1/links?state=" + word, "/v1/links?cursor=" + word, "/?owner=" + word, "/?cursor=" + word,
	} {
		check(r.get(path))
		check(r.get(path, "Authorization", "Bearer rbk_"+canaryWord))
		check(r.request(canaryWord, path, nil))
	}
	check(r.post("/login", "token="+word, "Content-Type", "application/x-www-form-urlencoded"))
	check(r.post("/links/"+link+"/discard", "reason="+strings.Repeat(canaryWord, 99), "Content-Type", "application/x-www-form-urlencoded"))
	if leaks(string(r.get("/").body)) == nil || leaks(string(r.get("/callbacks/"+first.object()["id"].(string)).body)) == nil {
		t.Error("the console does not show the person; this test would find nothing")
	}
	if refused < 200 {
		t.Errorf("only %d requests were refused; the bodies are not bad enough", refused)
	}
	for name, text := range map[string]string{"log": r.log.String(), "metrics": string(r.get("/metrics").want(http.StatusOK).body),
		"readyz": string(r.get("/readyz").body), "openapi": string(r.get("/openapi.json").body)} {
		if found := leaks(text); found != nil {
			i := strings.Index(text, found[0])
			t.Errorf("%s shows %v: ...%s", name, found, text[max(0, i-200):min(len(text), i+100)])
		}
	}
	if !strings.Contains(r.log.String(), `"route":"/v1/callbacks/{id}/attempts"`) {
		t.Error("requests are not logged; this test would find nothing")
	}
}
