//go:build conformance

package peers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pushWord is the secret with which HAPI tells of changes.
const pushWord = "3c1f6c0e8d5b4a7f9e2d1c0b3a495867"

// TestPush: polls come once an hour, and a visit that staff book closes the callback
// at once, because the EHR tells of it by a rest-hook. HAPI does; Medplum's packages
// have no part that delivers (its server does that with Redis).
func TestPush(t *testing.T) {
	if hapi.base == "" {
		t.Skip("there is no HAPI: run.sh could not start it")
	}
	hapi.furnish(t)
	address := freeAddress(t)
	w := newWorld(t, hapi, "", settings{listen: address})
	file := filepath.Join(w.dir, "ringback.yaml")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "push.secret", pushWord)
	w.write(t, "ringback.yaml", "public_url: http://"+address+"\n"+
		strings.Replace(string(raw), `poll: "@every 1s"`, "poll: \"@every 1h\"\n      push: {secret_file: push.secret}", 1))
	w.start(t)
	w.baseline(t)
	w.told(t)
	defer func() { // HAPI would go on trying to reach this daemon
		for _, feed := range []string{"work-items", "appointments"} {
			for _, s := range w.subscriptions(t, feed) {
				w.ehr.delete(t, "Subscription/"+s["id"].(string))
			}
		}
	}()

	who := somebody()
	chart := w.ehr.register(t, who)
	id := w.ask(t, who, nil)
	w.inStep(t, id)
	began := time.Now()
	w.closedBy(t, id, w.ehr.book(t, visit{patient: chart, created: time.Now()}), "strong")
	t.Logf("HAPI told of a booking, and the callback closed after %s", time.Since(began).Round(100*time.Millisecond))
	w.inStep(t, id)

	// What staff do in the inbox is told as well.
	other := w.ask(t, somebody(), nil)
	w.ehr.move(t, w.inStep(t, other), "completed")
	w.until(t, other, "what staff did is taken over", func(c callback) bool { return c.Status == "closed" })

	for _, word := range []string{"", "Bearer x" + pushWord} {
		if status := w.tell(t, word); status != http.StatusUnauthorized {
			t.Errorf("a notification with %q is answered with %d", word, status)
		}
	}
	// Another life finds what stands and asks for nothing more.
	w.stop(t)
	w.judge(t)
	w.start(t)
	w.told(t)
	if out := w.command(t, "doctor"); strings.Count(out, "the EHR tells of changes in") != 2 {
		t.Errorf("doctor says:\n%s", out)
	}
	if strings.Contains(w.logged(), pushWord) {
		t.Error("the secret stands in the log")
	}
	w.stop(t)
}

// told waits until one Subscription per feed is active.
func (w *world) told(t *testing.T) {
	t.Helper()
	for _, feed := range []string{"work-items", "appointments"} {
		eventually(t, "the EHR tells of "+feed, func() (bool, string) {
			found := w.subscriptions(t, feed)
			return len(found) == 1 && found[0]["status"] == "active", fmt.Sprint(found)
		})
	}
}

// subscriptions are those of this daemon for a feed.
func (w *world) subscriptions(t *testing.T, feed string) (all []resource) {
	t.Helper()
	var found struct{ Entry []struct{ Resource resource } }
	w.ehr.do(t, http.MethodGet, w.ehr.base+"/Subscription?"+url.Values{"url": {w.notifications(feed)}}.Encode(), nil, nil, &found)
	for _, e := range found.Entry {
		all = append(all, e.Resource)
	}
	return all
}

func (w *world) notifications(feed string) string {
	return w.base + "/v1/ehr/peer/notifications/" + feed
}

// tell sends a notification as somebody else would.
func (w *world) tell(t *testing.T, word string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.notifications("appointments"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", word)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
