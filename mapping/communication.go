package mapping

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// CommunicationRules say how a Communication is written where the EHR has rules of
// its own.
type CommunicationRules struct {
	// Message says that a Communication is a message which was sent to staff: it is
	// "completed" from the beginning, holds what every message holds and no more, and
	// never changes but for its state extension. Otherwise it stands for answering
	// the caller, and its status follows the callback.
	Message    bool
	Sender     string       // reference to who sends it; "": not said
	Recipient  string       // reference to whom it goes for owners who are not in Site.Owners
	Category   fhir.Concept // beside ours; the only one of a message
	Attachment bool         // the text is an attachment (text/plain) instead of a string
	Marker     MarkerPlace
	// StateExtension is the URL of an extension of a message that says what staff
	// have done with it, as a code of task-status. "": nothing says it.
	StateExtension string
	// Priorities that the EHR takes; empty: all of R4.
	Priorities []callback.Priority
}

// MarkerPlace says where our marker stands in a Communication.
type MarkerPlace string

// The places. Only an identifier can be searched for.
const (
	MarkerIdentifier MarkerPlace = "identifier"
	MarkerTopic      MarkerPlace = "topic"   // at the end of the subject line
	MarkerPayload    MarkerPlace = "payload" // the last line of the text
)

// RecipientTypes are the resource types that a Communication can go to (R4,
// Communication.recipient).
var RecipientTypes = append(slices.Clone(OwnerTypes), "Group")

const systemTaskStatus = "http://hl7.org/fhir/task-status"

// The codes of R4 event-status that Ringback writes.
const (
	eventPreparation = "preparation"
	eventInProgress  = "in-progress"
	eventOnHold      = "on-hold"
	eventCompleted   = "completed"
	eventNotDone     = "not-done"
)

// eventStatusOf says what status the Communication of a callback has: the event is
// that the caller is answered.
var eventStatusOf = map[callback.Status]string{
	callback.Captured:   eventPreparation,
	callback.Triaged:    eventPreparation,
	callback.Assigned:   eventPreparation,
	callback.InProgress: eventInProgress,
	callback.Waiting:    eventOnHold,
	callback.Closed:     eventCompleted,
}

func eventStatus(c callback.Callback) string {
	if c.Status == callback.Closed && c.Outcome.Withdrawn() {
		return eventNotDone
	}
	return eventStatusOf[c.Status]
}

// eventClassOf says what each code of R4 event-status means to a callback. The code
// "unknown" says that the EHR itself does not know: it is not here.
var eventClassOf = map[string]callback.ItemStatus{
	eventPreparation:   callback.ItemOpen,
	eventInProgress:    callback.ItemInProgress,
	eventOnHold:        callback.ItemOnHold,
	eventCompleted:     callback.ItemDone,
	eventNotDone:       callback.ItemCancelled,
	"stopped":          callback.ItemCancelled,
	"entered-in-error": callback.ItemVoid,
}

// Communication returns the Communication that is filed for a callback. The error
// says which member cannot be written.
func Communication(w callback.WorkItem, s Site) (fhir.Communication, error) {
	c, rules := w.Callback, s.Communication
	if eventStatus(c) == "" {
		return fhir.Communication{}, fmt.Errorf("no Communication status for a callback that is %q", c.Status)
	}
	patient, err := certainPatient(c)
	if err != nil {
		return fhir.Communication{}, err
	}
	f := fhir.CommunicationFields{
		Priority: rules.priority(c.Priority), Subject: patient, Topic: rules.topic(w), Payload: rules.payload(w, s),
		Recipients: s.recipients().list(c.Owner), Sender: fhir.Reference{Reference: rules.Sender},
	}
	if rules.identified() {
		f.Identifiers = []fhir.Identifier{markerIdentifier(w.Link)}
	}
	if !rules.Message {
		f.Categories = []fhir.Concept{taskCode(c.Category)}
		f.StatusReason, f.About, f.Sent = businessStatus(w), appointments(w), moment(c.ReceivedAt)
		for _, n := range notes(w) {
			f.Notes = append(f.Notes, n.annotation())
		}
	}
	if !rules.Category.IsZero() {
		f.Categories = append(f.Categories, rules.Category)
	}
	status := eventStatus(c)
	if rules.Message {
		status = eventCompleted
	}
	return fhir.NewCommunication(fhir.CommunicationRequired{Status: status}, f)
}

