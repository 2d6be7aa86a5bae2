package fhir

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

const mediaType = "application/fhir+json"

// Client speaks FHIR R4 to one server. Safe for concurrent use. Its errors are
// *fault.Error; where the server sent an OperationOutcome, an *OutcomeError is
// in the chain.
type Client struct{ rest *rest.Client }

// NewClient makes a client over the connection of one EHR. The caller keeps
// and closes r.
func NewClient(r *rest.Client) *Client { return &Client{rest: r} }

// Written is what a server says about a write.
type Written struct {
	ID          string
	Version     string    // "" when the server does not version
	LastUpdated time.Time // zero when the server does not say
	Body        []byte    // the resource as stored; nil when the server did not return it
	Existing    bool      // a conditional create found the resource and wrote nothing
}

// Read returns a resource as it came, with its version.
func (c *Client) Read(ctx context.Context, resourceType, id string) ([]byte, Meta, error) {
	raw, meta, _, err := c.read(ctx, resourceType, id)
	return raw, meta, err
}

// ReadMoved is Read for resources that may have become another one, as charts that were
// merged: where the server redirects to one of the same type, that is read. It is
// followed once, by id and under the base URL whatever the redirect says.
func (c *Client) ReadMoved(ctx context.Context, resourceType, id string) ([]byte, Meta, error) {
	raw, meta, moved, err := c.read(ctx, resourceType, id)
	if moved == "" || moved == id {
		return raw, meta, err
	}
	return c.Read(ctx, resourceType, moved)
}

// read reads a resource. moved is the id of the one that the server redirects to.
func (c *Client) read(ctx context.Context, resourceType, id string) (_ []byte, _ Meta, moved string, _ error) {
	op := "read " + resourceType
	path, f := instance(op, resourceType, id)
	if f != nil {
		return nil, Meta{}, "", f
	}
	resp, err := c.do(ctx, rest.Request{Op: op, Method: http.MethodGet, Path: path})
	if resp != nil && resp.Status/100 == 3 {
		moved, _ = location(resp.Header, resourceType)
	}
	if err != nil {
		return nil, Meta{}, moved, err
	}
	raw, meta, err := readBody(op, resourceType, resp)
	return raw, meta, "", err
}

func readBody(op, resourceType string, resp *rest.Response) ([]byte, Meta, error) {
	if f := wrongBody(op, resourceType, resp, false); f != nil {
		return nil, Meta{}, f
	}
	meta, err := MetaOf(resp.Body)
	if err != nil {
		return nil, Meta{}, fault.New(fault.Permanent, op, err.Error()).
			WithHint("the server sends a resource that breaks the FHIR format; tell its vendor").Because(err)
	}
	if meta.VersionID == "" {
		meta.VersionID = etag(resp.Header)
	}
	if modified, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil && meta.LastUpdated.IsZero() {
		meta.LastUpdated = modified
	}
	return resp.Body, meta, nil
}

// Create sends a new resource. ifNoneExist, when not empty, is the query of a
// conditional create, "identifier=system|value", escaped as in a URL: a server
// that honours it (see Capabilities) answers with the one resource that matches
// instead of making another, and with a Conflict when several do.
func (c *Client) Create(ctx context.Context, resourceType string, body []byte, ifNoneExist string) (Written, error) {
	req := write("create "+resourceType, http.MethodPost, resourceType, body)
	if ifNoneExist != "" {
		req.Header.Set("If-None-Exist", ifNoneExist)
	}
	resp, err := c.do(ctx, req)
	if err != nil {
		return Written{}, notOffered(err, resourceType)
	}
	id, version := location(resp.Header, resourceType)
	w, f := written2xx(req.Op, resourceType, resp, Written{ID: id, Version: version})
	if f != nil {
		return Written{}, f
	}
	w.Existing = ifNoneExist != "" && resp.Status == http.StatusOK
	return w, nil
}

// Guard is the condition under which a write may change what the server holds. Where
// it does not hold any more, the error is a Conflict. The zero Guard is none.
type Guard struct {
	Version    string    // If-Match
	Unmodified time.Time // If-Unmodified-Since, to the second
}

// Update replaces a resource.
func (c *Client) Update(ctx context.Context, resourceType, id string, body []byte, g Guard) (Written, error) {
	return c.change(ctx, http.MethodPut, mediaType, resourceType, id, body, g)
}

// Patch sends a JSON Patch (RFC 6902) of a resource; see PatchOf.
func (c *Client) Patch(ctx context.Context, resourceType, id string, patch []byte, g Guard) (Written, error) {
	return c.change(ctx, http.MethodPatch, PatchType, resourceType, id, patch, g)
}

