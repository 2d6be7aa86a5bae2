package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
)

// stuckLink makes the first link of a callback stuck and returns its id.
func (r *rig) stuckLink(id string) string {
	r.t.Helper()
	rec, err := r.ledger.Record(r.t.Context(), callback.ID(id))
	if err != nil {
		r.t.Fatal(err)
	}
	l := rec.Links[0]
	l.State, l.Failures, l.LastError, l.Hint = callback.LinkStuck, 8, "create Task: the EHR refuses the code", "map the category in ringback.yaml"
	l.Sent, l.SettlesAt = []callback.SentState{{Revision: 1}}, l.CreatedAt
	if _, err := r.ledger.SaveLink(r.t.Context(), l); err != nil {
		r.t.Fatal(err)
	}
	return string(l.ID)
}

// TestALinkThatIsStuck is shown, tried again and given up.
func TestALinkThatIsStuck(t *testing.T) {
	r := newRig(t).withToken(callback.RoleStaff)
	id := r.create("f-1")
	r.create("f-22")
	link := r.stuckLink(id)

	list := r.get("/v1/links?state=stuck").want(http.StatusOK).object()["items"].([]any)
	if len(list) != 1 {
		t.Fatalf("%d stuck links, want 1", len(list))
	}
	got := list[0].(map[string]any)
	for name, want := range map[string]any{"link_id": link, "callback_id": id, "clinic": "main-street", "ehr": "sandbox", "resource_type": "Task",
		"id": nil, "status": "stuck", "holds_revision": 0.0, "last_error": "create Task: the EHR refuses the code", "hint": "map the category in ringback.yaml",
		"failures": 8.0, "next_attempt_at": nil} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if inCallback := r.get("/v1/callbacks/" + id).object()["links"].([]any)[0].(map[string]any); inCallback["link_id"] != link || inCallback["status"] != "stuck" {
		t.Errorf("the callback shows %v", inCallback)
	}

	again := r.post("/v1/links/"+link+"/retry", "").want(http.StatusOK).object()
	// A create may have arrived, so the marker is searched before anything is sent.
	if again["status"] != "sending" || again["failures"] != 0.0 {
		t.Errorf("after retry: %v", again)
	}
	r.post("/v1/links/"+link+"/retry", "").want(http.StatusOK)

	r.post("/v1/links/"+link+"/edit", `{"category":"nonsense"}`).problem(http.StatusUnprocessableEntity).at(t, "body.category")
	r.post("/v1/links/"+link+"/edit", `{}`).problem(http.StatusUnprocessableEntity)
	r.post("/v1/links/019c0000-0000-7000-8000-000000000000/edit", `{"item":"t9"}`).problem(http.StatusNotFound)
	edited := r.post("/v1/links/"+link+"/edit", `{"item":"t9","owner":"billing","priority":"stat","reason":"found in the inbox"}`).want(http.StatusOK).object()
	after := r.get("/v1/callbacks/" + id).object()
	if edited["id"] != "t9" || edited["status"] != "synced" || after["owner"] != "billing" || after["priority"] != "stat" {
		t.Errorf("after edit: %v; %v", edited, after)
	}

	r.post("/v1/links/"+link+"/discard", `{}`).problem(http.StatusUnprocessableEntity).at(t, "body.reason")
	gone := r.post("/v1/links/"+link+"/discard", `{"reason":"filed by hand"}`).want(http.StatusOK).object()
	if gone["status"] != "discarded" || gone["last_error"] != "discarded: filed by hand" {
		t.Errorf("after discard: %v", gone)
	}
	same := r.post("/v1/links/"+link+"/discard", `{"reason":"another"}`).want(http.StatusOK).object()
	if same["last_error"] != "discarded: filed by hand" {
		t.Errorf("discarded twice: %v", same)
	}
	var notes []string
	for _, e := range r.get("/v1/callbacks/" + id).object()["timeline"].([]any) {
		if e := e.(map[string]any); e["kind"] == "noted" {
			notes = append(notes, e["note"].(string)+" by "+e["by"].(map[string]any)["name"].(string))
		}
	}
	if strings.Join(notes, "|") != "Try again: Task in sandbox by staff|Set right and tried again: Task in sandbox: found in the inbox by staff|Given up: Task in sandbox: filed by hand by staff" {
		t.Errorf("the timeline tells %q", notes)
	}
	if n := r.wakes.Load(); n != 5 {
		t.Errorf("the sync was woken %d times, want 5", n)
	}
	if one := r.get("/v1/links/" + link).want(http.StatusOK).object(); one["status"] != "discarded" {
		t.Errorf("reading it alone: %v", one)
	}
}

// TestListingLinks filters and pages.
func TestListingLinks(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		r.create("f-" + strings.Repeat("x", i))
	}
	seen := map[string]bool{}
	for cursor := ""; ; {
		a := r.get("/v1/links?limit=2&cursor=" + url.QueryEscape(cursor)).want(http.StatusOK).object()
		for _, l := range a["items"].([]any) {
			seen[l.(map[string]any)["link_id"].(string)] = true
		}
		if a["next_cursor"] == nil {
			break
		}
		cursor = a["next_cursor"].(string)
	}
	if len(seen) != 5 {
		t.Errorf("paging gives %d links, want 5", len(seen))
	}
	for q, want := range map[string]int{"state=pending": 5, "state=stuck": 0, "clinic=main-street": 5, "clinic=harbor": 0} {
		if got := len(r.get("/v1/links?" + q).want(http.StatusOK).object()["items"].([]any)); got != want {
			t.Errorf("?%s: %d links, want %d", q, got, want)
		}
	}
	r.get("/v1/links?state=lost").problem(http.StatusUnprocessableEntity).at(t, "query.state")
}
