package ehr

import (
	"context"

	"github.com/ringback-health/ringback/callback"
)

// Pusher is a connector whose EHR may be able to tell that something has changed. It
// is never relied on: the feeds are read by polls, and what an EHR tells only makes
// the next one come sooner.
type Pusher interface {
	// Push sees to it that the EHR tells of changes in each feed, and tells once: it
	// asks where nothing stands, asks again where what stands has failed or differs from
	// the request, and prolongs it in time. It returns what stands then. The error is
	// Permanent where the EHR does not offer it.
	Push(ctx context.Context, r callback.PushRequest) ([]callback.Push, error)
	// Notified says what a notification is for. It does no I/O. Whatever it cannot read
	// is a change.
	Notified(body []byte) callback.NotificationKind
}
