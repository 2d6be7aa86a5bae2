package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/ringback-health/ringback/callback"
)

// newAPI makes the API on mux. The library's own pages stay off: its
// documentation page loads scripts from elsewhere.
func newAPI(mux *http.ServeMux, version string) huma.API {
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	return humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Ringback", Version: version,
				Description: "Callbacks of a clinic: who wants to be called back, what was done about it, and what stands in the EHR. Times are RFC 3339; answers are in UTC. What is not known is null."},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "An API token: rbk_..."},
				},
			},
		},
		// "json" is what the library takes for application/problem+json.
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
}

// unmarshal reads JSON and says what is wrong in words of its own: those of the
// JSON package quote what was sent.
func unmarshal(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(data)):
		return errors.New("is not complete JSON; it ends too early")
	case errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: look at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("has a value of the wrong kind at byte %d", kind.Offset)
	default:
		return errors.New("holds a value that cannot be read; write times as 2026-03-02T10:15:00Z")
	}
}

// operation describes one operation that needs a token of one of the roles.
func (s *Server) operation(method, path, id, summary, description string, status []int, roles ...callback.Role) huma.Operation {
	op := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, Description: description + "\n\n" + rolesNeeded(roles),
		Security:     []map[string][]string{{"token": {}}},
		Errors:       append([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}, status...),
		MaxBodyBytes: bodyLimit + 1,
		// The body was read before, under the server's own time limit.
		BodyReadTimeout: -1,
		Middlewares:     huma.Middlewares{s.authorize(roles)},
	}
	if method == http.MethodPost {
		op.Middlewares = append(op.Middlewares, receiveBody)
	}
	return op
}

// enumOf is the schema of a closed list of codes.
func enumOf[T ~string](values []T, nullable bool) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Nullable: nullable}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	if nullable {
		s.Enum = append(s.Enum, nil)
	}
	return s
}

// The codes of the domain as the API shows them: each is the domain's own list.
type (
	// Status is where a callback stands.
	Status callback.Status
	// Outcome says why a callback closed; null while it is open.
	Outcome callback.Outcome
	// ClosingOutcome is an outcome to close a callback with.
	ClosingOutcome callback.Outcome
	// AttemptResult says how an attempt ended.
	AttemptResult callback.Outcome
	// Category says what the caller wants.
	Category callback.Category
	// WantedCategory is a category, or empty to let triage decide.
	WantedCategory callback.Category
	// Priority is how urgent a callback is.
	Priority callback.Priority
	// WantedPriority is a priority, or empty to leave it as it is.
	WantedPriority callback.Priority
	// LinkState says how a link stands.
	LinkState callback.LinkState
)

// Schema lists the states.
func (Status) Schema(huma.Registry) *huma.Schema { return enumOf(callback.Statuses, false) }

// Schema lists the outcomes.
func (Outcome) Schema(huma.Registry) *huma.Schema { return enumOf(callback.ClosingOutcomes, true) }

// Schema lists the outcomes.
func (ClosingOutcome) Schema(huma.Registry) *huma.Schema {
	return enumOf(callback.ClosingOutcomes, false)
}

// Schema lists the results.
func (AttemptResult) Schema(huma.Registry) *huma.Schema {
	return enumOf(callback.AttemptResults, false)
}

// Schema lists the categories.
func (Category) Schema(huma.Registry) *huma.Schema { return enumOf(callback.Categories, false) }

// Schema lists the categories and the empty one.
func (WantedCategory) Schema(huma.Registry) *huma.Schema {
	return enumOf(append(slices.Clone(callback.Categories), ""), false)
}

// Schema lists the priorities.
func (Priority) Schema(huma.Registry) *huma.Schema { return enumOf(callback.Priorities, false) }

// Schema lists the priorities and the empty one.
func (WantedPriority) Schema(huma.Registry) *huma.Schema {
	return enumOf(append(slices.Clone(callback.Priorities), ""), false)
}

// Schema lists the states of a link.
func (LinkState) Schema(huma.Registry) *huma.Schema { return enumOf(callback.LinkStates, false) }
