package faultproxy

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// adapt makes a true answer that of the server that the proxy plays: one without
// conditional create, one whose index lags. sent is when the request went out.
func (p *Proxy) adapt(r *http.Request, a answer, sent time.Time) answer {
	path := strings.TrimPrefix(r.URL.Path, p.target.Path)
	switch {
	case a.status == http.StatusCreated && r.Method == http.MethodPost:
		p.noteCreated(a, sent)
	case a.status == http.StatusOK && path == "/metadata" && p.cfg.Unconditional:
		a.body = unconditional(a.body)
	case a.status == http.StatusOK:
		a.body = p.lagged(r, a.body)
	}
	return a
}

// unconditional makes a CapabilityStatement promise no conditional create.
func unconditional(body []byte) []byte {
	var statement map[string]any
	if json.Unmarshal(body, &statement) != nil {
		return body
	}
	rest, _ := statement["rest"].([]any)
	for _, r := range rest {
		mode, _ := r.(map[string]any)
		resources, _ := mode["resource"].([]any)
		for _, resource := range resources {
			if entry, ok := resource.(map[string]any); ok {
				entry["conditionalCreate"] = false
			}
		}
	}
	changed, err := json.Marshal(statement)
	if err != nil {
		return body
	}
	return changed
}

// resource is what the proxy reads of a resource.
type resource struct {
	ResourceType string
	ID           string
	Meta         struct{ LastUpdated time.Time }
}

func (r resource) key() string { return r.ResourceType + "/" + r.ID }

// noteCreated remembers when a resource came to be.
func (p *Proxy) noteCreated(a answer, at time.Time) {
	var made resource
	if json.Unmarshal(a.body, &made) != nil || made.ID == "" {
		location, err := url.Parse(a.header.Get("Location"))
		if err != nil {
			return
		}
		parts := strings.Split(strings.TrimPrefix(location.Path, p.target.Path+"/"), "/")
		if len(parts) < 2 {
			return
		}
		made.ResourceType, made.ID = parts[0], parts[1]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.created[made.key()] = at
}

// lagged takes out of the result of a search what its index does not know yet. A
// search by time of change does not show what was changed within the lag; any
// other shows what was made before it, for an index knows an older version then.
func (p *Proxy) lagged(r *http.Request, body []byte) []byte {
	p.mu.Lock()
	lag := p.lag
	p.mu.Unlock()
	var bundle map[string]json.RawMessage
	if lag <= 0 || json.Unmarshal(body, &bundle) != nil ||
		string(bundle["resourceType"]) != `"Bundle"` || string(bundle["type"]) != `"searchset"` {
		return body
	}
	var entries []json.RawMessage
	if json.Unmarshal(bundle["entry"], &entries) != nil {
		return body
	}
	// A next link may hold nothing but a token; what was asked for first stands in self.
	byChange := strings.Contains(r.URL.RawQuery, "_lastUpdated") || strings.Contains(string(bundle["link"]), "_lastUpdated")
	before := time.Now().Add(-lag)
	known := []json.RawMessage{}
	for _, e := range entries {
		if p.indexed(e, byChange, before) {
			known = append(known, e)
		}
	}
	if len(known) == len(entries) {
		return body
	}
	list, err := json.Marshal(known)
	if err != nil {
		return body
	}
	bundle["entry"] = list
	if len(known) == 0 {
		delete(bundle, "entry")
	}
	delete(bundle, "total")
	changed, err := json.Marshal(bundle)
	if err != nil {
		return body
	}
	return changed
}

// indexed reports whether an index of the time shows an entry.
func (p *Proxy) indexed(entry json.RawMessage, byChange bool, at time.Time) bool {
	var e struct{ Resource resource }
	if json.Unmarshal(entry, &e) != nil || e.Resource.ID == "" {
		return true
	}
	if byChange {
		return e.Resource.Meta.LastUpdated.Before(at)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	created, ok := p.created[e.Resource.key()]
	if !ok { // not made through here, and seen for the first time
		created = e.Resource.Meta.LastUpdated
		p.created[e.Resource.key()] = created
	}
	return created.Before(at)
}
