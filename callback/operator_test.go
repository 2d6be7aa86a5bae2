package callback_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

func stuck(t tester) (callback.Record, *callback.Link) {
	t.Helper()
	r := assigned(t)
	l := &r.Links[0]
	l.Sending(r.WorkItem(*l), start, start)
	l.State, l.Failures, l.LastError, l.NextAttemptAt = callback.LinkStuck, 8, "refused", start.Add(time.Hour)
	return r, l
}

func TestOperatorOnALink(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*callback.Record, callback.ID) error
		err  error
		want func(callback.Record, callback.Link) bool
	}{
		{"retry", func(r *callback.Record, l callback.ID) error { return r.RetryLink(l, person, start) }, nil,
			func(_ callback.Record, l callback.Link) bool {
				return l.State == callback.LinkSending && l.Failures == 0 && l.NextAttemptAt.IsZero() && len(l.Sent) == 1 && l.SettlesAt.IsZero()
			}},
		{"discard", func(r *callback.Record, l callback.ID) error { return r.DiscardLink(l, "filed by hand", person, start) }, nil,
			func(_ callback.Record, l callback.Link) bool {
				return l.State == callback.LinkDiscarded && l.LastError == "discarded: filed by hand"
			}},
		{"edit nothing", func(r *callback.Record, l callback.ID) error {
			return r.EditLink(l, callback.LinkEdit{Reason: "why not"}, person, start)
		}, callback.ErrInvalid, nil},
		{"edit to what is not there", func(r *callback.Record, l callback.ID) error {
			return r.EditLink(l, callback.LinkEdit{Category: "nonsense"}, person, start)
		}, callback.ErrInvalid, nil},
		{"edit the content", func(r *callback.Record, l callback.ID) error {
			return r.EditLink(l, callback.LinkEdit{Owner: "billing", Priority: callback.Stat, Category: callback.Clinical, Chart: redact.NewText("p1")}, person, start)
		}, nil, func(r callback.Record, l callback.Link) bool {
			return r.Owner == "billing" && r.Priority == callback.Stat && r.Category == callback.Clinical && r.Patient.Keys.EHRID.Reveal() == "p1" &&
				r.Patient.Resolution == callback.Certain && l.State == callback.LinkSending && l.Lags(r.Callback)
		}},
		{"tie to an item", func(r *callback.Record, l callback.ID) error {
			return r.EditLink(l, callback.LinkEdit{Item: "t9"}, person, start)
		}, nil, func(r callback.Record, l callback.Link) bool {
			return l.RemoteID == "t9" && l.RemoteVersion == "" && l.State == callback.LinkSynced && l.Lags(r.Callback) && len(l.Sent) == 0
		}},
		{"a link of somebody else", func(r *callback.Record, _ callback.ID) error {
			return r.EditLink(callback.NewID(), callback.LinkEdit{Item: "t9"}, person, start)
		}, callback.ErrNotFound, nil},
	} {
		r, l := stuck(t)
		events := len(r.Timeline)
		if err := c.do(&r, l.ID); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if c.want != nil && !c.want(r, r.Links[0]) {
			t.Errorf("%s: %+v", c.name, r.Links[0])
		}
		if last := r.Timeline[len(r.Timeline)-1]; c.err == nil && (len(r.Timeline) == events || last.By != person) {
			t.Errorf("%s: the timeline does not say who did it", c.name)
		}
	}
	r, l := stuck(t)
	l.Step(callback.Worklist, start)
	if err := r.EditLink(l.ID, callback.LinkEdit{Item: "t9"}, person, start); !errors.Is(err, callback.ErrInvalid) {
		t.Errorf("%v", err)
	}
}
