package fhir

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"

	models "github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// The model types that Decode reads. They know every member of R4 and are strict
// about its codes; the views of this package are lenient.
type (
	// Coverage is an insurance plan of a patient.
	Coverage = models.Coverage
	// Location is a place at which care is given.
	Location = models.Location
	// Practitioner is somebody who gives care.
	Practitioner = models.Practitioner
	// Schedule is a calendar that slots belong to.
	Schedule = models.Schedule
	// Slot is a time that can be booked.
	Slot = models.Slot
)

// Decode reads raw into T, one of the model types that this package names. The
// error is a *TypeError or a *MemberError. It is a read view: never marshal it
// back, the models lose members and invent others.
func Decode[T any](raw []byte) (T, error) {
	var v T
	want := reflect.TypeFor[T]().Name()
	if _, err := open(raw, want); err != nil {
		return v, err
	}
	err := json.Unmarshal(raw, &v)
	if err == nil {
		return v, nil
	}
	var zero T // not the half that was read before the error
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return zero, &MemberError{Path: want + "." + wrong.Field, Problem: "not of the type that R4 gives it"}
	}
	return zero, &MemberError{Path: want, Problem: "holds a code or a value that R4 does not know"}
}

// ResourceType returns the resourceType of a resource. The error says that raw
// is no resource.
func ResourceType(raw []byte) (string, error) {
	all, err := members(raw)
	if err != nil {
		return "", err
	}
	if t := typeOf(all); t != "" {
		return t, nil
	}
	return "", errors.New("no resourceType")
}

// MetaOf reads the id and the version of a resource of any type.
func MetaOf(raw []byte) (Meta, error) {
	t, err := ResourceType(raw)
	if err != nil {
		return Meta{}, err
	}
	n, err := root(raw, t)
	if err != nil {
		return Meta{}, err
	}
	m := n.meta()
	return m, n.err()
}

// TypeError says that a body holds something else than was asked for.
type TypeError struct {
	Want    string  // the type asked for
	Got     string  // the type found; "" when the body is no resource at all
	Outcome Outcome // when Got is OperationOutcome
}

// Error names both types and the codes of an OperationOutcome.
func (e *TypeError) Error() string {
	switch e.Got {
	case "":
		return "expected " + e.Want + ", got no FHIR resource"
	case operationOutcome:
		return "expected " + e.Want + ", got " + e.Outcome.summary()
	default:
		return "expected " + e.Want + ", got " + e.Got
	}
}

// MemberError says which member of a resource is broken, never its value.
type MemberError struct {
	Path    string // "Task.note[1].text"
	Problem string // "not a string"
}

// Error names the member and the problem.
func (e *MemberError) Error() string { return e.Path + ": " + e.Problem }

// open splits raw and checks that it is a resource of the type.
func open(raw []byte, want string) ([]member, error) {
	all, err := members(raw)
	if err != nil {
		return nil, &TypeError{Want: want}
	}
	got := typeOf(all)
	if got == want {
		return all, nil
	}
	e := &TypeError{Want: want, Got: typeName(got)}
	if got == operationOutcome {
		e.Outcome, _ = ParseOutcome(raw)
	}
	return nil, e
}

// typeOf returns the resourceType among the members, "" when there is none.
func typeOf(all []member) string {
	var t string
	for _, m := range all {
		if m.name == "resourceType" && json.Unmarshal(m.value, &t) != nil {
			t = ""
		}
	}
	return t
}

var typePattern = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{1,63}$`)

// typeName returns t where it can stand in an error text: a server can write
// anything into resourceType.
func typeName(t string) string {
	if t == "" || typePattern.MatchString(t) {
		return t
	}
	return "a resource of an unknown type"
}

// codePattern is what a FHIR code looks like; what looks different is not
// quoted in an error.
var codePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{1,39}$`)

func codeName(c string) string {
	if codePattern.MatchString(c) {
		return c
	}
	return "an unknown code"
}
