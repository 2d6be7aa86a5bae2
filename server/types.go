package server

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ringback-health/ringback/internal/redact"
)

// Text is PHI on its way to or from a client that may see it: in JSON a string,
// or null when there is none. Printed, it is as opaque as redact.Text.
type Text struct{ redact.Text }

// MarshalJSON writes the content.
func (t Text) MarshalJSON() ([]byte, error) {
	if t.IsEmpty() {
		return []byte("null"), nil
	}
	return json.Marshal(t.Reveal())
}

// UnmarshalJSON reads the content; null and "" are empty.
func (t *Text) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	t.Text = redact.Text{}
	if s != nil {
		t.Text = redact.NewText(*s)
	}
	return nil
}

// Schema says that it is a string or null.
func (Text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

// Label is a name or a short text that is no PHI and is kept in clear: at most
// 200 characters, none of them a control character, which a database may refuse.
type Label string

// Schema says so.
func (Label) Schema(huma.Registry) *huma.Schema {
	longest := 200
	return &huma.Schema{Type: huma.TypeString, MaxLength: &longest,
		Pattern: `^[^\x00-\x1F\x7F]*$`, PatternDescription: "free of control characters"}
}

// IntakeRequest is a request as a form, a phone system or a person sends it.
type IntakeRequest struct {
	Source         Label          `json:"source" minLength:"1" doc:"Where the request comes from" example:"webform"`
	SourceID       Label          `json:"source_id" minLength:"1" doc:"Its id there; the same source and source_id is the same request however often it is sent" example:"form-2026-000123"`
	Clinic         Label          `json:"clinic" minLength:"1" doc:"The clinic, as the configuration names it" example:"main-street"`
	ReceivedAt     time.Time      `json:"received_at,omitzero" doc:"When the person called or sent it; left out: now"`
	Caller         Caller         `json:"caller,omitzero" doc:"Who wants to be called back"`
	Patient        ChartKeys      `json:"patient,omitzero" doc:"What the source knows of the patient's chart"`
	NewPatient     *bool          `json:"new_patient,omitempty" doc:"Whether the person is new to the clinic; left out: not known"`
	Category       WantedCategory `json:"category,omitempty" doc:"What the person wants; left out: triage decides"`
	Text           Text           `json:"text,omitzero" maxLength:"20000" doc:"What the person said or wrote"`
	PreferredTimes []Period       `json:"preferred_times,omitempty" maxItems:"20" doc:"When a visit would suit"`
	VisitKind      Label          `json:"visit_kind,omitempty" doc:"What kind of visit is wanted, as the clinic calls it"`
}

// Caller is the person who wants to be called back.
type Caller struct {
	Name      Text `json:"name,omitzero" maxLength:"300"`
	Phone     Text `json:"phone,omitzero" maxLength:"60" doc:"In answers E.164; null when the number was withheld" example:"+15550100"`
	Email     Text `json:"email,omitzero" maxLength:"320"`
	BirthDate Text `json:"birth_date,omitzero" maxLength:"10" doc:"The patient's date of birth: YYYY-MM-DD" example:"1985-12-31"`
}

// ChartKeys are what a source knows of the patient's chart.
type ChartKeys struct {
	MRN   Text `json:"mrn,omitzero" maxLength:"200" doc:"Medical record number"`
	EHRID Text `json:"ehr_id,omitzero" maxLength:"200" doc:"Id of the Patient resource in the clinic's EHR"`
}

// Period is a span of time; start is in it, end is not.
type Period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// AttemptRequest records one try to reach the caller.
type AttemptRequest struct {
	Channel     string        `json:"channel,omitempty" enum:"phone,sms,portal" default:"phone" doc:"How it was tried"`
	Result      AttemptResult `json:"result" doc:"How it ended"`
	TalkSeconds int           `json:"talk_seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long people talked"`
	At          time.Time     `json:"at,omitzero" doc:"When it was tried; left out: now"`
	Note        Text          `json:"note,omitzero" maxLength:"5000"`
	Revision    int64         `json:"revision,omitempty" minimum:"1" doc:"The revision the decision was made on; an answer of 409 says that it is no longer current"`
}

// CloseRequest ends a callback.
type CloseRequest struct {
	Outcome  ClosingOutcome `json:"outcome" doc:"Why it is closed"`
	Note     Text           `json:"note,omitzero" maxLength:"5000"`
	Revision int64          `json:"revision,omitempty" minimum:"1" doc:"As for an attempt"`
}

// ReopenRequest opens a closed callback again.
type ReopenRequest struct {
	Reason   Text  `json:"reason" nullable:"false" minLength:"1" maxLength:"5000" doc:"Why it is opened again"`
	Revision int64 `json:"revision,omitempty" minimum:"1" doc:"As for an attempt"`
}

// AssignRequest gives a callback to a person or a queue.
type AssignRequest struct {
	Owner    Label `json:"owner" minLength:"1" doc:"A person or a queue, as the clinic's configuration names it" example:"front-desk"`
	Revision int64 `json:"revision,omitempty" minimum:"1" doc:"As for an attempt"`
}

// DiscardRequest gives up a link.
type DiscardRequest struct {
	Reason Label `json:"reason" minLength:"1" doc:"Why nothing more is sent. It is shown to everybody who sees the link: no patient data"`
}

// LinkEdit sets right what kept a link from being delivered.
type LinkEdit struct {
	Item     Label          `json:"item,omitempty" doc:"Id of the resource in the EHR that the link belongs to, found there by a person"`
	Chart    Text           `json:"chart,omitzero" maxLength:"200" doc:"Id of the Patient in the EHR that the callback is about"`
	Owner    Label          `json:"owner,omitempty" doc:"Who has the callback"`
	Category WantedCategory `json:"category,omitempty" doc:"What the callback is about"`
	Priority WantedPriority `json:"priority,omitempty"`
	Reason   Label          `json:"reason,omitempty" doc:"Why, for the timeline: no patient data"`
}

// Callback is one request from one person that somebody must answer.
type Callback struct {
	ID             string     `json:"id" format:"uuid"`
	Clinic         string     `json:"clinic"`
	Source         string     `json:"source"`
	SourceID       string     `json:"source_id"`
	ReceivedAt     time.Time  `json:"received_at" doc:"When the person called or sent it"`
	CapturedAt     time.Time  `json:"captured_at" doc:"When the ledger had it"`
	Caller         Caller     `json:"caller"`
	Patient        Patient    `json:"patient"`
	NewPatient     *bool      `json:"new_patient" doc:"null: not known"`
	Text           Text       `json:"text"`
	PreferredTimes []Period   `json:"preferred_times"`
	VisitKind      *string    `json:"visit_kind"`
	Repeats        int        `json:"repeats" doc:"How many further calls were merged into it"`
	NeedsReview    bool       `json:"needs_review" doc:"A person has to look at evidence too weak to act on"`
	Status         Status     `json:"status"`
	Outcome        *Outcome   `json:"outcome" doc:"Why it closed; null while it is open"`
	Category       Category   `json:"category"`
	Priority       Priority   `json:"priority"`
	Owner          *string    `json:"owner"`
	DueAt          *time.Time `json:"due_at" doc:"When the first attempt is due; null before triage"`
	Revision       int64      `json:"revision" doc:"Counts the changes; also the ETag, in quotes"`
	ClosedAt       *time.Time `json:"closed_at"`
}

// Patient is what is known of the callback's chart.
type Patient struct {
	MRN        Text    `json:"mrn"`
	EHRID      Text    `json:"ehr_id"`
	Resolution *string `json:"resolution" doc:"certain: exactly one chart; ambiguous; none: the EHR knows no such person; null: not tried yet"`
	How        *string `json:"how" doc:"What it rests on, in machine words"`
}

// CallbackDetail is a callback with all that is known about it.
type CallbackDetail struct {
	Callback
	Timeline []TimelineEntry `json:"timeline" doc:"All that happened, oldest first"`
	Attempts []Attempt       `json:"attempts"`
	Links    []Link          `json:"links" doc:"What stands in the EHR for it"`
	Evidence []Evidence      `json:"evidence" doc:"Visits that were held against it"`
}

// Actor is who or what made a change.
type Actor struct {
	Kind string  `json:"kind" doc:"caller, automation, person (through Ringback) or ehr-staff"`
	Name *string `json:"name"`
}

// TimelineEntry is one thing that happened to a callback.
type TimelineEntry struct {
	Seq    int64      `json:"seq"`
	At     time.Time  `json:"at"`
	EHRAt  *time.Time `json:"ehr_at" doc:"When staff did it, by the EHR's clock; null where it does not tell, or nobody did it there"`
	Kind   string     `json:"kind"`
	By     Actor      `json:"by"`
	From   *string    `json:"from" doc:"The state before"`
	To     *string    `json:"to" doc:"The state after"`
	Detail *string    `json:"detail"`
	Note   Text       `json:"note"`
}

// Attempt is one outbound try to reach the caller.
type Attempt struct {
	ID          string        `json:"id" format:"uuid"`
	At          time.Time     `json:"at"`
	By          Actor         `json:"by"`
	Channel     string        `json:"channel"`
	Result      AttemptResult `json:"result"`
	TalkSeconds int           `json:"talk_seconds"`
	Note        Text          `json:"note"`
}

// Link ties a callback to one resource in one EHR.
type Link struct {
	LinkID        string     `json:"link_id" format:"uuid" doc:"The link's own id, which is also the marker inside the resource"`
	CallbackID    string     `json:"callback_id" format:"uuid"`
	Clinic        string     `json:"clinic"`
	EHR           string     `json:"ehr"`
	ResourceType  string     `json:"resource_type"`
	ID            *string    `json:"id" doc:"The resource's id in the EHR; null until it is known to exist"`
	Version       *string    `json:"version" doc:"The resource's version in the EHR"`
	Status        LinkState  `json:"status"`
	HoldsRevision int64      `json:"holds_revision" doc:"The callback's revision that the resource holds; 0: none"`
	LastError     *string    `json:"last_error"`
	Hint          *string    `json:"hint" doc:"What to do about it"`
	Failures      int        `json:"failures" doc:"In a row"`
	NextAttemptAt *time.Time `json:"next_attempt_at" doc:"null: at once"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
}

// Evidence is one visit held against a callback.
type Evidence struct {
	EHR         string    `json:"ehr"`
	Appointment string    `json:"appointment" doc:"Its id in the EHR"`
	Verdict     string    `json:"verdict" doc:"exact and strong close a callback; weak is for a person to decide"`
	Reasons     []string  `json:"reasons" doc:"In machine words"`
	Sentence    string    `json:"sentence" doc:"The same for a person"`
	State       string    `json:"state" doc:"credited: it closed the callback; shown: a person has to look; revoked: the visit fell through; refused: a person said no"`
	At          time.Time `json:"at"`
}

// Receipt says what became of a request. For one that was ignored it has no
// callback; otherwise the callback's members stand beside disposition.
type Receipt struct {
	Disposition string  `json:"disposition"`
	Reason      *string `json:"reason"`
	*Callback
}

// Schema is that of a callback whose members are there unless the request was
// ignored.
func (Receipt) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{}}
	for name, property := range huma.SchemaFromType(r, callbackType).Properties {
		s.Properties[name] = property
	}
	s.Properties["disposition"] = enumOf(dispositions, false)
	s.Properties["disposition"].Description = "created: a new callback; merged: part of one that was there; ignored: no callback, and reason says why; known: the same request came before"
	s.Properties["reason"] = &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "Why it was ignored"}
	s.Required = []string{"disposition", "reason"}
	return s
}

// CallbackPage is one page of callbacks.
type CallbackPage struct {
	Items      []Callback `json:"items" doc:"Newest first"`
	NextCursor *string    `json:"next_cursor" doc:"Send it as cursor for the next page; null: this is the last"`
}

// LinkPage is one page of links.
type LinkPage struct {
	Items      []Link  `json:"items" doc:"Newest first"`
	NextCursor *string `json:"next_cursor" doc:"Send it as cursor for the next page; null: this is the last"`
}
