package sandbox

import "strings"

// The FHIR data types that the seed and the front desk write.
type (
	identifier struct {
		System string `json:"system,omitempty"`
		Value  string `json:"value,omitempty"`
	}
	reference struct {
		Reference string `json:"reference,omitempty"`
		Display   string `json:"display,omitempty"`
	}
	coding struct {
		System string `json:"system,omitempty"`
		Code   string `json:"code,omitempty"`
	}
	concept struct {
		Coding []coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	humanName struct {
		Use    string   `json:"use,omitempty"`
		Family string   `json:"family,omitempty"`
		Given  []string `json:"given,omitempty"`
		Prefix []string `json:"prefix,omitempty"`
	}
	contactPoint struct {
		System string `json:"system"`
		Value  string `json:"value"`
		Use    string `json:"use,omitempty"`
	}
	annotation struct {
		AuthorReference *reference `json:"authorReference,omitempty"`
		AuthorString    string     `json:"authorString,omitempty"`
		Time            string     `json:"time"`
		Text            string     `json:"text"`
	}
	participant struct {
		Actor  reference `json:"actor"`
		Status string    `json:"status"`
	}
	meta struct {
		Security []coding `json:"security,omitempty"`
	}
	patientLink struct {
		Other reference `json:"other"`
		Type  string    `json:"type"`
	}
	patient struct {
		ResourceType string         `json:"resourceType"`
		ID           string         `json:"id,omitempty"`
		Meta         *meta          `json:"meta,omitempty"`
		Identifier   []identifier   `json:"identifier,omitempty"`
		Active       bool           `json:"active"`
		Name         []humanName    `json:"name"`
		Telecom      []contactPoint `json:"telecom,omitempty"`
		Gender       string         `json:"gender,omitempty"`
		BirthDate    string         `json:"birthDate,omitempty"`
	}
	practitioner struct {
		ResourceType string      `json:"resourceType"`
		ID           string      `json:"id"`
		Active       bool        `json:"active"`
		Name         []humanName `json:"name"`
	}
	location struct {
		ResourceType string         `json:"resourceType"`
		ID           string         `json:"id"`
		Status       string         `json:"status"`
		Name         string         `json:"name"`
		Telecom      []contactPoint `json:"telecom"`
	}
	schedule struct {
		ResourceType string      `json:"resourceType"`
		ID           string      `json:"id"`
		Active       bool        `json:"active"`
		Actor        []reference `json:"actor"`
	}
	slot struct {
		ResourceType string    `json:"resourceType"`
		ID           string    `json:"id"`
		Schedule     reference `json:"schedule"`
		Status       string    `json:"status"`
		Start        string    `json:"start"`
		End          string    `json:"end"`
	}
	appointment struct {
		ResourceType          string        `json:"resourceType"`
		ID                    string        `json:"id,omitempty"`
		Identifier            []identifier  `json:"identifier,omitempty"`
		Status                string        `json:"status"`
		ServiceType           []concept     `json:"serviceType,omitempty"`
		Start                 string        `json:"start"`
		End                   string        `json:"end"`
		Slot                  []reference   `json:"slot,omitempty"`
		Created               string        `json:"created,omitempty"`
		SupportingInformation []reference   `json:"supportingInformation,omitempty"`
		Participant           []participant `json:"participant"`
	}
)

// systemActReason is the code system of meta.security HTEST: data for tests only.
const systemActReason = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

// codedConcept makes a CodeableConcept of "system|code", or of text alone.
func codedConcept(s string) concept {
	if system, code, ok := strings.Cut(s, "|"); ok {
		return concept{Coding: []coding{{system, code}}, Text: code}
	}
	return concept{Text: s}
}

// person makes a Reference of "Practitioner/1", or of a name that is only shown.
func person(who string) reference {
	if readReference(who).system != "" {
		return reference{Reference: who}
	}
	return reference{Display: who}
}

// reachedAt makes the telecom of a mobile number and an address, either of which
// may be empty.
func reachedAt(phone, email string) (list []contactPoint) {
	if phone != "" {
		list = append(list, contactPoint{"phone", phone, "mobile"})
	}
	if email != "" {
		list = append(list, contactPoint{"email", email, "home"})
	}
	return list
}
