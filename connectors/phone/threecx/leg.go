package threecx

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// kind is of what kind an end of a call is.
type kind int

const (
	kindUnknown kind = iota // not told, or a word that is not known
	kindPerson
	kindGroup // phones that ring together; somebody picks up or nobody does
	kindQueue
	kindMenu
	kindMailbox
	kindFax
	kindOutside
)

// kinds are the words of from-type, to-type and final-type, of old releases
// (ExternalLine) and new ones (external_line). Not confirmed by the vendor.
var kinds = map[string]kind{
	"extension": kindPerson,
	"ringgroup": kindGroup, "ringgroupringall": kindGroup, "ringgrouphunt": kindGroup, "ringgrouppaging": kindGroup, "group": kindGroup,
	"queue": kindQueue,
	"ivr":   kindMenu, "digitalreceptionist": kindMenu, "script": kindMenu, "callflow": kindMenu, "routepoint": kindMenu,
	"inboundrouting": kindMenu, "parking": kindMenu, "park": kindMenu, "specialmenu": kindMenu,
	"voicemail": kindMailbox, "vmail": kindMailbox, "voicemailbox": kindMailbox,
	"fax": kindFax, "faxextension": kindFax,
	"externalline": kindOutside, "external": kindOutside, "provider": kindOutside, "line": kindOutside, "bridge": kindOutside, "outboundrule": kindOutside, "pstn": kindOutside,
}

func kindOf(word string) kind { return kinds[normal(word)] }

// refused are the words of reason-terminated that say why nobody answered.
var refused = map[string]calls.Verdict{
	"busy": calls.VerdictBusy, "rejected": calls.VerdictRejected, "declined": calls.VerdictRejected,
	"noroute": calls.VerdictFailed, "failed": calls.VerdictFailed, "notfound": calls.VerdictFailed, "servererror": calls.VerdictFailed,
}

// goesOn are the words of reason-terminated of a record that another one continues.
var goesOn = map[string]bool{"continuedin": true, "redirected": true, "polling": true, "replaceddst": true, "replacedsrc": true}

// parser is one log being read.
type parser struct {
	format  Format
	zone    *time.Location
	current layout
	named   bool // the file names its columns
	changes []string
	guesses int // calls that count as answered because no kind is told
	words   int // calls that ended at a kind that is not known
}

// leg reads a row that fits its layout into a leg, or says why it is none.
func (p *parser) leg(c cells, line int) (leg calls.Leg, skip string) {
	from := p.end(c, fromType, fromNo, fromDN)
	to := p.end(c, toType, toNo, toDN)
	last := to
	if c.get(finalNo) != "" || c.get(finalDN) != "" || c.get(finalType) != "" {
		last = p.end(c, finalType, finalNo, finalDN)
	}
	if to.kind == kindFax || last.kind == kindFax {
		return leg, "a fax"
	}
	leg = calls.Leg{
		Row: line, ID: phone.Plain(c.get(callID)), Session: phone.Plain(cmp.Or(c.get(callID), c.get(historyID))),
		CallerID: callerID(c), To: phone.Text(bare(cmp.Or(c.get(dialNo), c.get(toNo)))), AppData: phone.Text(c.get(chain)),
	}
	if num := phone.Plain(bare(c.get(fromNo))); !number.Withheld(num) {
		leg.From = redact.NewText(num)
	}
	if name := phone.Text(c.get(fromName)); !number.Withheld(name.Reveal()) && !name.Equal(leg.From) {
		leg.FromName = name
	}
	leg.Direction = directionOf(from, to, last)
	p.times(&leg, c)
	p.judge(&leg, c, to, last)
	return leg, ""
}

// end is one end of a call.
type end struct {
	kind kind
	word string // of its kind, as it stands in the record
	our  bool   // of the phone system itself
	told bool   // there is such an end
}

// end reads an end of a call: by the word for its kind, and where there is none by the
// configured numbers and by how 3CX writes internal numbers, "Ext.100".
func (p *parser) end(c cells, typ, no, dn field) end {
	num, internal := strings.CutPrefix(c.get(no), "Ext.")
	e := end{word: c.get(typ), told: c.get(typ) != "" || num != "" || c.get(dn) != ""}
	e.kind = kindOf(e.word)
	for _, n := range []string{num, c.get(dn)} {
		switch {
		case e.kind != kindUnknown || e.word != "":
		case slices.Contains(p.format.Queues, n):
			e.kind = kindQueue
		case slices.Contains(p.format.Menus, n):
			e.kind = kindMenu
		case slices.Contains(p.format.Mailboxes, n), strings.HasPrefix(strings.ToLower(n), "vmail"), strings.HasPrefix(strings.ToLower(n), "voicemail"):
			e.kind = kindMailbox
		}
	}
	if e.kind == kindUnknown && e.word == "" && !internal && publicNumber(num) {
		e.kind = kindOutside
	}
	e.our = internal && e.kind != kindOutside || e.kind != kindUnknown && e.kind != kindOutside
	return e
}