func (c *Client) change(ctx context.Context, method, contentType, resourceType, id string, body []byte, g Guard) (Written, error) {
	op := "update " + resourceType
	path, f := instance(op, resourceType, id)
	if f != nil {
		return Written{}, f
	}
	req := write(op, method, path, body)
	req.ContentType = contentType
	if g.Version != "" {
		req.Header.Set("If-Match", `W/"`+g.Version+`"`)
	}
	if !g.Unmodified.IsZero() {
		req.Header.Set("If-Unmodified-Since", g.Unmodified.UTC().Format(http.TimeFormat))
	}
	resp, err := c.do(ctx, req)
	if err != nil {
		return Written{}, err
	}
	_, version := location(resp.Header, resourceType)
	w, f := written2xx(op, resourceType, resp, Written{ID: id, Version: version})
	if f != nil {
		return Written{}, f
	}
	if w.ID != id {
		return Written{}, ambiguous(op, resp, "the server answered with another resource than the one that was sent")
	}
	return w, nil
}

func write(op, method, path string, body []byte) rest.Request {
	return rest.Request{
		Op: op, Method: method, Path: path, Body: body, ContentType: mediaType, Write: true,
		Header: http.Header{"Prefer": {"return=representation"}},
	}
}

// do sends a request for JSON and explains a refusal with the codes of its
// OperationOutcome.
func (c *Client) do(ctx context.Context, req rest.Request) (*rest.Response, error) {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Accept", mediaType)
	resp, err := c.rest.Do(ctx, req)
	var f *fault.Error
	if resp == nil || !errors.As(err, &f) {
		return resp, err
	}
	outcome, ok := ParseOutcome(resp.Body)
	if !ok {
		return resp, err
	}
	explained := *f // a copy, because f stays in the chain behind it
	explained.What += ", " + outcome.summary()
	return resp, explained.Because(&OutcomeError{Outcome: outcome, cause: f})
}

// instance is the path of one resource.
func instance(op, resourceType, id string) (string, *fault.Error) {
	if id == "" || id == "." || id == ".." || len(id) > 256 || strings.ContainsAny(id, "/?#\\ ") {
		return "", fault.New(fault.Permanent, op, "the id of the resource is not one that FHIR allows").
			WithHint("look the resource up in the EHR and link it again")
	}
	return resourceType + "/" + url.PathEscape(id), nil
}

// notOffered turns "not found" into Permanent where it is said of a type or of
// the server, not of one resource.
func notOffered(err error, resourceType string) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Disposition != fault.NotFound {
		return err
	}
	e := *f
	e.Disposition = fault.Permanent
	return e.WithHint("check base_url, and whether this EHR offers " + resourceType + " to this client").Because(f)
}

// written2xx reads the answer to a write that the server accepted. known is
// what is known without the body, which may be missing or an OperationOutcome.
func written2xx(op, resourceType string, resp *rest.Response, known Written) (Written, *fault.Error) {
	w := known
	if modified, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		w.LastUpdated = modified
	}
	switch body := kindOf(resp.Body); body {
	case resourceType:
		meta, err := MetaOf(resp.Body)
		if err != nil {
			return Written{}, ambiguous(op, resp, err.Error())
		}
		w.Body = resp.Body
		if meta.ID != "" {
			w.ID = meta.ID
		}
		// Before the ETag: some web frameworks send a hash of the body as ETag.
		if meta.VersionID != "" {
			w.Version = meta.VersionID
		}
		if !meta.LastUpdated.IsZero() {
			w.LastUpdated = meta.LastUpdated
		}
	case "":
	case operationOutcome:
		if o, _ := ParseOutcome(resp.Body); o.Failed() {
			return Written{}, wrongBody(op, resourceType, resp, true)
		}
	default:
		return Written{}, wrongBody(op, resourceType, resp, true)
	}
	if w.ID == "" {
		return Written{}, ambiguous(op, resp, "the server accepted it and did not say under which id")
	}
	if w.Version == "" {
		w.Version = etag(resp.Header)
	}
	return w, nil
}

func ambiguous(op string, resp *rest.Response, what string) *fault.Error {
	return fault.New(fault.Ambiguous, op, what).WithStatus(resp.Status).
		WithHint("search for the marker before sending again")
}

// location returns the id and the version that Location names:
// [base]/Task/123/_history/4, with any base, or none.
func location(h http.Header, resourceType string) (id, version string) {
	for _, name := range []string{"Location", "Content-Location"} {
		u, err := url.Parse(h.Get(name))
		if err != nil {
			continue
		}
		segments := strings.Split(u.Path, "/")
		for i := len(segments) - 2; i >= 0; i-- {
			if segments[i] != resourceType || segments[i+1] == "" {
				continue
			}
			if i+3 < len(segments) && segments[i+2] == "_history" {
				version = segments[i+3]
			}
			return segments[i+1], version
		}
	}
	return "", ""
}

// etag returns the version in an ETag: W/"4" is 4.
func etag(h http.Header) string {
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(h.Get("ETag")), "W/"), `"`)
}
