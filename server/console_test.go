package server_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/server"
)

// page loads a page of the console and checks what holds for all of them.
func (r *rig) page(path string) string {
	r.t.Helper()
	a := r.get(path).want(http.StatusOK)
	page := string(a.body)
	if ct := a.header.Get("Content-Type"); ct != "text/html; charset=utf-8" {
		r.t.Errorf("%s: content type %s", path, ct)
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "style=") || regexp.MustCompile(`(src|href)="(https?:)?//`).MatchString(page) {
		r.t.Errorf("%s: the page is not self-contained", path)
	}
	for _, need := range []string{`<html lang="en">`, `<main id="main">`, `<h1>`, `<title>`} {
		if !strings.Contains(page, need) {
			r.t.Errorf("%s: no %s", path, need)
		}
	}
	return page
}

// wantOn fails the test when a page lacks one of the texts.
func (r *rig) wantOn(page string, texts ...string) {
	r.t.Helper()
	plain := html.UnescapeString(page)
	for _, text := range texts {
		if !strings.Contains(plain, text) {
			r.t.Errorf("the page lacks %q", text)
		}
	}
}

// order returns the ids of the callbacks on a page.
func order(page string) (ids []string) {
	for _, m := range regexp.MustCompile(`<th scope="row"><a href="/callbacks/([^"]+)"`).FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// caller is the caller member of a request.
func caller(name, phone string) string { return fmt.Sprintf(`{"name":%q,"phone":%q}`, name, phone) }

// TestTheListIsInOrderOfUrgency puts what is due first on top and what waits for
// the caller at the end.
func TestTheListIsInOrderOfUrgency(t *testing.T) {
	r := newRig(t)
	at := func(minutes int) string {
		return fmt.Sprintf("%q", monday.Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339))
	}
	waits := r.create("w", "category", `"clinical"`, "received_at", at(-30), "caller", caller("Wendy Wait", "+15550100111"))
	later := r.create("l", "category", `"new-patient"`, "received_at", at(-5), "caller", caller("Lou Later", "+15550100112"))
	late := r.create("c", "category", `"clinical"`, "received_at", at(-20), "caller", caller("Cleo Late", "+15550100113"))
	soon := r.create("s", "category", `"new-patient"`, "received_at", at(-50), "caller", caller("Sam Soon", "+15550100114"))
	routine := r.create("r", "category", `"existing-scheduling"`, "received_at", at(-100), "caller", caller("Ray Routine", "+15550100116"))
	done := r.create("d", "category", `"other"`, "caller", caller("Dee Done", "+15550100115"))
	r.post("/v1/callbacks/"+done+"/close", `{"outcome":"answered-question"}`).want(http.StatusOK)
	r.post("/v1/callbacks/"+waits+"/attempts", `{"result":"left-voicemail"}`).want(http.StatusOK)
	if _, err := r.ledger.Update(t.Context(), callback.ID(waits), func(rec *callback.Record) error {
		return rec.Wait(callback.Actor{Kind: callback.Automation}, r.clock.Now())
	}); err != nil {
		t.Fatal(err)
	}

	page := r.page("/")
	if got, want := strings.Join(order(page), " "), strings.Join([]string{late, soon, routine, later, waits}, " "); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	r.wantOn(page, "5 min late", "in 10 min", "in 55 min", `<span class="mark asap">ASAP</span>`, `<span class="mark urgent">Urgent</span>`,
		"Cleo Late", `href="tel:+15550100113">+1 555-010-0113</a>`, "1 try, last: left voicemail, 10:00", "front-desk", "clinical",
		`<meta http-equiv="refresh" content="10">`, "Pause updating", "10:10", "Work item: on its way", `To do <span class="count">5</span>`)
	if strings.Contains(page, "Dee Done") {
		t.Error("a closed callback is among what is to do")
	}
	r.wantOn(r.page("/?view=closed"), "Dee Done", "Answered question")
	if got := order(r.page("/?view=all")); len(got) != 6 || got[0] != done {
		t.Errorf("all, newest first: %v", got)
	}
	if page := r.page("/?refresh=off"); strings.Contains(page, "http-equiv") || !strings.Contains(page, "Update by itself") {
		t.Error("updating was not paused")
	}
}