func (r CommunicationRules) identified() bool {
	return r.Marker == MarkerIdentifier || r.Marker == ""
}

func (s Site) recipients() assignment {
	return assignment{site: s, types: RecipientTypes, other: s.Communication.Recipient, silent: s.Communication.Message}
}

// priority returns the most urgent priority that the EHR takes and that is not above
// p, or the least urgent one.
func (r CommunicationRules) priority(p callback.Priority) string {
	taken := r.Priorities
	if len(taken) == 0 {
		return string(p)
	}
	best := callback.Priority("")
	for _, t := range taken {
		if !t.Above(p) && (best == "" || t.Above(best)) {
			best = t
		}
	}
	return string(cmp.Or(best, slices.MinFunc(taken, func(a, b callback.Priority) int {
		return slices.Index(callback.Priorities, a) - slices.Index(callback.Priorities, b)
	})))
}

// The words before our marker where it stands in a text.
const (
	markerInTopic   = " (Ringback "
	markerInPayload = "\nRingback reference: "
)

func (r CommunicationRules) topic(w callback.WorkItem) fhir.Concept {
	text := title(w.Callback)
	if r.Marker == MarkerTopic {
		text += markerInTopic + string(w.Link.Marker()) + ")"
	}
	return concept(text)
}

func (r CommunicationRules) payload(w callback.WorkItem, s Site) []fhir.Payload {
	text := requestText(w.Callback, s)
	if r.Marker == MarkerPayload {
		text += markerInPayload + string(w.Link.Marker())
	}
	if r.Attachment {
		return []fhir.Payload{{Attachment: fhir.Attachment{ContentType: plainText, Text: phi(text)}}}
	}
	return []fhir.Payload{{Text: phi(text)}}
}

const plainText = "text/plain; charset=utf-8"

var topicMarker = regexp.MustCompile(regexp.QuoteMeta(markerInTopic) + `(\S+)\)$`)

// markersOf returns our markers in a Communication, wherever they may stand. What a
// caller has said stands before the last line of the text and cannot pass for one.
func markersOf(view fhir.CommunicationView) []callback.Marker {
	found := markers(view.Identifiers)
	add := func(text string) {
		if m, ok := callback.ParseMarker(text); ok && !slices.Contains(found, m) {
			found = append(found, m)
		}
	}
	if m := topicMarker.FindStringSubmatch(view.Topic.Text.Reveal()); m != nil {
		add(m[1])
	}
	for _, p := range view.Payload {
		text := p.Text.Reveal() + p.Attachment.Text.Reveal()
		if i := strings.LastIndex(text, markerInPayload); i >= 0 {
			add(strings.TrimSpace(text[i+len(markerInPayload):]))
		}
	}
	return found
}

// EditCommunication moves a Communication to what w wants, as EditTask does. Of a
// message only the state extension is edited. What it says is never written again.
func EditCommunication(current []byte, w callback.WorkItem, s Site) (edited []byte, changed bool, err error) {
	view, err := fhir.ParseCommunication(current)
	if err != nil {
		return nil, false, err
	}
	state := s.communicationState(view)
	switch {
	case state.Status == "":
		return nil, false, notUnderstood("Communication", state.Native, view.ModifierExtension)
	case state.Status == callback.ItemVoid, s.Communication.Message && s.Communication.StateExtension == "":
		return current, false, nil
	}
	e, err := openEdit(current, "Communication")
	if err != nil {
		return nil, false, err
	}
	if s.Communication.Message {
		e.stateExtension(state.Status, w, s.Communication.StateExtension)
		return e.result(current)
	}
	c := w.Callback
	if s.Communication.identified() {
		e.identifier(view.Identifiers, w.Link)
	}
	byUs := codeIn(view.StatusReason, SystemStatus) == string(callback.Closed)
	e.status(w, view.Status, eventStatus(c), eventClassOf, byUs)
	e.standing("statusReason", view.StatusReason, w)
	e.category(view.Categories, c)
	if p := s.Communication.priority(c.Priority); c.Priority.Valid() && view.Priority != p {
		e.set("priority", p)
	}
	e.chart("subject", view.Subject, c, s)
	e.topic(view.Topic, c)
	e.appointments("about", w, s)
	if c.Owner != "" {
		e.assignee("recipient", view.Recipients, s.recipients(), c.Owner)
	}
	e.notes(view.Notes, notes(w))
	return e.result(current)
}

