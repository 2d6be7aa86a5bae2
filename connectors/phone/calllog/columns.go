package calllog

import (
	"strings"
	"unicode"
)

// field is what a column can be.
type field string

const (
	fieldStart     field = "start time"
	fieldDate      field = "date"
	fieldAnswered  field = "answered"
	fieldEnd       field = "end time"
	fieldCaller    field = "caller number"
	fieldOther     field = "number of the other party"
	fieldCallee    field = "called number"
	fieldName      field = "caller name"
	fieldDirection field = "direction"
	fieldResult    field = "result"
	fieldVoicemail field = "voicemail"
	fieldDuration  field = "duration"
	fieldTalk      field = "talk time"
	fieldID        field = "call id"
	fieldSession   field = "session id"
	fieldParent    field = "parent call id"
	fieldKind      field = "type"
)

// aliases are the names that columns go by, in the form of normal, the best
// first: of two columns that could be the result, the one named earlier here is.
var aliases = map[field][]string{
	fieldStart: {
		"start time", "started at", "start", "call start time", "call start", "start datetime", "start date time", "time start",
		"date time", "date and time", "datetime", "call date time", "timestamp", "time stamp", "call time", "initiated at", "date started", "time",
	},
	fieldDate:     {"date", "call date", "start date"},
	fieldAnswered: {"answered at", "answer time", "answered time", "time answered", "connected at", "connected time", "date connected", "answered", "answer"},
	fieldEnd:      {"end time", "ended at", "end", "time end", "call end time", "call end", "date ended", "hangup time"},
	fieldCaller: {
		"from", "caller number", "from number", "caller phone number", "caller phone", "calling number", "caller id number",
		"from no", "source number", "source", "src", "ani", "cli", "originating number", "caller id", "caller",
	},
	fieldOther:     {"phone number", "external number", "contact number", "customer number", "customer phone", "number", "phone"},
	fieldCallee:    {"to", "called number", "to number", "callee number", "dialed number", "dialled number", "destination number", "to no", "destination", "dst", "dnis", "did", "called", "callee"},
	fieldName:      {"caller name", "from name", "caller id name", "name", "contact name", "customer name", "contact", "cnam"},
	fieldDirection: {"direction", "call direction"},
	fieldResult:    {"action result", "call result", "result", "disposition", "call outcome", "outcome", "call status", "status", "call state", "state"},
	fieldVoicemail: {"voicemail", "voice mail", "voicemail left", "left voicemail", "has voicemail", "voicemail url", "voicemail duration"},
	fieldDuration:  {"duration", "call duration", "duration seconds", "duration secs", "duration sec", "duration ms", "total duration", "call length", "length", "total time"},
	fieldTalk:      {"talk time", "talk duration", "talk time seconds", "conversation time", "billsec", "billable seconds"},
	fieldID:        {"call sid", "sid", "call id", "call uuid", "uuid", "uniqueid", "unique id", "record id", "id"},
	fieldSession:   {"telephony session id", "session id", "master call id", "entry point call id", "root call id", "linkedid", "linked id", "conversation id"},
	fieldParent:    {"parent call sid", "parent sid"},
	fieldKind:      {"type", "call type", "media type"},
}

// assign finds the column of each field. A column has one meaning: no name
// stands under two fields.
func assign(cells []string) map[field]int {
	byName := make(map[string]int, len(cells))
	for i, c := range cells {
		n := normal(c)
		if _, taken := byName[n]; !taken {
			byName[n] = i
		}
	}
	at := make(map[field]int)
	for f, names := range aliases {
		for _, n := range names {
			if i, ok := byName[n]; ok {
				at[f] = i
				break
			}
		}
	}
	return at
}

// normal brings a name or a word into one form: small letters and digits,
// single spaces; "startTime", "Start_Time" and "Start Time (local)" are one.
func normal(s string) string {
	if i := strings.IndexByte(s, '('); i > 0 {
		s = s[:i]
	}
	var b strings.Builder
	space, lower := false, false
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			space, lower = true, false
			continue
		}
		if (space || lower && unicode.IsUpper(c)) && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space, lower = false, unicode.IsLower(c)
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// cells are the cells of one row by field.
type cells struct {
	fields []string
	at     map[field]int
}

// get is the cell without space around it, "" when the log has no such column.
func (c cells) get(f field) string {
	if i, ok := c.at[f]; ok {
		return strings.TrimSpace(c.fields[i])
	}
	return ""
}

func (c cells) has(f field) bool { _, ok := c.at[f]; return ok }
