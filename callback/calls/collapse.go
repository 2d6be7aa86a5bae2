package calls

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/redact"
)

// Collapse puts legs together into sessions and gives each its verdict. The
// order of the legs, and legs that occur twice, make no difference. Every leg
// belongs to exactly one session. Sessions come back in the order of their
// start.
//
// Legs belong together when they have the same Session; without one, when they
// have the same ID or are the two halves of one Local channel. Legs with
// neither belong together when the same caller was in both at the same time,
// since nobody calls twice at once; withheld callers are never put together
// unless the records are equal in everything. A message that is told without its call is
// put to it; see JoinMessages.
func Collapse(legs []Leg, rules Rules) []Session {
	groups := group(JoinMessages(legs))
	sessions := make([]Session, 0, len(groups))
	for _, g := range groups {
		sessions = append(sessions, rules.session(g))
	}
	slices.SortStableFunc(sessions, func(a, b Session) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return sessions
}

// session builds the session of one group of legs.
func (r Rules) session(g legGroup) Session {
	legs := g.legs
	slices.SortFunc(legs, func(a, b Leg) int { return compareLegs(g.id, a, b) })
	s := Session{ID: g.id, To: legs[0].To, Log: legs[0].Log}
	for _, l := range legs {
		s.From = firstText(s.From, l.From)
		s.FromName = firstText(s.FromName, l.FromName)
		s.To = firstText(s.To, l.To)
		s.Message = s.Message.and(l.Message)
		if !l.Start.IsZero() && (s.StartedAt.IsZero() || l.Start.Before(s.StartedAt)) {
			s.StartedAt = l.Start
		}
		if e := l.end(); e.After(s.EndedAt) {
			s.EndedAt = e
		}
		if l.Log == s.Log {
			s.Rows = append(s.Rows, l.Row)
		}
	}
	slices.Sort(s.Rows)
	s.Rows = slices.Compact(s.Rows)
	r.judge(&s, legs)
	return s
}

func firstText(a, b redact.Text) redact.Text {
	if a.IsEmpty() {
		return b
	}
	return a
}

// compareLegs orders the legs of a session: the caller's own first, then by
// time and by the phone system's order. It is a total order but for legs that
// are equal in everything, so that the order of the file has no influence.
func compareLegs(session string, a, b Leg) int {
	c := cmp.Or(
		boolInt(b.ID == session)-boolInt(a.ID == session),
		boolInt(a.onHelper())-boolInt(b.onHelper()),
		a.Start.Compare(b.Start),
		cmp.Compare(a.Seq, b.Seq),
	)
	if c != 0 {
		return c
	}
	return cmp.Compare(a.identity(), b.identity())
}

func (l Leg) onHelper() bool { return parseChannel(l.Channel.Reveal()).helper() }

// identity is everything about the leg but its row. It contains PHI and must
// not leave the package.
func (l Leg) identity() string {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	return strings.Join([]string{
		l.Session, l.ID, fmt.Sprint(l.Seq), at(l.At), string(l.Direction), l.From.Reveal(), l.FromName.Reveal(), l.CallerID.Reveal(), l.To.Reveal(),
		l.Context, l.Channel.Reveal(), l.DstChannel.Reveal(), l.App, l.AppData.Reveal(),
		at(l.Start), at(l.Answer), at(l.End), l.Duration.String(), l.Talk.String(),
		string(l.Disposition), string(l.Stated), l.Note,
		l.Message.ID, l.Message.URL.Reveal(), l.Message.Length.String(), l.Message.Transcript.Reveal(),
	}, "\x00")
}
