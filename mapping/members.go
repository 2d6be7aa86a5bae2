package mapping

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// What stands here edits the inside of a member that Ringback shares with
// others: an object is taken apart into raw fields, so that those of others go
// back as they came.

var errNotObject = errors.New("not a JSON object")

// withField returns the object in raw with one field set. An absent object is an
// empty one.
func withField(raw json.RawMessage, field string, v any) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if raw != nil {
		if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
			return nil, errNotObject
		}
	}
	value, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	fields[field] = value
	return json.Marshal(fields)
}

// list returns the elements of a member that is a list.
func (e *edit) list(name string) []json.RawMessage {
	var all []json.RawMessage
	if raw := e.Raw(name); raw != nil && json.Unmarshal(raw, &all) != nil {
		e.err = fmt.Errorf("member %s: not a list", name)
	}
	return all
}

// setInside sets one field of a member that is an object and keeps the others.
func (e *edit) setInside(name, field string, v any) {
	whole, err := withField(e.Raw(name), field, v)
	if err != nil {
		e.err = fmt.Errorf("member %s: %w", name, err)
		return
	}
	e.set(name, whole)
}

// removeInside takes one field out of a member that is an object, and the member with
// it when nothing else is left.
func (e *edit) removeInside(name, field string) {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(e.Raw(name), &fields) != nil {
		e.err = fmt.Errorf("member %s: %w", name, errNotObject)
		return
	}
	delete(fields, field)
	if len(fields) == 0 {
		e.remove(name)
		return
	}
	e.set(name, fields)
}

// setList sets a member that is a list; an empty one is removed.
func (e *edit) setList(name string, list []json.RawMessage) {
	if len(list) == 0 {
		e.remove(name)
		return
	}
	e.set(name, list)
}

// encoded writes a value of ours that cannot fail to be written.
func encoded(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("mapping: " + err.Error()) // plain strings
	}
	return raw
}

// merge gives a member that is a concept our codings and text; codings of other
// systems and fields we do not know stay.
func (e *edit) merge(name string, want fhir.Concept) {
	whole, err := withConcept(e.Raw(name), want)
	if err != nil {
		e.err = fmt.Errorf("member %s: %w", name, err)
		return
	}
	e.set(name, whole)
}

func withConcept(raw json.RawMessage, want fhir.Concept) (json.RawMessage, error) {
	var have struct {
		Coding []json.RawMessage `json:"coding"`
	}
	if raw != nil && json.Unmarshal(raw, &have) != nil {
		return nil, errNotObject
	}
	var codings []any
	for _, k := range want.Codings {
		codings = append(codings, codingJSON(k))
	}
	for _, k := range have.Coding {
		var c codingJSON
		if json.Unmarshal(k, &c) != nil || !ours(c.System) {
			codings = append(codings, k)
		}
	}
	whole, err := withField(raw, "coding", codings)
	if err != nil {
		return nil, err
	}
	return withField(whole, "text", want.Text.Reveal())
}

type codingJSON struct {
	System  string `json:"system,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

type conceptJSON struct {
	Coding []codingJSON `json:"coding,omitempty"`
	Text   string       `json:"text,omitempty"`
}

func (c conceptJSON) concept() fhir.Concept {
	out := fhir.Concept{Text: phi(c.Text)}
	for _, k := range c.Coding {
		out.Codings = append(out.Codings, fhir.Coding(k))
	}
	return out
}

type periodJSON struct {
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

// outputJSON is an output of a Task as far as we read it, with the kinds of value
// that a fhir.Parameter does not show.
type outputJSON struct {
	Type                 conceptJSON `json:"type"`
	ValueString          string      `json:"valueString"`
	ValueCode            string      `json:"valueCode"`
	ValueCodeableConcept conceptJSON `json:"valueCodeableConcept"`
	ValueReference       struct {
		Reference string `json:"reference"`
	} `json:"valueReference"`
}

func readOutput(raw json.RawMessage) outputJSON {
	var o outputJSON
	_ = json.Unmarshal(raw, &o) // what does not fit stays zero and is not ours
	return o
}

// outcome returns the outcome that the output names, "" for none.
func (o outputJSON) outcome() callback.Outcome {
	c := o.ValueCodeableConcept.concept()
	if c.IsZero() {
		c.Text = phi(cmp.Or(o.ValueCode, o.ValueString))
	}
	return outcomeOf(c)
}

// outputKey is what an output of ours says, however its value is written.
type outputKey struct{ code, value string }

func (o outputJSON) key() outputKey {
	code := codeIn(o.Type.concept(), SystemOutput)
	return outputKey{code, cmp.Or(string(o.outcome()), o.ValueReference.Reference)}
}

// keyOf is the same for an output that is to be written.
func keyOf(p fhir.Parameter) outputKey {
	return outputKey{codeIn(p.Type, SystemOutput), cmp.Or(p.Value.Code(), p.Value.Reference().Reference)}
}

// own reports whether Ringback writes outputs of this kind.
func (k outputKey) own() bool { return k.code == OutputOutcome || k.code == OutputVisit }