// publicNumber reports whether a number has more digits than one of the phone system.
func publicNumber(s string) bool {
	digits := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	return digits > 5
}

// bare is a number without 3CX's mark for internal ones.
func bare(s string) string { return strings.TrimPrefix(s, "Ext.") }

func callerID(c cells) redact.Text {
	name, num := c.get(fromName), bare(c.get(fromNo))
	if name == "" {
		return phone.RawText(num)
	}
	return phone.RawText(fmt.Sprintf(`"%s" <%s>`, name, num))
}

// directionOf is who called whom, "" when that is not told.
func directionOf(from, to, last end) calls.Direction {
	switch {
	case from.kind == kindOutside:
		return calls.Inbound
	case from.our && (to.kind == kindOutside || last.kind == kindOutside):
		return calls.Outbound
	case from.our:
		return calls.Internal
	default:
		return ""
	}
}

// times sets the times of a leg; the layout has already shown that they can be read.
// The duration of a record is that from the answer on.
func (p *parser) times(leg *calls.Leg, c cells) {
	talk, _ := length(c.get(duration))
	wall, _ := parseTime(c.get(timeStart))
	leg.Start = phone.Instant(wall, p.zone, time.Time{})
	if wall, err := parseTime(c.get(timeAnswer)); err == nil {
		leg.Answer = phone.Instant(wall, p.zone, leg.Start)
	}
	if wall, err := parseTime(c.get(timeEnd)); err == nil {
		begin := leg.Start
		if !leg.Answer.IsZero() {
			begin = leg.Answer
		}
		leg.End = phone.Instant(wall, p.zone, begin.Add(talk))
	} else if talk > 0 && !leg.Answer.IsZero() {
		leg.End = leg.Answer.Add(talk)
	}
	if leg.End.Before(leg.Start) { // the clock was set, or the record is damaged
		leg.End = time.Time{}
	}
	if !leg.End.IsZero() {
		leg.Duration = leg.End.Sub(leg.Start)
	}
}

// judge states what the record says of how the call ended.
func (p *parser) judge(leg *calls.Leg, c cells, to, last end) {
	answered := !leg.Answer.IsZero()
	reason := normal(c.get(terminated))
	polled := ""
	if n := count(c.get(missedCalls)); n > 0 {
		polled = fmt.Sprintf("; %d phones of the queue rang and nobody answered", n)
	}
	state := func(v calls.Verdict, note string) { leg.Stated, leg.Note = v, note }
	switch {
	case !answered && goesOn[reason]:
		// Another record of the call says how it ended.
	case !answered && refused[reason] != "":
		state(refused[reason], "never answered; the record says so why")
	case !answered && last.kind == kindQueue:
		state(calls.VerdictAbandonedQueue, "ended while waiting in a queue"+polled)
	case !answered:
		state(calls.VerdictAbandonedRing, "never answered"+polled)
	case last.kind == kindPerson, last.kind == kindGroup, last.kind == kindOutside:
		p.person(leg, to, last)
	case last.kind == kindQueue:
		state(calls.VerdictAbandonedQueue, "ended in a queue"+polled)
	case last.kind == kindMailbox:
		state(calls.VerdictVoicemail, "reached a mailbox; the record does not say whether a message was left")
	case last.kind == kindMenu:
		state(calls.VerdictAbandonedIVR, "ended in a menu or an announcement")
	case last.word == "":
		p.guesses++
		p.person(leg, to, last)
		leg.Note = "a guess: the record says that the call was answered, not by what; a queue or a menu may have taken it"
	default:
		p.words++
		state(calls.VerdictAbandonedRing, "ended at a kind of destination that is not known; counts as not answered")
	}
	if leg.Stated != calls.VerdictAnswered {
		leg.Answer = time.Time{} // of a machine
	}
}

// person states that a person answered. When is told only where nothing that answers by
// itself stood before.
func (p *parser) person(leg *calls.Leg, to, last end) {
	leg.Stated, leg.Note = calls.VerdictAnswered, "a person answered"
	leg.Disposition = calls.Answered
	if to.kind != last.kind && (to.kind == kindQueue || to.kind == kindMenu || to.kind == kindMailbox) {
		leg.Answer = time.Time{}
		leg.Note = "a person answered, behind a queue or a menu; the record does not say when"
		return
	}
	if leg.End.After(leg.Answer) {
		leg.Talk = leg.End.Sub(leg.Answer)
	}
}

// count counts the entries of a list such as "Ext.100;Ext.101;".
func count(list string) int {
	n := 0
	for _, e := range strings.FieldsFunc(list, func(r rune) bool { return r == ';' || r == ' ' }) {
		if e != "" {
			n++
		}
	}
	return n
}