// TestFiltersOfTheList restricts the list and says so when nothing is left.
func TestFiltersOfTheList(t *testing.T) {
	r := newRig(t)
	r.wantOn(r.page("/"), "Nothing to do")
	r.wantOn(r.page("/?view=all"), "No callbacks yet")
	one := r.create("a", "category", `"new-patient"`)
	two := r.create("bb", "category", `"benefits-billing"`, "clinic", `"harbor"`)
	for q, want := range map[string]string{
		"category=new-patient": one, "category=benefits-billing": two, "owner=billing": two, "clinic=harbor": two, "clinic=main-street": one,
		"view=all&owner=billing": two,
	} {
		if got := strings.Join(order(r.page("/?"+q)), " "); got != want {
			t.Errorf("?%s shows %s, want %s", q, got, want)
		}
	}
	page := r.page("/?category=clinical&clinic=harbor")
	r.wantOn(page, "Nothing fits the filter", "Show all", `<option value="clinical" selected>Clinical</option>`, `<option value="harbor" selected>harbor</option>`)
	if got := order(r.page("/?view=nonsense&cursor=nonsense&page=-3")); len(got) != 2 {
		t.Errorf("with strange parameters: %v", got)
	}
}

// TestLongListsHavePages goes to the second page of each list.
func TestLongListsHavePages(t *testing.T) {
	r := newRig(t)
	for i := range 55 {
		r.create(fmt.Sprint("n", i), "caller", caller("Pat", fmt.Sprintf("+155501%05d", 200+i)))
	}
	for _, view := range []string{"todo", "all"} {
		first := r.page("/?view=" + view)
		m := regexp.MustCompile(`<a href="(\?[^"]+)">Next page`).FindStringSubmatch(first)
		if m == nil {
			t.Fatalf("%s: no next page", view)
		}
		second := r.page("/" + strings.ReplaceAll(m[1], "&amp;", "&"))
		seen := map[string]bool{}
		for _, id := range append(order(first), order(second)...) {
			seen[id] = true
		}
		if len(order(first)) != 50 || len(seen) != 55 || !strings.Contains(second, "First page") || strings.Contains(second, "Next page") {
			t.Errorf("%s: %d and %d rows, %d different", view, len(order(first)), len(order(second)), len(seen))
		}
	}
}

// TestADetailPageTellsAll looks at a callback that a booked visit closed.
func TestADetailPageTellsAll(t *testing.T) {
	r := newRig(t)
	id := r.create("f-1", "patient", `{"mrn":"M-77"}`, "new_patient", "true", "visit_kind", `"intake"`,
		"preferred_times", `[{"start":"2026-03-03T14:00:00Z","end":"2026-03-03T17:00:00Z"}]`)
	r.post("/v1/callbacks/"+id+"/attempts", `{"result":"reached","talk_seconds":95,"note":"wants a morning"}`).want(http.StatusOK)
	sentence := "The patient has a new visit, booked after the request."
	if _, err := r.ledger.Update(t.Context(), callback.ID(id), func(rec *callback.Record) error {
		return rec.CloseOnVisit(callback.Evidence{EHR: "sandbox", Appointment: "appt-5", Verdict: callback.Strong,
			Reasons: []string{"patient-certain"}, Sentence: sentence}, r.clock.Now())
	}); err != nil {
		t.Fatal(err)
	}
	page := r.page("/callbacks/" + id)
	r.wantOn(page, "<h1>Ann Example</h1>", "1985-12-31 (40)", "M-77", "ann@example.org", "Tue 3 Mar 09:00 to 12:00", "intake", "I would like to move my appointment",
		"Booked: "+sentence, "wants a morning", "1m35s", "Staff (local)", "appt-5", "Strong", "Credited", "Not looked for yet", "Captured", "from webform",
		`http-equiv="refresh"`)
	r.wantOn(r.page("/?view=closed"), "Booked: "+sentence)
	for _, path := range []string{"/callbacks/x", "/callbacks/01920000-0000-7000-8000-000000000000"} {
		r.wantOn(string(r.get(path).want(http.StatusNotFound).body), "<h1>Not found</h1>", "Go back to the list")
	}
}

