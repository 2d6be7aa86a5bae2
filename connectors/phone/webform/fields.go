package webform

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// The fields.
const (
	fieldName     = "name"
	fieldPhone    = "phone"
	fieldCategory = "category"
	fieldText     = "text"
	fieldDate     = "preferred_date"
	fieldPart     = "preferred_part"
	fieldBirth    = "birth_date"
	fieldConsent  = "consent"
	fieldTrap     = "homepage" // people do not see it
	fieldPage     = "page"     // the token of a page of ours
	fieldID       = "id"       // the sender's own
	fieldTimes    = "preferred_times"
)

// written are the fields that a person fills in.
var written = []string{fieldName, fieldPhone, fieldCategory, fieldText, fieldDate, fieldPart, fieldBirth, fieldConsent}

// parts are the parts of a day, in hours of the clinic's clock; any other is the whole.
var parts = map[string][2]int{"": {8, 20}, "morning": {8, 12}, "afternoon": {12, 17}, "evening": {17, 20}}

// longest is how many characters a field may have.
var longest = map[string]int{fieldName: 300, fieldPhone: 60, fieldText: 5000}

// filled is a form that was filled in.
type filled struct {
	fields map[string]redact.Text
	times  []callback.Period
}

// get is a field without space around it, "" when it was not filled in.
func (f filled) get(name string) string { return f.fields[name].Reveal() }

// What can be wrong with a stored event. The texts have nothing of it.
var (
	errForm   = errors.New("web form: neither JSON nor a form that can be read; send the fields name, phone, text as one of both")
	errNobody = errors.New("web form: it says nothing about who asks or what for; send at least name, phone or text")
)

// parse reads what was sent, in whichever form it is.
func parse(body []byte) (filled, error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return parseJSON(body)
	}
	return parseForm(body)
}

func parseForm(body []byte) (filled, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return filled{}, errForm
	}
	f := filled{fields: map[string]redact.Text{}}
	for name, all := range values {
		for _, v := range all {
			if f.fields[name].IsEmpty() {
				f.fields[name] = text(v)
			}
		}
	}
	return f, nil
}

func parseJSON(body []byte) (filled, error) {
	var values map[string]json.RawMessage
	if json.Unmarshal(body, &values) != nil {
		return filled{}, errForm
	}
	f := filled{fields: map[string]redact.Text{}}
	for _, name := range append([]string{fieldTrap, fieldPage, fieldID}, written...) {
		var v phone.Scalar
		if raw, ok := values[name]; ok && json.Unmarshal(raw, &v) != nil {
			return filled{}, errForm
		}
		f.fields[name] = text(string(v))
	}
	var times []struct{ Start, End time.Time }
	if raw, ok := values[fieldTimes]; ok && json.Unmarshal(raw, &times) != nil {
		return filled{}, errForm
	}
	for _, t := range times {
		f.times = append(f.times, callback.Period{Start: t.Start.UTC(), End: t.End.UTC()})
	}
	return f, nil
}

// text is what was written, without the control characters that nobody types and that
// HTML and FHIR forbid; lines end in a line feed.
func text(s string) redact.Text {
	return phone.Text(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, s))
}

