package scheduler_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/connectors/ehr/fhirr4"
)

// gate stands before the world's EHR. refuse sees each search by time of change, with how
// much of the time it asks for, and says by which status it is refused; 0: not.
type gate struct {
	settings string // of the connector
	undated  bool   // the EHR does not tell its time
	refuse   func(r *http.Request, asked time.Duration) int
}

// behind returns a world behind a gate, in which a feed has a watermark.
func (g gate) behind(t *testing.T, f callback.Feed) *world {
	t.Helper()
	w := newWorld(t)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if changed := r.URL.Query()["_lastUpdated"]; len(changed) > 0 {
			from, until := w.clock.Now(), w.clock.Now()
			for _, c := range changed {
				at, err := time.Parse(time.RFC3339, c[2:])
				w.must(err)
				if c[:2] == "ge" {
					from = at
				} else {
					until = at
				}
			}
			if status := g.refuse(r, until.Sub(from)); status != 0 {
				http.Error(rw, "", status)
				return
			}
		}
		if g.undated {
			rw = undated{rw}
		}
		w.ehr.ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	c, err := fhirr4.Kind().New(ehr.Settings{ID: ehrID, Clinic: clinic, Zone: time.UTC, Region: "US", Secret: noSecret, Clock: w.clock},
		func(into any) error {
			return yaml.Unmarshal([]byte("base_url: "+srv.URL+"/fhir/R4\n"+g.settings), into)
		})
	w.must(err)
	t.Cleanup(c.Close)
	w.with(c)
	w.poll()
	w.ask("1", nil)
	w.deliver()
	w.book(w.ann(), "")
	w.clock.Advance(time.Minute)
	w.must(w.Poll(t.Context(), ehrID, f))
	if w.feed(f).Watermark.IsZero() {
		t.Fatal("the feed has no watermark")
	}
	return w
}

func (w *world) feed(f callback.Feed) callback.FeedState {
	w.t.Helper()
	st, err := w.ledger.FeedState(w.t.Context(), clinic, ehrID, f)
	w.must(err)
	return st
}

// untilRead polls every minute, and fails when the feed is not read to its end by then.
func (w *world) untilRead(f callback.Feed, polls int) {
	w.t.Helper()
	before := w.feed(f).LastSuccess
	var asked []time.Duration
	for range polls {
		_ = w.Poll(w.t.Context(), ehrID, f) // the state says how it ended
		st := w.feed(f)
		if st.LastSuccess.After(before) {
			return
		}
		asked = append(asked, st.Slice)
		w.clock.Advance(time.Minute)
	}
	w.t.Fatalf("not read to its end after %d polls; slices %s, %s", polls, asked, w.feed(f).LastError)
}

// TestTooMuchOfSeveralTypes: work items are of several types of resources, and the EHR
// manages an hour of each at once. Each slice of time is read of all of them before the
// next, so that a read that is cut off goes on from there.
func TestTooMuchOfSeveralTypes(t *testing.T) {
	types := map[string]bool{}
	w := gate{settings: "communication: {recipient: Organization/1}", refuse: func(r *http.Request, asked time.Duration) int {
		types[r.URL.Path] = true
		if asked > time.Hour {
			return http.StatusGatewayTimeout
		}
		return 0
	}}.behind(t, callback.FeedItems)
	w.clock.Advance(16 * time.Hour)
	w.untilRead(callback.FeedItems, 60)
	if len(types) < 2 {
		t.Errorf("asked for %v only", types)
	}
}

// TestLittleMoreThanTheOverlap: an EHR that manages hardly more at once than what is read
// again each time comes out of it all the same: a poll a minute has to see more than that.
func TestLittleMoreThanTheOverlap(t *testing.T) {
	w := gate{refuse: func(_ *http.Request, asked time.Duration) int {
		if asked > 3*time.Minute {
			return http.StatusGatewayTimeout
		}
		return 0
	}}.behind(t, callback.FeedAppointments)
	w.clock.Advance(time.Hour)
	w.untilRead(callback.FeedAppointments, 120)
}