// topic keeps the subject line, as long as it is ours.
func (e *edit) topic(have fhir.Concept, c callback.Callback) {
	text, marked, _ := strings.Cut(have.Text.Reveal(), markerInTopic)
	if !isTitle(text) || text == title(c) {
		return
	}
	text = title(c)
	if marked != "" {
		text += markerInTopic + marked
	}
	e.setInside("topic", "text", text)
}

// The codes of R4 task-status that a message is given.
var messageState = map[callback.ItemStatus]string{
	callback.ItemOpen:       "received",
	callback.ItemInProgress: "in-progress",
	callback.ItemDone:       "completed",
}

// stateExtension moves the extension of a message between the three states that it
// is known to have.
func (e *edit) stateExtension(have callback.ItemStatus, w callback.WorkItem, url string) {
	want := w.Callback.ItemState().Status
	switch {
	case ended(want):
		want = callback.ItemDone
	case want == callback.ItemOnHold:
		want = callback.ItemInProgress
	}
	if have == want || ended(have) && ended(want) || w.LeaveStatus {
		return
	}
	state := fhir.Extension{URL: url, Concept: fhir.Concept{Codings: []fhir.Coding{{System: systemTaskStatus, Code: messageState[want]}}}}
	list := e.list("extension")
	i := slices.IndexFunc(list, func(raw json.RawMessage) bool {
		var x struct {
			URL string `json:"url"`
		}
		return json.Unmarshal(raw, &x) == nil && x.URL == url
	})
	if i < 0 {
		e.append("extension", state)
		return
	}
	list[i] = encoded(map[string]any{"url": url, "valueCodeableConcept": conceptJSON{
		Coding: []codingJSON{codingJSON(state.Concept.Codings[0])}}})
	e.setList("extension", list)
}

// communicationState reads how a Communication stands.
func (s Site) communicationState(view fhir.CommunicationView) callback.ItemState {
	state := callback.ItemState{Native: nativeStatus(view.Status), Status: eventClassOf[view.Status]}
	if s.Communication.Message && state.Status != callback.ItemVoid && state.Status != "" {
		state.Status = callback.ItemOpen // it says that it was sent, and nothing more
		for _, x := range view.Extensions {
			code := codeIn(x.Concept, systemTaskStatus)
			if url := s.Communication.StateExtension; url != "" && x.URL == url && code != "" {
				state.Native, state.Status = nativeStatus(code), itemStatusOf[code]
			}
		}
	}
	if view.ModifierExtension {
		state.Status = ""
	}
	return state
}

func communicationItem(raw []byte, s Site) (callback.Item, error) {
	view, err := fhir.ParseCommunication(raw)
	if err != nil {
		return callback.Item{}, err
	}
	item := callback.Item{
		Type: callback.CommunicationResource, ID: view.Meta.ID, Version: version(view.Meta, raw),
		UpdatedAt: view.Meta.LastUpdated, By: changedBy(raw, s), Markers: markersOf(view), Raw: raw,
		State: s.communicationState(view), Patient: phi(s.localID(view.Subject, "Patient")),
		Appointments: s.appointmentsIn(view.About), Notes: othersNotes(view.Notes, s),
	}
	item.State.Owner = s.recipients().owner(view.Recipients)
	item.State.Priority, item.State.Category = readPriority(view.Priority), categoryIn(view.Categories)
	item.State.Told = callback.Status(codeIn(view.StatusReason, SystemStatus))
	item.State.Notes = len(item.Notes)
	if ended(item.State.Status) {
		item.Outcome = outcomeOf(view.StatusReason)
	}
	return item, nil
}
