package mapping

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// HashedVersion begins the version of a resource whose server does not version:
// a hash of its content. Such a version must not be sent as If-Match.
const HashedVersion = "sha256:"

func taskItem(raw []byte, s Site) (callback.Item, error) {
	view, err := fhir.ParseTask(raw)
	if err != nil {
		return callback.Item{}, err
	}
	item := callback.Item{
		Type: callback.TaskResource, ID: view.Meta.ID, Version: version(view.Meta, raw),
		UpdatedAt: view.Meta.LastUpdated, Markers: markers(view.Identifiers), Raw: raw,
		State: callback.ItemState{
			Status: itemStatusOf[view.Status], Native: nativeStatus(view.Status),
			Owner: s.ownerName(view.Owner), Priority: readPriority(view.Priority),
			Category: callback.Category(codeIn(view.Code, SystemCategory)), Due: readDue(view.RestrictionPeriod, s),
			Told: callback.Status(codeIn(view.BusinessStatus, SystemStatus)),
		},
		Patient: phi(s.localID(view.For, "Patient")),
		By:      changedBy(raw, s),
	}
	if view.ModifierExtension {
		item.State.Status = ""
	}
	item.Appointments = taskAppointments(view, s)
	item.Notes = othersNotes(view.Notes, s)
	item.State.Notes = len(item.Notes)
	var own callback.Outcome
	item.State.Outcome, own = taskOutcomes(view, raw)
	if ended(item.State.Status) {
		item.Outcome = cmp.Or(item.State.Outcome, own)
	}
	return item, nil
}

// readPriority leaves out what is no priority. A Task without one is normal by
// the letter of R4, but a server that drops the member must not look like
// somebody who has lowered it.
func readPriority(code string) callback.Priority {
	if p := callback.Priority(code); p.Valid() {
		return p
	}
	return ""
}

// readDue returns until when the item is to be done: a day means all of it.
func readDue(p fhir.Period, s Site) time.Time {
	if p.End.IsZero() {
		return time.Time{}
	}
	start, end := p.End.Range(s.zone())
	if p.End.Precision == fhir.Second {
		return start
	}
	return end
}

// changedBy names who changed a resource last, where the server tells in
// meta.author. That is no member of R4, but some servers have it.
func changedBy(raw []byte, s Site) string {
	var r struct {
		Meta struct {
			Author struct {
				Reference string `json:"reference"`
				Display   string `json:"display"`
			} `json:"author"`
		} `json:"meta"`
	}
	if json.Unmarshal(raw, &r) != nil {
		return ""
	}
	return s.person(fhir.Reference{Reference: r.Meta.Author.Reference, Display: phi(r.Meta.Author.Display)})
}

func readNote(a fhir.Annotation, s Site) callback.ItemNote {
	by := a.Author.Reveal()
	if by == "" {
		by = s.person(a.AuthorReference)
	}
	at, _ := a.Time.Range(s.zone())
	if a.Time.IsZero() {
		at = a.Time.Time
	}
	return callback.ItemNote{By: by, At: at, Text: a.Text}
}

// taskAppointments are the appointments of this EHR that the Task points to.
func taskAppointments(view fhir.TaskView, s Site) []string {
	var ids []string
	add := func(r fhir.Reference) {
		if id := s.localID(r, "Appointment"); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(view.Focus)
	for _, p := range view.Outputs {
		add(p.Value.Reference())
	}
	return ids
}

// taskOutcomes returns how a Task says that it ended, "" when it does not: in words
// of staff, and in those that Ringback had written. Staff's may be of an earlier end.
func taskOutcomes(view fhir.TaskView, raw []byte) (staff, own callback.Outcome) {
	var task struct {
		Output []json.RawMessage `json:"output"`
	}
	_ = json.Unmarshal(raw, &task) // view could be read, so this can
	for _, element := range task.Output {
		o := readOutput(element)
		if o.key().own() {
			own = cmp.Or(own, o.outcome())
		} else if strings.EqualFold(strings.TrimSpace(o.Type.Text), OutputOutcome) {
			staff = cmp.Or(staff, o.outcome())
		}
	}
	said := outcomeOf(view.BusinessStatus)
	if codeIn(view.BusinessStatus, SystemStatus) != "" {
		own, said = cmp.Or(own, said), ""
	}
	return cmp.Or(staff, said, outcomeOf(view.StatusReason)), own
}

// outcomeOf returns the outcome that a concept names by code, or by its text.
func outcomeOf(c fhir.Concept) callback.Outcome {
	if o := callback.Outcome(codeIn(c, SystemOutcome)); o.Closes() {
		return o
	}
	word := strings.ToLower(strings.TrimSpace(c.Text.Reveal()))
	for _, o := range callback.ClosingOutcomes {
		if word == strings.ToLower(outcomeTitles[o]) || strings.NewReplacer(" ", "-", "_", "-").Replace(word) == string(o) {
			return o
		}
	}
	return ""
}

// version returns the server's version of a resource, or a hash of its content
// that does not depend on white space and the order of members.
func version(m fhir.Meta, raw []byte) string {
	if m.VersionID != "" {
		return m.VersionID
	}
	var content any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	canonical := raw
	if dec.Decode(&content) == nil {
		if b, err := json.Marshal(content); err == nil {
			canonical = b
		}
	}
	sum := sha256.Sum256(canonical)
	return HashedVersion + hex.EncodeToString(sum[:16])
}
