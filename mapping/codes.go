package mapping

import (
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
)

// systemBase is where Ringback's code systems are named. The names are written
// into EHRs and searched for years later: they never change.
const systemBase = "https://ringback-health.github.io/fhir/CodeSystem/"

// Ringback's code systems.
const (
	SystemTaskKind = systemBase + "task-kind"         // Task.code, category of others: what kind of item it is
	SystemCategory = systemBase + "callback-category" // beside it: what the caller wants
	SystemStatus   = systemBase + "callback-status"   // Task.businessStatus, Communication.statusReason
	SystemOutcome  = systemBase + "callback-outcome"  // in the same, Task.output, Appointment.cancelationReason
	SystemInput    = systemBase + "callback-input"    // Task.input.type
	SystemOutput   = systemBase + "callback-output"   // Task.output.type
)

// KindCallback is the code in SystemTaskKind that all work items of callbacks
// carry, so that a feed can ask for them alone.
const KindCallback = "callback"

// The codes of SystemInput.
const (
	InputNumber    = "callback-number"
	InputName      = "caller-name"
	InputBirthDate = "caller-birth-date"
	InputPreferred = "preferred-time"
	InputVisitKind = "visit-kind"
)

// The codes of SystemOutput.
const (
	OutputOutcome = "outcome"
	OutputVisit   = "booked-appointment"
)

// parameterTitles say the codes of SystemInput and SystemOutput to a person.
var parameterTitles = map[string]string{
	InputNumber:    "Number to call back",
	InputName:      "Name of the caller",
	InputBirthDate: "Birth date of the patient",
	InputPreferred: "Preferred time",
	InputVisitKind: "Kind of visit wanted",
	OutputOutcome:  "Outcome",
	OutputVisit:    "Booked appointment",
}

var categoryTitles = map[callback.Category]string{
	callback.NewPatient:         "New patient",
	callback.ExistingScheduling: "Scheduling",
	callback.RescheduleCancel:   "Reschedule or cancel",
	callback.BenefitsBilling:    "Benefits and billing",
	callback.Clinical:           "Clinical question",
	callback.RecordsReferral:    "Records or referral",
	callback.Other:              "Other request",
	callback.SpamWrongNumber:    "Spam or wrong number",
}

var statusTitles = map[callback.Status]string{
	callback.Captured:   "New",
	callback.Triaged:    "Not assigned yet",
	callback.Assigned:   "To be called back",
	callback.InProgress: "In progress",
	callback.Waiting:    "Waiting for patient",
	callback.Closed:     "Closed",
}

var outcomeTitles = map[callback.Outcome]string{
	callback.Booked:                   "Booked",
	callback.AnsweredQuestion:         "Question answered",
	callback.TransferredWarm:          "Transferred to a person",
	callback.PatientDeclined:          "Patient declined",
	callback.AlreadyResolved:          "Already resolved",
	callback.CallerCalledBackAnswered: "Caller called again and was answered",
	callback.ReferredOut:              "Referred out",
	callback.NumberInvalid:            "Number invalid",
	callback.WrongPerson:              "Wrong person",
	callback.Duplicate:                "Duplicate",
	callback.Spam:                     "Spam",
	callback.UnreachablePolicy:        "Not reached after all attempts",
	callback.CompletedInEHR:           "Completed in the EHR",
	callback.CancelledInEHR:           "Cancelled in the EHR",
	callback.LeftVoicemail:            "Left voicemail",
	callback.SMSSent:                  "Text message sent",
	callback.NoAnswer:                 "No answer",
	callback.Busy:                     "Busy",
	callback.Reached:                  "Reached",
}

// ours reports whether system is one of Ringback's code systems.
func ours(system string) bool { return strings.HasPrefix(system, systemBase) }

func categoryCoding(c callback.Category) fhir.Coding {
	return fhir.Coding{System: SystemCategory, Code: string(c), Display: categoryTitles[c]}
}

func outcomeCoding(o callback.Outcome) fhir.Coding {
	return fhir.Coding{System: SystemOutcome, Code: string(o), Display: outcomeTitles[o]}
}

func parameterType(system, code string) fhir.Concept {
	return concept(parameterTitles[code], fhir.Coding{System: system, Code: code, Display: parameterTitles[code]})
}

// codeIn returns the first code of system in c, "" when there is none.
func codeIn(c fhir.Concept, system string) string {
	for _, k := range c.Codings {
		if k.System == system {
			return k.Code
		}
	}
	return ""
}