// TestWhatCallersWriteIsNeverMarkup shows a text that tries to be a page.
func TestWhatCallersWriteIsNeverMarkup(t *testing.T) {
	r := newRig(t)
	evil := `<script>alert(1)</script>\"'><img src=x onerror=alert(1)> javascript:alert(1)`
	id := r.create("f-1", "caller", `{"name":"`+evil+`","phone":"+15550100123","email":"`+evil+`@example.org"}`, "text", `"`+evil+`"`, "visit_kind", `"`+evil+`"`)
	r.post("/v1/callbacks/"+id+"/assign", `{"owner":"`+evil+`"}`).want(http.StatusOK)
	for _, path := range []string{"/", "/callbacks/" + id, "/?view=all&owner=" + "%3Cscript%3E%22"} {
		page := r.page(path)
		if strings.Contains(page, "<img") || strings.Contains(page, `<script`) {
			t.Errorf("%s shows markup of a caller", path)
		}
	}
}

// TestReviewIsShownWithItsReason flags weak evidence.
func TestReviewIsShownWithItsReason(t *testing.T) {
	r := newRig(t)
	id := r.create("f-1")
	r.create("f-22")
	why := "A visit was booked for somebody with the same number."
	if _, err := r.ledger.Update(t.Context(), callback.ID(id), func(rec *callback.Record) error {
		rec.AskReview([]callback.Evidence{{EHR: "sandbox", Appointment: "appt-9", Verdict: callback.Weak, Sentence: why}}, r.clock.Now())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	page := r.page("/?view=review")
	if got := order(page); len(got) != 1 || got[0] != id {
		t.Errorf("to review: %v", got)
	}
	r.wantOn(page, "To review", why, `To review <span class="count">1</span>`)
	r.wantOn(r.page("/callbacks/"+id), "<strong>To review:</strong> "+why)
}

// TestStuckLinksCanBeDecided tries one again and gives it up, from the console.
func TestStuckLinksCanBeDecided(t *testing.T) {
	r := newRig(t)
	id := r.create("f-1")
	r.wantOn(r.page("/links"), "Nothing is stuck")
	link := r.stuckLink(id)
	r.wantOn(r.page("/"), "1 stuck in the EHR", "Work item: stuck", "map the category in ringback.yaml")
	page := r.page("/links")
	r.wantOn(page, "the EHR refuses the code; map the category", `action="/links/`+link+`/retry"`, `href="/callbacks/`+id+`"`)
	if strings.Contains(page, "http-equiv") {
		t.Error("a page with a form loads anew by itself")
	}
	send := func(path, body string, headers ...string) answer {
		return r.post(path, body, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
	}
	send("/links/"+link+"/retry", "", "Origin", "https://evil.example").want(http.StatusForbidden)
	send("/links/"+link+"/retry", "", "Sec-Fetch-Site", "same-origin").want(http.StatusSeeOther)
	if l, _ := r.ledger.LinkByID(t.Context(), callback.ID(link)); l.State == callback.LinkStuck {
		t.Errorf("after trying again: %s", l.State)
	}
	r.stuckLink(id)
	send("/links/"+link+"/discard", "reason=").want(http.StatusUnprocessableEntity)
	send("/links/"+link+"/discard", "reason=filed+by+hand").want(http.StatusSeeOther)
	if l, _ := r.ledger.LinkByID(t.Context(), callback.ID(link)); l.State != callback.LinkDiscarded || l.LastError != "discarded: filed by hand" {
		t.Errorf("after giving up: %+v", l.State)
	}
}

// TestTimesAreTheClinics shows each clinic's times in its own zone.
func TestTimesAreTheClinics(t *testing.T) {
	r := newRig(t, func(o *server.Options) {
		o.Zone = func(c callback.ClinicID) *time.Location {
			if c == "harbor" {
				return time.FixedZone("far", 8*60*60)
			}
			return eastern
		}
	})
	r.create("a", "category", `"clinical"`)
	r.create("bb", "category", `"clinical"`, "clinic", `"harbor"`)
	r.wantOn(r.page("/"), `Received <time datetime="2026-03-02T09:58:00-05:00">09:58</time>`, `Received <time datetime="2026-03-02T22:58:00+08:00">22:58</time>`)
}
