package calllog

import (
	"cmp"
	"fmt"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// What the words alone do not say, as it is told in the reasons of a session.
const (
	guessLength   = "a guess: the log says that the call was completed and how long it was, not that a person answered"
	guessNoWord   = "a guess: the log has no column that says how a call ended; it had a length, so it counts as answered"
	noWordNoTime  = "the log has no column that says how a call ended, and the call had no length"
	completedNull = "the log says that the call was completed, and no length; nobody is known to have answered"
	ownProgram    = "completed, by the phone system's own program; no leg to a person is known to have been answered"
	childTalked   = "a leg to a person was completed with talk"
	childSilent   = "a leg to a person was completed without any talk"
	messageLeft   = "the log says that there is a voicemail"
	columnYes     = "the log says that it was answered"
	columnNo      = "the log says that it was not answered"
	unknownWord   = "the log's word for how the call ended is not known; counts as not answered"
	noWord        = "the log does not say how this call ended; counts as not answered"
)

// leg reads the cells of one row into a leg, or says why it is none (skip) or
// cannot be read (reason).
func (p *parser) leg(c cells, line int) (leg calls.Leg, skip, reason string) {
	if otherMedia[normal(c.get(fieldKind))] {
		return leg, "not a phone call", ""
	}
	end := p.ending(c)
	if end.running {
		return leg, "the call had not ended when the log was written", ""
	}
	leg = calls.Leg{Row: line, Stated: end.verdict, Note: end.note, To: phone.Text(c.get(fieldCallee))}
	leg.ID = phone.Plain(c.get(fieldID))
	leg.Session = phone.Plain(c.get(fieldSession))
	if c.has(fieldParent) && leg.Session == "" {
		// The caller's leg and the legs below it are one call.
		leg.Session = leg.ID
		if parent := phone.Plain(c.get(fieldParent)); parent != "" {
			leg.Session = parent
		}
	}
	leg.Direction = directionOf(c)
	if isChild(c) {
		leg.Direction = "" // of the leg, not of the call
	}
	setCaller(&leg, c)
	if reason = p.times(&leg, c, end); reason != "" {
		return calls.Leg{}, "", reason
	}
	return leg, "", ""
}

func directionOf(c cells) calls.Direction {
	if d, ok := directions[normal(c.get(fieldDirection))]; ok {
		return d
	}
	return directions[normal(c.get(fieldKind))]
}

func isChild(c cells) bool { return c.get(fieldParent) != "" }

// setCaller sets who called whom. A column for "the other party" holds the
// caller of an inbound call and the called number of an outbound one.
func setCaller(leg *calls.Leg, c cells) {
	from := c.get(fieldCaller)
	if other := c.get(fieldOther); other != "" {
		switch {
		case leg.Direction == calls.Outbound && leg.To.IsEmpty():
			leg.To = phone.Text(other)
		case leg.Direction != calls.Outbound && from == "":
			from = other
		}
	}
	leg.CallerID = callerID(c.get(fieldName), from)
	if !number.Withheld(from) {
		leg.From = phone.Text(from)
	}
	if name := phone.Text(c.get(fieldName)); !number.Withheld(name.Reveal()) && !name.Equal(leg.From) {
		leg.FromName = name
	}
}

// callerID puts name and number together as phone systems write them.
func callerID(name, num string) redact.Text {
	if name == "" {
		return phone.RawText(num)
	}
	return phone.RawText(fmt.Sprintf(`"%s" <%s>`, name, num))
}

// times sets the times and lengths of the leg.
func (p *parser) times(leg *calls.Leg, c cells, end ending) string {
	startCell, date := c.get(fieldStart), c.get(fieldDate)
	if startCell == "" {
		startCell, date = date, ""
	}
	var err error
	if leg.Start, err = p.clock.read(startCell, date, time.Time{}); err != nil {
		return "its start time " + err.Error()
	}
	var bad bool
	if leg.Duration, _, bad = p.lengthOf(c, fieldDuration); bad {
		p.doubts.length(leg.Row)
	}
	talk, known, bad := p.lengthOf(c, fieldTalk)
	if bad {
		p.doubts.length(leg.Row)
	}
	if leg.End, err = p.endTime(c.get(fieldEnd), date, *leg); err != nil {
		return "its end time " + err.Error()
	}
	if end.verdict != calls.VerdictAnswered {
		return ""
	}
	if leg.Talk = talk; !known {
		leg.Talk = leg.Duration
	}
	if t, err := p.clock.read(c.get(fieldAnswered), date, leg.Start); err == nil {
		leg.Answer = t
	}
	return ""
}

// endTime reads the end of a call. Some systems log the start as the end of a
// call that was missed: that is no length of 0, it is not known.
func (p *parser) endTime(cell, date string, leg calls.Leg) (time.Time, error) {
	if cell == "" {
		return time.Time{}, nil
	}
	end, err := p.clock.read(cell, date, leg.Start.Add(leg.Duration))
	switch {
	case err != nil:
		return time.Time{}, err
	case end.Equal(leg.Start):
		return time.Time{}, nil
	case end.Before(leg.Start) && onlyClock(cell): // after midnight
		return end.AddDate(0, 0, 1), nil
	default:
		return end, nil
	}
}

// lengthOf reads a length; bad says that there is something that is none.
func (p *parser) lengthOf(c cells, f field) (d time.Duration, known, bad bool) {
	if !c.has(f) {
		return 0, false, false
	}
	d, known, readable := length(c.get(f), unitOf(p.head.cells[c.at[f]]))
	return d, known, !readable
}

// ending is how one row says that its call ended.
type ending struct {
	verdict calls.Verdict
	note    string
	running bool
}

// ending decides by the best column there is, as Format.Parse describes.
func (p *parser) ending(c cells) ending {
	said := normal(c.get(fieldResult))
	word, ok := results[said]
	if !ok {
		said = normal(c.get(fieldKind))
		word, ok = results[said]
	}
	mailbox := hasMessage(c)
	switch {
	case word.running:
		return ending{running: true}
	case mailbox && word.verdict != calls.VerdictAnswered:
		return ending{verdict: calls.VerdictVoicemail, note: messageLeft}
	case ok && !word.weak:
		return ending{verdict: word.verdict, note: cmp.Or(word.note, fmt.Sprintf("the log says %q", said))}
	}
	if answered, known := answeredColumn(c); known {
		if answered {
			return ending{verdict: calls.VerdictAnswered, note: columnYes}
		}
		return ending{verdict: calls.VerdictAbandonedRing, note: columnNo}
	}
	if ok {
		return p.completed(c)
	}
	return p.wordless(c)
}

// completed settles a call that was completed, where no column says by whom.
func (p *parser) completed(c cells) ending {
	long := p.talked(c)
	switch {
	case isChild(c) && long:
		p.doubts.child()
		return ending{verdict: calls.VerdictAnswered, note: childTalked}
	case isChild(c):
		p.doubts.child()
		return ending{verdict: calls.VerdictAbandonedRing, note: childSilent}
	case c.has(fieldParent):
		p.doubts.program()
		return ending{verdict: calls.VerdictAbandonedIVR, note: ownProgram}
	case long:
		p.doubts.guess()
		return ending{verdict: calls.VerdictAnswered, note: guessLength}
	default:
		return ending{verdict: calls.VerdictAbandonedRing, note: completedNull}
	}
}

// wordless settles a call for which there is no word, or one that is not known.
func (p *parser) wordless(c cells) ending {
	switch {
	case c.get(fieldResult) != "":
		p.doubts.word()
		return ending{verdict: calls.VerdictAbandonedRing, note: unknownWord}
	case c.has(fieldResult):
		return ending{verdict: calls.VerdictAbandonedRing, note: noWord}
	case p.talked(c):
		p.doubts.guess()
		return ending{verdict: calls.VerdictAnswered, note: guessNoWord}
	default:
		return ending{verdict: calls.VerdictAbandonedRing, note: noWordNoTime}
	}
}

// talked reports whether the row has a length above zero, of talk if there is
// a column for it.
func (p *parser) talked(c cells) bool {
	f := fieldDuration
	if c.has(fieldTalk) {
		f = fieldTalk
	}
	d, known, _ := p.lengthOf(c, f)
	return known && d > 0
}

// hasMessage reports whether the voicemail column says that there is one: yes,
// an address, a length, anything but no.
func hasMessage(c cells) bool {
	value, known := yes(c.get(fieldVoicemail))
	if !known {
		d, isLength, readable := length(c.get(fieldVoicemail), time.Second)
		return !readable || isLength && d > 0
	}
	return value
}

// answeredColumn reads a column that says yes or no, or holds the time of the
// answer, empty when there was none.
func answeredColumn(c cells) (answered, known bool) {
	if !c.has(fieldAnswered) {
		return false, false
	}
	if value, ok := yes(c.get(fieldAnswered)); ok {
		return value, true
	}
	return true, true
}
