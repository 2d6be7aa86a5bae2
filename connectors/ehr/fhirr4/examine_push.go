package fhirr4

import (
	"context"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/doctor"
)

const checkPush = "push"

// pushOffered says whether the EHR can tell of changes, and whether it is to.
func (e *exam) pushOffered(r *callback.PushRequest) {
	offered := e.c.subscribes(e.m)
	switch {
	case r == nil && offered:
		e.note(checkPush, doctor.Note, doctor.Nobody, "this EHR offers to tell of changes (Subscription), which is not set up: they are found by polls", "")
	case r == nil:
		e.note(checkPush, doctor.Note, doctor.Nobody, "this EHR does not offer to tell of changes (Subscription): they are found by polls", "")
	case !offered:
		e.note(checkPush, doctor.Warning, doctor.Vendor, "push is set up, and this EHR does not offer to create and search Subscriptions: changes are found by polls",
			"remove push; or, if the vendor says that it does, set subscription.offered to always")
	}
}

// push says for each feed whether the EHR tells of changes.
func (e *exam) push(ctx context.Context, r *callback.PushRequest) {
	if r == nil || !e.c.subscribes(e.m) || e.late(ctx, checkPush) {
		return
	}
	ctx, cancel := step(ctx)
	defer cancel()
	all, err := e.c.look(ctx, *r)
	if err != nil {
		whose, what, do := told(err)
		e.note(checkPush, doctor.Warning, whose, "whether this EHR tells of changes cannot be seen: "+what, do)
		return
	}
	for _, p := range all {
		e.pushOf(p)
	}
}

func (e *exam) pushOf(p callback.Push) {
	feed := string(p.Feed)
	switch {
	case p.Stands(e.c.clock.Now()):
		what := "the EHR tells of changes in " + feed
		if !p.Until.IsZero() {
			what += " until " + p.Until.UTC().Format(time.RFC3339) + ", and is asked again before"
		}
		e.note(checkPush, doctor.OK, doctor.Nobody, what, "")
	case p.State == callback.PushNone:
		e.note(checkPush, doctor.Note, doctor.Nobody, "the EHR was not asked yet to tell of changes in "+feed+": the daemon does that when it runs", "")
	case p.State == callback.PushRequested:
		e.note(checkPush, doctor.Note, doctor.Nobody, "the EHR does not tell of changes in "+feed+" yet: "+p.Problem, "")
	case p.State == callback.PushActive:
		e.note(checkPush, doctor.Note, doctor.Nobody, "the EHR's promise to tell of changes in "+feed+" has come to its end: the daemon asks again when it runs", "")
	default:
		e.note(checkPush, doctor.Warning, doctor.EHRAdmin, "the EHR does not tell of changes in "+feed+", which are found by polls: "+p.Problem,
			"let the EHR reach public_url, through every firewall, by https with a certificate that it trusts; the log of the proxy before Ringback shows what arrives")
	}
}
