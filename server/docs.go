package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// docsView is the OpenAPI document for people. It is made from the same types
// and needs nothing from elsewhere.
type docsView struct {
	About      string
	Operations []operationView
	Problems   []kindView
}

type (
	operationView struct {
		ID, Method, Path, Summary string
		About                     []string
		Parameters, Body, Answer  []memberView
		Statuses                  []string
	}
	memberView struct {
		Name, Type, About string
		Required          bool
	}
	kindView struct {
		Slug, Title, Detail string
		Status              int
	}
)

func (s *Server) docsPage(w http.ResponseWriter, r *http.Request) {
	f := s.frame(r, "API", "docs")
	f.Body = docsOf(s.api.OpenAPI())
	s.render(w, http.StatusOK, "docs", f)
}

func docsOf(doc *huma.OpenAPI) docsView {
	v := docsView{About: doc.Info.Description}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op != nil {
				v.Operations = append(v.Operations, operationOf(doc, op))
			}
		}
	}
	for _, k := range kinds {
		v.Problems = append(v.Problems, kindView{k.slug, k.title, k.detail, k.status})
	}
	return v
}

func operationOf(doc *huma.OpenAPI, op *huma.Operation) operationView {
	v := operationView{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		About: strings.Split(strings.TrimSpace(op.Description), "\n\n"), Statuses: slices.Sorted(maps.Keys(op.Responses))}
	for _, p := range op.Parameters {
		v.Parameters = append(v.Parameters, memberView{Name: p.Name + " (" + p.In + ")", Type: typeText(doc, p.Schema),
			About: joined(p.Description, limitsText(p.Schema)), Required: p.Required})
	}
	if op.RequestBody != nil {
		if media := op.RequestBody.Content["application/json"]; media != nil {
			v.Body = membersOf(doc, media.Schema, "")
		}
	}
	if answer := op.Responses[strconv.Itoa(op.DefaultStatus)]; answer != nil && answer.Content["application/json"] != nil {
		v.Answer = membersOf(doc, answer.Content["application/json"].Schema, "")
	}
	return v
}

// membersOf lists the members of a schema, those of inner objects under their path.
func membersOf(doc *huma.OpenAPI, s *huma.Schema, prefix string) []memberView {
	s = resolved(doc, s)
	var out []memberView
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		member := s.Properties[name]
		inner := resolved(doc, member)
		path := prefix + name
		out = append(out, memberView{Name: path, Type: typeText(doc, member), About: joined(member.Description, limitsText(inner)),
			Required: slices.Contains(s.Required, name)})
		if inner.Type == huma.TypeArray {
			path, inner = path+"[]", resolved(doc, inner.Items)
		}
		out = append(out, membersOf(doc, inner, path+".")...)
	}
	return out
}

func resolved(doc *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	for s.Ref != "" {
		s = doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

func typeText(doc *huma.OpenAPI, s *huma.Schema) string {
	s = resolved(doc, s)
	text := s.Type
	switch {
	case s.Type == huma.TypeArray:
		text = "list of " + typeText(doc, s.Items)
	case s.Format != "" && s.Type == huma.TypeString:
		text = s.Format
	}
	if s.Nullable {
		text += " or null"
	}
	return text
}

func limitsText(s *huma.Schema) string {
	var parts []string
	if s.Type == huma.TypeArray {
		if s.MaxItems != nil {
			parts = append(parts, "at most "+strconv.Itoa(*s.MaxItems))
		}
		s = s.Items
	}
	if len(s.Enum) > 0 {
		var codes []string
		for _, e := range s.Enum {
			if text, ok := e.(string); ok && text != "" {
				codes = append(codes, text)
			}
		}
		parts = append(parts, "one of: "+strings.Join(codes, ", "))
	}
	if s.Minimum != nil && s.Maximum != nil {
		parts = append(parts, fmt.Sprintf("%v to %v", *s.Minimum, *s.Maximum))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("default: %v", s.Default))
	}
	if s.MaxLength != nil {
		parts = append(parts, "at most "+strconv.Itoa(*s.MaxLength)+" characters")
	}
	return strings.Join(parts, "; ")
}
