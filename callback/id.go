package callback

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// ID names a callback, a link, an attempt or a raw event: a UUIDv7 in its
// canonical text form, so that ids sort by the time they were made.
type ID string

// NewID makes a fresh id. It fails only when the system has no randomness, and
// then nothing sensible can go on, so it panics as uuid.New does.
func NewID() ID { return ID(uuid.Must(uuid.NewV7()).String()) }

// ParseID reads an id from outside. The error names the shape that is expected.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return "", fmt.Errorf("%w: an id looks like 01920000-0000-7000-8000-000000000000", ErrInvalid)
	}
	return ID(u.String()), nil
}

// ClinicID names a clinic as the configuration does ("main-street"). It stands
// on every row of the ledger.
type ClinicID string

// EHRID names a connection to an EHR as the configuration does.
type EHRID string

// MarkerSystem is the system of a Marker where it is written as a FHIR
// Identifier (RFC 3986 URIs as business identifiers, FHIR R4 Identifier.system).
const MarkerSystem = "urn:ietf:rfc:3986"

const markerPrefix = "urn:uuid:"

// Marker is our identifier inside a resource that we wrote into an EHR. It is
// how a write of unknown outcome is found again and how a booked visit is known
// to be ours: the link's id as a URN.
type Marker string

// ParseMarker reads the value of a FHIR Identifier. ok is false for every value
// that is not a UUID URN.
func ParseMarker(value string) (m Marker, ok bool) {
	s := strings.ToLower(strings.TrimSpace(value))
	id, found := strings.CutPrefix(s, markerPrefix)
	if !found {
		return "", false
	}
	if _, err := ParseID(id); err != nil {
		return "", false
	}
	return Marker(s), true
}

// LinkID returns the id of the link that wrote the marker.
func (m Marker) LinkID() ID { return ID(strings.TrimPrefix(string(m), markerPrefix)) }
