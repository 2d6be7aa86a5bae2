package sandbox

// This file holds the table that drives validation, the search index, the search
// and /metadata. What is not in it is neither offered nor declared.

// kind is the type of a search parameter as FHIR names it.
type kind string

const (
	tokenKind     kind = "token"
	referenceKind kind = "reference"
	dateKind      kind = "date"
	stringKind    kind = "string"
	uriKind       kind = "uri"
)

// form says how the values at a parameter's path are read.
type form int

const (
	codeForm       form = iota // a code; its system is param.system
	conceptForm                // CodeableConcept or Coding
	identifierForm             // Identifier
	contactForm                // ContactPoint; only those of system param.system, if set
	referenceForm              // Reference; only those to type param.target, if set
	nameForm                   // HumanName, all its parts
	textForm                   // string
	dateForm                   // date: year, month or day
	dateTimeForm               // dateTime: a date, or a time with seconds and zone
	instantForm                // instant: with seconds and zone
	idForm                     // the resource's id
	updatedForm                // the version's meta.lastUpdated
	searchedForm               // no member: a date inside a search, zone optional
)

// param is one search parameter.
type param struct {
	name   string
	kind   kind
	form   form
	path   string // members to follow, joined with dots; arrays are entered
	system string
	target string
}

// binding is a member whose codes R4 restricts.
type binding struct {
	path  string
	codes []string
}

// typeDef is one resource type.
type typeDef struct {
	name     string
	params   []param                           // those of common come first
	required []string                          // members that must be there
	lists    []string                          // members that must be an array with at least one element
	bindings []binding                         // required bindings
	check    func(doc map[string]any) []string // the invariants of R4 that doc breaks, nil if there are none to check
	extra    bool                              // offered only where Options.Types names it
}

// find returns the parameter's place in params, -1 if the type has none of that name.
func (d *typeDef) find(name string) int {
	for i := range d.params {
		if d.params[i].name == name {
			return i
		}
	}
	return -1
}

// common are the parameters that every type here has. Their order is relied on:
// see idParam and the others.
var common = []param{
	{name: "_id", kind: tokenKind, form: idForm},
	{name: "_lastUpdated", kind: dateKind, form: updatedForm},
	{name: "_tag", kind: tokenKind, form: conceptForm, path: "meta.tag"},
	{name: "identifier", kind: tokenKind, form: identifierForm, path: "identifier"},
}

// The places in typeDef.params of the parameters that the store treats by itself.
const (
	idParam         = 0
	updatedParam    = 1
	identifierParam = 3
)

const (
	systemTaskStatus        = "http://hl7.org/fhir/task-status"
	systemRequestPriority   = "http://hl7.org/fhir/request-priority"
	systemAppointmentStatus = "http://hl7.org/fhir/appointmentstatus"
	systemSlotStatus        = "http://hl7.org/fhir/slotstatus"
	systemEventStatus       = "http://hl7.org/fhir/event-status"
	systemRequestStatus     = "http://hl7.org/fhir/request-status"
	systemDocumentStatus    = "http://hl7.org/fhir/document-reference-status"
	systemSubscription      = "http://hl7.org/fhir/subscription-status"
)

var requestPriority = []string{"routine", "urgent", "asap", "stat"}