// Read makes an inquiry of what was sent. What is written in a field and cannot be
// taken for what it should be stands in the text, for a person to read.
func (s *System) Read(e phone.Event) (phone.Report, error) {
	f, err := parse(e.Body)
	switch {
	case err != nil:
		return phone.Report{}, err
	case f.get(fieldTrap) != "":
		return phone.Report{Skip: "honeypot"}, nil
	case f.get(fieldName) == "" && f.get(fieldPhone) == "" && f.get(fieldText) == "":
		return phone.Report{}, errNobody
	}
	in := callback.Inquiry{
		Name: f.fields[fieldName], Phone: f.fields[fieldPhone], BirthDate: f.fields[fieldBirth],
		Category: callback.Category(f.get(fieldCategory)), Consent: answerOf(f.get(fieldConsent)),
	}
	said := []string{f.get(fieldText)}
	asWritten := func(what, value string) {
		if value != "" {
			said = append(said, what+", as written: "+value)
		}
	}
	if !in.Category.Valid() || in.Category == callback.SpamWrongNumber {
		in.Category = ""
		asWritten("Reason", f.get(fieldCategory))
	}
	if _, ok := day(f.get(fieldBirth)); !ok {
		in.BirthDate = redact.Text{}
		asWritten("Date of birth", f.get(fieldBirth))
	}
	if p, ok := s.preferred(f); ok {
		in.Preferred = append(in.Preferred, p)
	} else {
		asWritten("Preferred time", strings.TrimSpace(f.get(fieldDate)+" "+f.get(fieldPart)))
	}
	for _, p := range f.times {
		if !p.Start.IsZero() && p.End.After(p.Start) {
			in.Preferred = append(in.Preferred, p)
		}
	}
	in.Text = redact.NewText(strings.TrimSpace(strings.Join(said, "\n")))
	return phone.Report{Inquiries: []callback.Inquiry{in}}, nil
}

// preferred is the part of the day that was chosen; ok is false when none was, or it
// cannot be read.
func (s *System) preferred(f filled) (callback.Period, bool) {
	d, ok := day(f.get(fieldDate))
	hours, known := parts[f.get(fieldPart)]
	if !ok || !known {
		return callback.Period{}, false
	}
	at := func(hour int) time.Time {
		return time.Date(d.Year(), d.Month(), d.Day(), hour, 0, 0, 0, s.settings.Zone).UTC()
	}
	return callback.Period{Start: at(hours[0]), End: at(hours[1])}, true
}

// day reads a date. It has no zone.
func day(s string) (time.Time, bool) {
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil
}

func answerOf(s string) callback.Answer {
	switch strings.ToLower(s) {
	case "yes", "true", "on", "1":
		return callback.Yes
	case "no", "false", "off", "0":
		return callback.No
	default:
		return callback.Unknown
	}
}

// problem is what is wrong with one field of a post of the page.
type problem struct {
	field string
	say   func(words) string
}

// problems are what a person is asked to change before the post is taken, in the order
// of the page. What a person wrote is refused only where nobody could make use of it.
func (s *System) problems(f filled, now time.Time) (out []problem) {
	add := func(field string, say func(words) string) { out = append(out, problem{field, say}) }
	tooLong := func(field string) bool { return utf8.RuneCountInString(f.get(field)) > longest[field] }
	if tooLong(fieldName) {
		add(fieldName, func(w words) string { return w.tooLong })
	}
	switch _, err := number.Parse(f.get(fieldPhone), s.config.Region); {
	case f.get(fieldPhone) == "":
		add(fieldPhone, func(w words) string { return w.phoneMissing })
	case err != nil || tooLong(fieldPhone):
		add(fieldPhone, func(w words) string { return w.phoneWrong })
	}
	if tooLong(fieldText) {
		add(fieldText, func(w words) string { return w.tooLong })
	}
	today := time.Date(now.In(s.settings.Zone).Year(), now.In(s.settings.Zone).Month(), now.In(s.settings.Zone).Day(), 0, 0, 0, 0, time.UTC)
	if date := f.get(fieldDate); date != "" {
		if d, ok := day(date); !ok || d.Before(today) || d.After(today.AddDate(1, 0, 0)) {
			add(fieldDate, func(w words) string { return w.dateWrong })
		}
	}
	if birth := f.get(fieldBirth); birth != "" {
		if d, ok := day(birth); !ok || d.After(today) || d.Year() < 1880 {
			add(fieldBirth, func(w words) string { return w.birthWrong })
		}
	}
	if answerOf(f.get(fieldConsent)) != callback.Yes {
		add(fieldConsent, func(w words) string { return w.consentMissing })
	}
	return out
}

func sign(secret redact.Secret, content []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret.Reveal()))
	m.Write(content)
	return m.Sum(nil)
}
