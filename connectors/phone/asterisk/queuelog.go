package asterisk

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/connectors/phone"
)

// QueueLog is the call log format "asterisk-queue": the file queue_log, in which the
// queues of Asterisk write what became of each caller.
//
// Each line is a moment of one call and becomes a leg of it. The call's id is the
// uniqueid of the caller's channel, by which the call detail records name the call
// too, so that both logs read together give one session of each call; what the queue
// says goes before what the records say of the queue (calls.QueueLog). Read it
// together with the call detail records: alone it does not know calls that reached
// no queue, nor who was called.
//
// Source: Asterisk documentation, Operation, Logging, Queue Logs.
type QueueLog struct {
	// CallbackKeys are the keys with which a caller leaves a queue to be called back.
	// None: every key means that. Whoever leaves by another key has left the queue
	// without an answer; where the dialplan takes them then, the call records say.
	CallbackKeys []string `yaml:"callback_keys"`
}

var _ phone.Format = QueueLog{}

// Validate says which of the keys is none.
func (q QueueLog) Validate() error {
	for _, k := range q.CallbackKeys {
		if len(k) != 1 || !strings.Contains("0123456789*#ABCD", k) {
			return fmt.Errorf("callback_keys: %q is no key of a phone; write 0 to 9, * or #", k)
		}
	}
	return nil
}

// Name is "asterisk-queue".
func (QueueLog) Name() string { return "asterisk-queue" }

// Describe says which logs the format reads.
func (QueueLog) Describe() string {
	return "Asterisk and FreePBX queue_log (time|call|queue|member|EVENT|...); read it together with the call detail records"
}

// Parse reads on to the first line that is one of a queue_log. Its times are seconds
// since 1970, so that no zone is needed.
func (q QueueLog) Parse(r io.Reader, _ phone.Options) (*phone.Stream, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	records, err := phone.NewRecords(r)
	if err != nil {
		return nil, err
	}
	records.Comma = '|'
	records.Fits = func(fields []string) bool {
		_, ok := entryOf(fields)
		return ok
	}
	if err := sniffQueueLog(records); err != nil {
		return nil, err
	}
	p := &queueParser{log: q}
	return &phone.Stream{Layout: "queue_log", Rows: records.Rows(p.row), Warnings: p.warnings}, nil
}

// sniffQueueLog looks for a line of a queue_log among the first ones.
func sniffQueueLog(records *phone.Records) error {
	lines, failed := records.Peek(sniffRows)
	content := false
	for _, text := range lines {
		content = content || strings.Trim(text, " \t\x00") != ""
		if _, ok := entryOf(strings.Split(text, "|")); ok {
			return nil
		}
	}
	switch {
	case failed != nil:
		return failed
	case !content:
		return phone.ErrEmpty
	default:
		return fmt.Errorf("read call log: this is not a queue_log of Asterisk. Expected: lines of at least five fields separated by |, "+
			"the first a time in seconds since 1970, the fifth an event such as ENTERQUEUE. Found: none such in the first %d lines. "+
			"For call detail records use the format asterisk", len(lines))
	}
}

// entry is one line of a queue_log.
type entry struct {
	at            time.Time
	call          string
	queue, member string
	event         string
	params        []string
}

// entryOf takes the fields of a line for an entry.
func entryOf(fields []string) (entry, bool) {
	if len(fields) < 5 || slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(f, "\n") }) {
		return entry{}, false
	}
	at, ok := epoch(fields[0])
	event := strings.TrimSpace(fields[4])
	if !ok || event == "" || len(event) > 40 || strings.Trim(event, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return entry{}, false
	}
	return entry{at: at, call: phone.Plain(fields[1]), queue: phone.Plain(fields[2]), member: phone.Plain(fields[3]), event: event, params: fields[5:]}, true
}

// epoch reads seconds since 1970, with a fraction or without.
func epoch(cell string) (time.Time, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
	if err != nil || math.IsNaN(f) || f < 5e8 || f > 1e10 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}

// param is a parameter of the event, from 0; "" when the line has none such.
func (e entry) param(i int) string {
	if i >= len(e.params) {
		return ""
	}
	return strings.TrimSpace(e.params[i])
}

// queueParser is one queue_log being read.
type queueParser struct {
	log          QueueLog
	unknown      int // entries of calls whose event is not known
	firstUnknown int // the line of the first
}

// row reads one record; reason says why it could not be read.
func (p *queueParser) row(rec phone.Record) (row phone.Row, reason string) {
	row.Line = rec.Line
	if rec.Fields == nil {
		row.Skip = "blank line"
		return row, ""
	}
	e, ok := entryOf(rec.Fields)
	switch {
	case !ok && !rec.Ended:
		return row, "cut off: the last line is no whole entry"
	case !ok:
		return row, "not an entry of a queue_log: a time in seconds, a call, a queue, a member and an event"
	case e.call == "" || e.call == "NONE" || e.call == "REALTIME" || e.call == "MANAGER" || ofMembers[e.event]:
		row.Skip = "not about a call"
		return row, ""
	}
	known := false
	row.Leg, known = p.log.leg(e)
	row.Leg.Row = rec.Line
	switch {
	case known && !rec.Ended && len(e.params) < leastParams[e.event]:
		return row, "cut off: the last line lacks parameters of its event"
	case known:
		return row, ""
	case !rec.Ended:
		return row, "cut off: the last line ends in an event that is not known"
	}
	if p.unknown == 0 {
		p.firstUnknown = rec.Line
	}
	p.unknown++
	return phone.Row{Line: rec.Line, Skip: "an event that says nothing of how the call went, or is not known"}, ""
}

func (p *queueParser) warnings() []string {
	if p.unknown == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d entries have events that this format does not know, the first on line %d; they decide nothing", p.unknown, p.firstUnknown)}
}