// TestSliceIsRefused: an EHR that was busy once and takes no slices at all, whatever it
// says to them, is asked for all again.
func TestSliceIsRefused(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			busy := false
			w := gate{refuse: func(r *http.Request, _ time.Duration) int {
				switch {
				case busy:
					return http.StatusServiceUnavailable
				case len(r.URL.Query()["_lastUpdated"]) > 1:
					return status
				default:
					return 0
				}
			}}.behind(t, callback.FeedAppointments)
			w.clock.Advance(time.Hour)
			busy = true
			if err := w.Poll(t.Context(), ehrID, callback.FeedAppointments); err == nil {
				t.Fatal("the poll should fail")
			}
			busy = false
			w.clock.Advance(10 * time.Minute)
			w.untilRead(callback.FeedAppointments, 20)
		})
	}
}

// TestSliceWithoutADate: of an EHR that does not tell its time nobody knows whether a slice
// ends in its future: the watermark does not go there.
func TestSliceWithoutADate(t *testing.T) {
	busy, ends := false, false
	w := gate{undated: true, refuse: func(r *http.Request, _ time.Duration) int {
		switch {
		case busy:
			return http.StatusServiceUnavailable
		case ends && len(r.URL.Query()["_lastUpdated"]) == 1:
			return http.StatusBadGateway
		default:
			return 0
		}
	}}.behind(t, callback.FeedAppointments)
	poll := func() { _ = w.Poll(t.Context(), ehrID, callback.FeedAppointments); w.clock.Advance(time.Minute) }
	w.clock.Advance(time.Hour)
	busy = true
	poll()
	busy, ends = false, true
	for range 3 {
		poll()
	}
	ends = false
	poll()
	if st := w.feed(callback.FeedAppointments); st.Watermark.After(w.clock.Now()) {
		t.Errorf("the watermark is at %s, and it is %s", st.Watermark, w.clock.Now())
	}
}

// TestTimeOfTheJobIsOver: what came of a poll is stored although its time is over, or the
// next would ask for as much again.
func TestTimeOfTheJobIsOver(t *testing.T) {
	var over context.CancelFunc
	w := gate{refuse: func(*http.Request, time.Duration) int {
		if over != nil {
			over()
			return http.StatusGatewayTimeout
		}
		return 0
	}}.behind(t, callback.FeedAppointments)
	w.clock.Advance(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	over = cancel
	if err := w.Poll(ctx, ehrID, callback.FeedAppointments); err == nil {
		t.Fatal("the poll should fail")
	}
	if st := w.feed(callback.FeedAppointments); st.LastError == "" {
		t.Errorf("nothing was stored: %+v", st)
	}
}

// undated leaves the EHR's clock out of its answers.
type undated struct{ http.ResponseWriter }

func (u undated) WriteHeader(status int) {
	u.Header()["Date"] = nil
	u.ResponseWriter.WriteHeader(status)
}

// TestFarBehindGoesOn: a feed that is far behind and is cut off again and again goes on
// where it was, and does not begin behind it each time.
func TestFarBehindGoesOn(t *testing.T) {
	answers := 1000 // to searches, until one fails
	w := gate{refuse: func(*http.Request, time.Duration) int {
		if answers--; answers < 0 {
			return http.StatusBadGateway
		}
		return 0
	}, settings: "page_size: 3"}.behind(t, callback.FeedAppointments)
	// Twenty changes within the overlap, ten minutes ago.
	w.clock.Advance(10 * time.Minute)
	patient := w.ann()
	for range 20 {
		w.book(patient, "")
		w.clock.Advance(5 * time.Second)
	}
	w.clock.Advance(10 * time.Minute)
	before := w.feed(callback.FeedAppointments).LastSuccess
	for polls := 0; w.feed(callback.FeedAppointments).LastSuccess.Equal(before); polls++ {
		if polls == 20 {
			t.Fatalf("not read to its end after %d polls of three pages", polls)
		}
		answers = 3
		_ = w.Poll(t.Context(), ehrID, callback.FeedAppointments) // the state says how it ended
		w.clock.Advance(time.Minute)
	}
}
