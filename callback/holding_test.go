package callback_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
)

func TestResource(t *testing.T) {
	for want, l := range map[string]callback.Link{
		"Task (not filed yet)":        {Type: callback.TaskResource, State: callback.LinkPending},
		"Task (not filed)":            {Type: callback.TaskResource, State: callback.LinkDiscarded},
		"Task/4711":                   {Type: callback.TaskResource, State: callback.LinkStuck, RemoteID: "4711"},
		"Appointment (not filed yet)": {Type: callback.AppointmentResource, State: callback.LinkSending},
		string(callback.Worklist):     {Type: callback.Worklist, State: callback.LinkSynced},
	} {
		if got := l.Resource(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestHeldBack(t *testing.T) {
	c := failing(t)
	if got := c.HeldBack(start.Add(time.Hour)); got != "waiting: the EHR has not done its work since "+start.UTC().Format(time.RFC3339)+": the server failed (HTTP 500)" {
		t.Error(got)
	}
	c.Answered(start)
	if got := c.HeldBack(start); got != "" {
		t.Error(got)
	}
	c.Throttled(start.Add(time.Hour))
	if got := c.HeldBack(start); got != "waiting: the EHR asked to be sent nothing before "+start.Add(time.Hour).UTC().Format(time.RFC3339) {
		t.Error(got)
	}
	if got := c.HeldBack(start.Add(time.Hour)); got != "" {
		t.Error(got)
	}
}
