package store

import (
	"encoding/json"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/redact"
)

type toldRow struct {
	ID      callback.ID `gorm:"primaryKey"`
	Clinic  callback.ClinicID
	Phone   callback.PhoneID
	Key     string
	Form    calls.Form
	At      instant
	Body    sealed
	ReadAt  instant
	Problem string
	Skip    string
}

func (toldRow) TableName() string { return "phone_events" }

func (s *sealer) toldRow(e callback.Told) (toldRow, error) {
	r := s.row("phone_events", e.Clinic, string(e.ID))
	return toldRow{ID: e.ID, Clinic: e.Clinic, Phone: e.Phone, Key: plain(e.Key), Form: e.Form, At: instant(e.At), Body: r.sealBytes("body", e.Body)}, r.err
}

func (s *sealer) told(r toldRow) (callback.Told, error) {
	o := s.row("phone_events", r.Clinic, string(r.ID))
	return callback.Told{ID: r.ID, Clinic: r.Clinic, Phone: r.Phone,
		Event: calls.Event{Form: r.Form, Key: r.Key, At: r.At.Time(), Body: o.openBytes("body", r.Body)}}, o.err
}

// told opens the rows of a query.
func (s *sealer) allTold(rows []toldRow) ([]callback.Told, error) {
	var all []callback.Told
	for _, r := range rows {
		e, err := s.told(r)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

type callEventRow struct {
	Clinic  callback.ClinicID `gorm:"primaryKey"`
	Phone   callback.PhoneID  `gorm:"primaryKey"`
	Session string            `gorm:"primaryKey"`
	EventID callback.ID       `gorm:"primaryKey"`
}

func (callEventRow) TableName() string { return "call_events" }

type callRow struct {
	Clinic      callback.ClinicID `gorm:"primaryKey"`
	Phone       callback.PhoneID  `gorm:"primaryKey"`
	Session     string            `gorm:"primaryKey"`
	Form        calls.Form
	Verdict     calls.Verdict
	Reasons     []string `gorm:"serializer:json"`
	Caller      sealed
	CallerName  sealed
	Called      sealed
	Message     sealed
	Number      sealed
	NumberHash  sealed
	StartedAt   instant
	AnsweredAt  instant
	EndedAt     instant
	TalkNS      int64 `gorm:"column:talk_ns"`
	CallbackID  *callback.ID
	Disposition callback.Disposition
	Why         string
	SettledBy   string
	SettledHow  calls.Verdict
	SettlesAt   instant
	LastAt      instant
	JudgedAt    instant
	Lock        int64
}

func (callRow) TableName() string { return "calls" }

// callChanges are the columns of a call that judging it may change.
var callChanges = []string{"verdict", "reasons", "caller", "caller_name", "called", "message", "number", "number_hash", "started_at", "answered_at",
	"ended_at", "talk_ns", "callback_id", "disposition", "why", "settled_by", "settled_how", "settles_at", "judged_at", "lock"}

// storedMessage is calls.Message as it is sealed.
type storedMessage struct {
	ID         string        `json:"id,omitempty"`
	URL        string        `json:"url,omitempty"`
	Length     time.Duration `json:"length,omitempty"`
	Transcript string        `json:"transcript,omitempty"`
}

func (s *sealer) callRow(c callback.Call) (callRow, error) {
	r := s.row("calls", c.Clinic, callRowID(c.Key()))
	var message []byte
	if m := c.Message; !m.IsZero() {
		var err error
		if message, err = json.Marshal(storedMessage{m.ID, m.URL.Reveal(), m.Length, m.Transcript.Reveal()}); err != nil {
			return callRow{}, err
		}
	}
	out := callRow{
		Clinic: c.Clinic, Phone: c.Phone, Session: plain(c.ID), Form: c.Form, Verdict: c.Verdict, Reasons: plainAll(c.Reasons),
		Caller: r.sealText("caller", c.From), CallerName: r.sealText("caller_name", c.FromName), Called: r.sealText("called", c.To),
		Message: r.sealBytes("message", message), Number: r.sealText("number", c.Number), NumberHash: r.hash(hashedNumber, c.Number),
		StartedAt: instant(c.StartedAt), AnsweredAt: instant(c.AnsweredAt), EndedAt: instant(c.EndedAt), TalkNS: int64(c.Talk),
		Disposition: c.Disposition, Why: plain(c.Why), SettledBy: plain(c.SettledBy), SettledHow: c.SettledHow,
		SettlesAt: instant(c.SettlesAt), LastAt: instant(c.LastAt), JudgedAt: instant(c.JudgedAt), Lock: c.Lock,
	}
	if c.Callback != "" {
		out.CallbackID = &c.Callback
	}
	return out, r.err
}

func (s *sealer) call(r callRow) (callback.Call, error) {
	c := callback.Call{Clinic: r.Clinic, Phone: r.Phone, Form: r.Form, Disposition: r.Disposition, Why: r.Why, SettledBy: r.SettledBy, SettledHow: r.SettledHow,
		SettlesAt: r.SettlesAt.Time(), LastAt: r.LastAt.Time(), JudgedAt: r.JudgedAt.Time(), Lock: r.Lock}
	c.ID = r.Session
	o := s.row("calls", r.Clinic, callRowID(c.Key()))
	c.From, c.FromName, c.To = o.openText("caller", r.Caller), o.openText("caller_name", r.CallerName), o.openText("called", r.Called)
	c.Number = o.openText("number", r.Number)
	if raw := o.openBytes("message", r.Message); len(raw) > 0 && o.err == nil {
		var m storedMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			return c, err
		}
		c.Message = calls.Message{ID: m.ID, URL: redact.NewText(m.URL), Length: m.Length, Transcript: redact.NewText(m.Transcript)}
	}
	c.StartedAt, c.AnsweredAt, c.EndedAt = r.StartedAt.Time(), r.AnsweredAt.Time(), r.EndedAt.Time()
	c.Verdict, c.Reasons, c.Talk = r.Verdict, nilIfEmpty(r.Reasons), time.Duration(r.TalkNS)
	if r.CallbackID != nil {
		c.Callback = *r.CallbackID
	}
	return c, o.err
}

// callRowID is what a call's sealed columns are bound to.
func callRowID(k callback.CallKey) string { return string(joined(string(k.Phone), plain(k.Session))) }

type phoneRow struct {
	Clinic         callback.ClinicID `gorm:"primaryKey"`
	Phone          callback.PhoneID  `gorm:"primaryKey"`
	Reconciled     instant
	LastAttempt    instant
	LastError      string
	SubscriptionID string
	SubscribedTill instant
	RenewAt        instant
}

func (phoneRow) TableName() string { return "phones" }
