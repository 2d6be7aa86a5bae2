package sandbox

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// A draft is a resource that passed validation and waits for its id and version.
type draft struct {
	def     *typeDef
	members object
	id      string // the id in the body, "" if it has none
	index   [][]value
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9.\-]{1,64}$`)

// prepare reads and validates the body of a write. want is the type it must have,
// "" for any. The error is a *Problem with status 400.
func prepare(raw []byte, want string) (draft, error) {
	if !utf8.Valid(raw) {
		return draft{}, problem(http.StatusBadRequest, "structure", "the body is not UTF-8")
	}
	parsed, err := tree(raw)
	if err != nil {
		return draft{}, problem(http.StatusBadRequest, "structure", "the body cannot be read: %v", err)
	}
	doc, ok := parsed.(map[string]any)
	if !ok {
		return draft{}, problem(http.StatusBadRequest, "structure", "the body is not a JSON object")
	}
	name, _ := doc["resourceType"].(string)
	def := byName[name]
	if def == nil || want != "" && name != want {
		return draft{}, problem(http.StatusBadRequest, "invalid", "resourceType is not the one written to, or not one this server has")
	}
	if issues := def.validate(doc); len(issues) > 0 {
		return draft{}, &Problem{Status: http.StatusBadRequest, Code: "invariant", Text: strings.Join(issues, "; ")}
	}
	members, err := parseObject(raw)
	if err != nil {
		return draft{}, problem(http.StatusBadRequest, "structure", "the body cannot be read: %v", err)
	}
	return draft{def: def, members: members, id: members.text("id"), index: def.read(doc)}, nil
}

// validate returns what is wrong with doc, by member; never a value of it.
func (d *typeDef) validate(doc map[string]any) []string {
	issues := shape(doc, d.name, nil)
	if id, there := doc["id"]; there {
		if s, ok := id.(string); !ok || !idPattern.MatchString(s) {
			issues = append(issues, "id must be 1 to 64 letters, digits, - or .")
		}
	}
	if meta, there := doc["meta"]; there {
		if _, ok := meta.(map[string]any); !ok {
			issues = append(issues, "meta must be an object")
		}
	}
	for _, name := range d.required {
		if _, there := doc[name]; !there {
			issues = append(issues, name+" is required")
		}
	}
	for _, name := range d.lists {
		if list, ok := doc[name].([]any); !ok || len(list) == 0 {
			issues = append(issues, name+" must be an array with at least one element")
		}
	}
	for _, b := range d.bindings {
		for _, v := range walk(doc, b.path) {
			if s, ok := v.(string); !ok || !slices.Contains(b.codes, s) {
				issues = append(issues, b.path+" must be one of "+strings.Join(b.codes, ", "))
			}
		}
	}
	issues = append(issues, d.validateDates(doc)...)
	if d.check != nil && len(issues) == 0 {
		issues = d.check(doc)
	}
	return issues
}

// validateDates checks the members that the date parameters search by.
func (d *typeDef) validateDates(doc map[string]any) (issues []string) {
	for _, p := range d.params {
		if p.kind != dateKind || p.form == updatedForm {
			continue
		}
		for _, v := range walk(doc, p.path) {
			s, _ := v.(string)
			if _, _, ok := parseDate(s, p.form); !ok {
				issues = append(issues, p.path+" is not a valid "+dateNames[p.form])
			}
		}
	}
	return issues
}

var choice = regexp.MustCompile(`^value[A-Z]`)

// shape checks the rules of FHIR's JSON format that hold at every depth: nothing
// empty, null only inside an array, one value[x] per element.
func shape(v any, path string, issues []string) []string {
	switch v := v.(type) {
	case nil:
		return append(issues, path+" is null")
	case string:
		if v == "" {
			return append(issues, path+" is empty")
		}
	case map[string]any:
		return shapeObject(v, path, issues)
	case []any:
		if len(v) == 0 {
			return append(issues, path+" is empty")
		}
		for i, element := range v {
			if element != nil {
				issues = shape(element, fmt.Sprintf("%s[%d]", path, i), issues)
			}
		}
	}
	return issues
}

func shapeObject(m map[string]any, path string, issues []string) []string {
	if len(m) == 0 {
		return append(issues, path+" is empty")
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	choices := 0
	for _, name := range names {
		if choice.MatchString(name) {
			choices++
		}
		issues = shape(m[name], path+"."+name, issues)
	}
	if choices > 1 {
		issues = append(issues, path+" has more than one value[x]")
	}
	return issues
}

// checkAppointment checks app-1 to app-4 of R4 and that a participant has its status.
func checkAppointment(doc map[string]any) (broken []string) {
	for _, v := range walk(doc, "participant") {
		p, ok := v.(map[string]any)
		if !ok || p["status"] == nil {
			broken = append(broken, "participant.status is required")
		}
		if p["type"] == nil && p["actor"] == nil {
			broken = append(broken, "app-1: a participant needs a type or an actor")
		}
	}
	_, start := doc["start"]
	_, end := doc["end"]
	status, _ := doc["status"].(string)
	if start != end {
		broken = append(broken, "app-2: start and end go together")
	}
	if !start && !slices.Contains([]string{"proposed", "cancelled", "waitlist"}, status) {
		broken = append(broken, "app-3: only a proposed, cancelled or waitlisted appointment can be without start and end")
	}
	// R4 spells the second code "no-show" here, which is no appointment status.
	if _, there := doc["cancelationReason"]; there && status != "cancelled" && status != "noshow" {
		broken = append(broken, "app-4: a cancelationReason needs the status cancelled or noshow")
	}
	return broken
}

// checkTask checks inv-1 of R4.
func checkTask(doc map[string]any) []string {
	authored, _ := doc["authoredOn"].(string)
	modified, _ := doc["lastModified"].(string)
	from, _, ok := parseDate(authored, dateTimeForm)
	_, until, too := parseDate(modified, dateTimeForm)
	if ok && too && until <= from {
		return []string{"inv-1: lastModified is before authoredOn"}
	}
	return nil
}

// checkCommunication checks that each payload has its one content.
func checkCommunication(doc map[string]any) (broken []string) {
	for _, v := range walk(doc, "payload") {
		contents := 0
		for _, name := range []string{"contentString", "contentAttachment", "contentReference"} {
			if p, ok := v.(map[string]any); ok && p[name] != nil {
				contents++
			}
		}
		if contents != 1 {
			broken = append(broken, "payload.content[x] must be there once")
		}
	}
	return broken
}

// checkDocument checks that each content has its attachment, and att-1 of R4.
func checkDocument(doc map[string]any) (broken []string) {
	for _, v := range walk(doc, "content") {
		content, _ := v.(map[string]any)
		attachment, ok := content["attachment"].(map[string]any)
		if !ok {
			broken = append(broken, "content.attachment is required")
		}
		if attachment["data"] != nil && attachment["contentType"] == nil {
			broken = append(broken, "att-1: an attachment with data needs a contentType")
		}
	}
	return broken
}