// definitions are the types in the order /metadata names them.
var definitions = []*typeDef{
	{
		name: "Patient",
		params: []param{
			{name: "name", kind: stringKind, form: nameForm, path: "name"},
			{name: "family", kind: stringKind, form: textForm, path: "name.family"},
			{name: "given", kind: stringKind, form: textForm, path: "name.given"},
			{name: "birthdate", kind: dateKind, form: dateForm, path: "birthDate"},
			{name: "phone", kind: tokenKind, form: contactForm, path: "telecom", system: "phone"},
			{name: "email", kind: tokenKind, form: contactForm, path: "telecom", system: "email"},
			{name: "telecom", kind: tokenKind, form: contactForm, path: "telecom"},
		},
		bindings: []binding{
			{"gender", []string{"male", "female", "other", "unknown"}},
			{"telecom.system", []string{"phone", "fax", "email", "pager", "url", "sms", "other"}},
		},
	},
	{
		name:   "Practitioner",
		params: []param{{name: "name", kind: stringKind, form: nameForm, path: "name"}},
	},
	{
		name:     "Location",
		params:   []param{{name: "name", kind: stringKind, form: textForm, path: "name"}},
		bindings: []binding{{"status", []string{"active", "suspended", "inactive"}}},
	},
	{
		name:   "Schedule",
		params: []param{{name: "actor", kind: referenceKind, form: referenceForm, path: "actor"}},
		lists:  []string{"actor"},
	},
	{
		name: "Slot",
		params: []param{
			{name: "schedule", kind: referenceKind, form: referenceForm, path: "schedule"},
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemSlotStatus},
			{name: "start", kind: dateKind, form: instantForm, path: "start"},
		},
		required: []string{"schedule", "status", "start", "end"},
		bindings: []binding{{"status", []string{"busy", "free", "busy-unavailable", "busy-tentative", "entered-in-error"}}},
	},
	{
		name: "Appointment",
		params: []param{
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemAppointmentStatus},
			{name: "patient", kind: referenceKind, form: referenceForm, path: "participant.actor", target: "Patient"},
			{name: "practitioner", kind: referenceKind, form: referenceForm, path: "participant.actor", target: "Practitioner"},
			{name: "location", kind: referenceKind, form: referenceForm, path: "participant.actor", target: "Location"},
			{name: "actor", kind: referenceKind, form: referenceForm, path: "participant.actor"},
			{name: "date", kind: dateKind, form: instantForm, path: "start"},
			{name: "service-type", kind: tokenKind, form: conceptForm, path: "serviceType"},
			{name: "supporting-info", kind: referenceKind, form: referenceForm, path: "supportingInformation"},
		},
		required: []string{"status"},
		lists:    []string{"participant"},
		bindings: []binding{
			{"status", []string{"proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", "entered-in-error", "checked-in", "waitlist"}},
			{"participant.status", []string{"accepted", "declined", "tentative", "needs-action"}},
			{"participant.required", []string{"required", "optional", "information-only"}},
		},
		check: checkAppointment,
	},
	{
		name: "Task",
		params: []param{
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemTaskStatus},
			{name: "patient", kind: referenceKind, form: referenceForm, path: "for", target: "Patient"},
			{name: "subject", kind: referenceKind, form: referenceForm, path: "for"},
			{name: "owner", kind: referenceKind, form: referenceForm, path: "owner"},
			{name: "focus", kind: referenceKind, form: referenceForm, path: "focus"},
			{name: "code", kind: tokenKind, form: conceptForm, path: "code"},
			{name: "priority", kind: tokenKind, form: codeForm, path: "priority", system: systemRequestPriority},
			{name: "authored-on", kind: dateKind, form: dateTimeForm, path: "authoredOn"},
			{name: "modified", kind: dateKind, form: dateTimeForm, path: "lastModified"},
		},
		required: []string{"status", "intent"},
		bindings: []binding{
			{"status", []string{"draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed", "completed", "entered-in-error"}},
			{"intent", []string{"unknown", "proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}},
			{"priority", requestPriority},
		},
		check: checkTask,
	},
	{
		name: "Communication",
		params: []param{
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemEventStatus},
			{name: "category", kind: tokenKind, form: conceptForm, path: "category"},
			{name: "patient", kind: referenceKind, form: referenceForm, path: "subject", target: "Patient"},
			{name: "subject", kind: referenceKind, form: referenceForm, path: "subject"},
			{name: "recipient", kind: referenceKind, form: referenceForm, path: "recipient"},
			{name: "sender", kind: referenceKind, form: referenceForm, path: "sender"},
			{name: "sent", kind: dateKind, form: dateTimeForm, path: "sent"},
		},
		required: []string{"status"},
		bindings: []binding{
			{"status", []string{"preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"}},
			{"priority", requestPriority},
		},
		check: checkCommunication,
	},
	{
		name: "ServiceRequest",
		params: []param{
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemRequestStatus},
			{name: "category", kind: tokenKind, form: conceptForm, path: "category"},
			{name: "code", kind: tokenKind, form: conceptForm, path: "code"},
			{name: "patient", kind: referenceKind, form: referenceForm, path: "subject", target: "Patient"},
			{name: "subject", kind: referenceKind, form: referenceForm, path: "subject"},
			{name: "performer", kind: referenceKind, form: referenceForm, path: "performer"},
			{name: "requester", kind: referenceKind, form: referenceForm, path: "requester"},
			{name: "authored", kind: dateKind, form: dateTimeForm, path: "authoredOn"},
		},
		required: []string{"status", "intent", "subject"},
		bindings: []binding{
			{"status", []string{"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}},
			{"intent", []string{"proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option"}},
			{"priority", requestPriority},
		},
		extra: true,
	},
	{
		name: "DocumentReference",
		params: []param{
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemDocumentStatus},
			{name: "type", kind: tokenKind, form: conceptForm, path: "type"},
			{name: "category", kind: tokenKind, form: conceptForm, path: "category"},
			{name: "patient", kind: referenceKind, form: referenceForm, path: "subject", target: "Patient"},
			{name: "subject", kind: referenceKind, form: referenceForm, path: "subject"},
			{name: "date", kind: dateKind, form: instantForm, path: "date"},
		},
		required: []string{"status"},
		lists:    []string{"content"},
		bindings: []binding{
			{"status", []string{"current", "superseded", "entered-in-error"}},
			{"docStatus", []string{"preliminary", "final", "amended", "entered-in-error"}},
		},
		check: checkDocument,
		extra: true,
	},
	{
		name: "Subscription",
		params: []param{
			{name: "status", kind: tokenKind, form: codeForm, path: "status", system: systemSubscription},
			{name: "url", kind: uriKind, form: codeForm, path: "channel.endpoint"},
			{name: "criteria", kind: stringKind, form: textForm, path: "criteria"},
		},
		required: []string{"status", "reason", "criteria", "channel"},
		bindings: []binding{
			{"status", []string{"requested", "active", "error", "off"}},
			{"channel.type", []string{"rest-hook", "websocket", "email", "sms", "message"}},
		},
		extra: true,
	},
}

// StandardTypes returns the types that are offered where Options names none.
func StandardTypes() (names []string) {
	for _, d := range definitions {
		if !d.extra {
			names = append(names, d.name)
		}
	}
	return names
}

// byName are the definitions with the common parameters put before their own.
var byName = func() map[string]*typeDef {
	m := make(map[string]*typeDef, len(definitions))
	for _, d := range definitions {
		d.params = append(append([]param{}, common...), d.params...)
		m[d.name] = d
	}
	return m
}()
