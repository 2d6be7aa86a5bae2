package fhir

import (
	models "github.com/samply/golang-fhir-models/fhir-models/fhir"
)

// The value sets of the members that are written, as R4 binds them.
var (
	taskStatuses         = codesOf[models.TaskStatus]()
	requestPriorities    = codesOf[models.RequestPriority]()
	appointmentStatuses  = codesOf[models.AppointmentStatus]()
	participantStatuses  = codesOf[models.ParticipationStatus]()
	participantRequired  = codesOf[models.ParticipantRequired]()
	eventStatuses        = codesOf[models.EventStatus]()
	requestStatuses      = codesOf[models.RequestStatus]()
	requestIntents       = codesOf[models.RequestIntent]()
	documentStatuses     = codesOf[models.DocumentReferenceStatus]()
	subscriptionStatuses = codesOf[models.SubscriptionStatus]()

	// taskIntents is listed here, because the models have no type for it: the
	// value set joins "unknown" with the codes of RequestIntent.
	taskIntents = append(codesOf[models.RequestIntent](), "unknown")
)

// codesOf lists the codes of a model enumeration, which counts from zero and
// answers "<unknown>" beyond its end.
func codesOf[T interface {
	~int
	Code() string
}]() []string {
	var codes []string
	for i := T(0); i.Code() != "<unknown>"; i++ {
		codes = append(codes, i.Code())
	}
	return codes
}
