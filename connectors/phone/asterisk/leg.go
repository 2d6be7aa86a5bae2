package asterisk

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// leg reads one record, or says why it cannot be read.
func (p *parser) leg(rec phone.Record, l layout) (calls.Leg, string) {
	get := func(f field) string { return l.get(rec.Fields, f) }
	leg := calls.Leg{
		Row:         rec.Line,
		Session:     phone.Plain(get(linkedid)),
		ID:          phone.Plain(get(uniqueid)),
		CallerID:    phone.RawText(get(clid)),
		To:          phone.Text(get(dst)),
		Context:     phone.Plain(get(dcontext)),
		Channel:     phone.Text(get(channel)),
		DstChannel:  phone.Text(get(dstchannel)),
		App:         phone.Plain(get(lastapp)),
		AppData:     phone.Text(get(lastdata)),
		Disposition: dispositionOf(get(disposition)),
		Stated:      stated(get(userfield)),
	}
	leg.From, leg.FromName = caller(get(src), get(clid))
	if s := strings.TrimSpace(get(sequence)); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return calls.Leg{}, "its sequence is not a number"
		}
		leg.Seq = n
	}
	var ok bool
	if leg.Duration, ok = seconds(get(duration)); !ok {
		return calls.Leg{}, "its duration is not a number of seconds"
	}
	if leg.Talk, ok = seconds(get(billsec)); !ok {
		return calls.Leg{}, "its billsec is not a number of seconds"
	}
	p.times(&leg, get(start), get(answer), get(end), !l.has(answer))
	return leg, ""
}

// times sets the times of a leg; the layout has already shown that they can be
// read. The CDR table of FreePBX has the start and two lengths only.
func (p *parser) times(leg *calls.Leg, startCell, answerCell, endCell string, noAnswerColumn bool) {
	wall, _ := parseTime(startCell)
	stamp := idTime(cmp.Or(leg.ID, leg.Session))
	leg.Start = phone.Instant(wall, p.zone.zone, stamp)
	p.zone.see(wall, stamp, leg.Session == "" || leg.Session == leg.ID)
	leg.End = leg.Start.Add(leg.Duration)
	if wall, err := parseTime(endCell); err == nil {
		leg.End = phone.Instant(wall, p.zone.zone, leg.End)
	}
	if wall, err := parseTime(answerCell); err == nil {
		leg.Answer = phone.Instant(wall, p.zone.zone, leg.End.Add(-leg.Talk))
	} else if noAnswerColumn && leg.Disposition == calls.Answered {
		leg.Answer = leg.End.Add(-leg.Talk)
	}
}

// idTime is the time stamp inside a uniqueid, zero when it has none.
func idTime(id string) time.Time {
	stamp, ok := uniqueID(id)
	if !ok {
		return time.Time{}
	}
	n, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// caller is the caller's number and name. The number is src; a name that only
// repeats it is none.
func caller(srcCell, clidCell string) (from, name redact.Text) {
	shown, inside := splitCallerID(phone.Plain(clidCell))
	num := phone.Plain(srcCell)
	if number.Withheld(num) {
		num = inside
	}
	if number.Withheld(num) {
		num = ""
	}
	if shown == num || number.Withheld(shown) {
		shown = ""
	}
	return redact.NewText(num), redact.NewText(shown)
}

// splitCallerID splits `"Name" <number>`.
func splitCallerID(s string) (name, num string) {
	name = s
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		name = s[:i]
		num = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s[i+1:]), ">"))
	}
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(name), `"`)), num
}

// stated is what the dialplan wrote into the userfield for us to read.
func stated(cell string) calls.Verdict {
	switch v := calls.Verdict(strings.ToLower(strings.TrimSpace(cell))); v {
	case calls.VerdictVoicemail, calls.VerdictCallbackRequested, calls.VerdictAfterHours:
		return v
	default:
		return ""
	}
}

// seconds reads a length; cdr_custom may be set up to write fractions.
func seconds(cell string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1e7 {
		return 0, false
	}
	return time.Duration(math.Round(f * float64(time.Second))), true
}

// zoneCheck compares the times of a log with the time stamps in its
// identifiers, which are the same in every zone.
type zoneCheck struct {
	zone   *time.Location
	offset map[time.Duration]int // by offset from UTC: rows that were written with it
	wrong  int
	seen   int
}

// see takes note of one row. Only the first leg of a channel starts when its
// identifier was made, so others say nothing.
func (z *zoneCheck) see(wall, stamp time.Time, first bool) {
	if stamp.IsZero() || !first {
		return
	}
	z.seen++
	// Offsets are multiples of a quarter of an hour; a leg may start a few
	// minutes into its channel.
	const quarter = 15 * time.Minute
	off := wall.Sub(stamp).Round(quarter)
	if wall.Sub(stamp.Add(off)).Abs() > 5*time.Minute {
		return
	}
	if z.offset == nil {
		z.offset = make(map[time.Duration]int)
	}
	z.offset[off]++
	if _, secs := stamp.In(z.zone).Zone(); off != time.Duration(secs)*time.Second {
		z.wrong++
	}
}

// misdated reports whether most rows were written in another zone.
func (z *zoneCheck) misdated() bool { return z.wrong > 0 && z.wrong*2 >= z.seen }

// warnings says so when most rows were written in another zone.
func (z *zoneCheck) warnings() []string {
	if !z.misdated() {
		return nil
	}
	best, rows := time.Duration(0), 0
	for off, n := range z.offset {
		if n > rows || n == rows && off < best {
			best, rows = off, n
		}
	}
	return []string{fmt.Sprintf("the times in this log do not fit the time zone %s: the time stamps in its unique ids say that %d of %d rows were written at UTC%s. "+
		"Check the zone, and usegmtime in cdr.conf; every call would be dated wrongly", z.zone, z.wrong, z.seen, formatOffset(best))}
}

func formatOffset(d time.Duration) string {
	sign := '+'
	if d < 0 {
		sign, d = '-', -d
	}
	return fmt.Sprintf("%c%02d:%02d", sign, d/time.Hour, d%time.Hour/time.Minute)
}
