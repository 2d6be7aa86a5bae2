package mapping

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// Site is what differs from one EHR to the next.
type Site struct {
	Clinic  callback.ClinicID
	EHR     callback.EHRID
	BaseURL string         // of the FHIR server; an absolute reference below it is a local one
	Zone    *time.Location // of times that come without one; nil: UTC
	Region  string         // default region of phone numbers, "US"
	// Owners maps an owner as the clinic's configuration names it to who that is
	// in the EHR: "front-desk" to "Organization/12". Two owners must not share
	// one reference.
	Owners map[string]string
	// How the resources are written that take the place of a Task where the EHR has
	// rules of its own.
	Communication  CommunicationRules
	ServiceRequest ServiceRequestRules
	Document       DocumentRules
	// ProposedMeansBooked says that this EHR's own bookings have the status
	// "proposed" (Canvas, OpenEMR), so that it counts as booked here.
	ProposedMeansBooked bool
}

// OwnerTypes are the resource types that a Task can be given to (R4, Task.owner).
var OwnerTypes = []string{"Practitioner", "PractitionerRole", "Organization", "CareTeam",
	"HealthcareService", "Device", "Patient", "RelatedPerson"}

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
	typePattern = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
)

// ValidID reports whether id can be the id of a FHIR resource. What is not
// cannot be put into a reference or a URL.
func ValidID(id string) bool { return idPattern.MatchString(id) && id != "." && id != ".." }

// Local splits a reference to a resource of this EHR into type and id:
// "Patient/1", "Patient/1/_history/2", or the same below BaseURL. Both are ""
// for every other reference: a contained resource, a URN, another server.
func (s Site) Local(reference string) (resourceType, id string) {
	if base := strings.TrimSuffix(s.BaseURL, "/"); base != "" {
		reference = strings.TrimPrefix(reference, base+"/")
	}
	part := strings.Split(reference, "/")
	versioned := len(part) == 4 && part[2] == "_history"
	if len(part) != 2 && !versioned || !typePattern.MatchString(part[0]) || !ValidID(part[1]) {
		return "", ""
	}
	return part[0], part[1]
}

// localID returns the id of a reference to a resource of the type in this EHR,
// "" for every other reference.
func (s Site) localID(r fhir.Reference, resourceType string) string {
	if t, id := s.Local(r.Reference); t == resourceType {
		return id
	}
	return ""
}

// owner returns whom a Task is given to for an owner of ours. One that the EHR
// does not know is named by display only, so that a person can read it. A name
// that is a reference itself is what staff had chosen in the EHR.
func (s Site) owner(name string) fhir.Reference { return s.assignee(name, OwnerTypes) }

// assignee is owner where resources of the types can be named. One of another type is
// displayed only, as in a Task the pool that a Communication goes to.
func (s Site) assignee(name string, types []string) fhir.Reference {
	reference := cmp.Or(s.Owners[name], name)
	if t, _ := s.Local(reference); !slices.Contains(types, t) {
		return fhir.Reference{Display: phi(name)}
	}
	return fhir.Reference{Reference: reference, Display: phi(name)}
}

// ownerName returns our name of whom a Task is given to; failing that the
// reference, or what it displays. "" means that nobody has it.
func (s Site) ownerName(r fhir.Reference) string {
	t, id := s.Local(r.Reference)
	for _, name := range slices.Sorted(maps.Keys(s.Owners)) {
		if t != "" && s.Owners[name] == t+"/"+id {
			return name
		}
	}
	return s.person(r)
}

// person names whom a reference means without saying who a patient is.
func (s Site) person(r fhir.Reference) string {
	switch t, id := s.Local(r.Reference); {
	case t == "Patient" || t == "RelatedPerson":
		return t
	case t != "":
		return t + "/" + id
	default:
		return cmp.Or(r.Reference, r.Display.Reveal(), r.Identifier.Value.Reveal())
	}
}

func (s Site) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}
