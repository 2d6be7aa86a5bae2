package fhirr4

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
	"github.com/ringback-health/ringback/mapping"
)

// Kind is the connector for the registry.
func Kind() ehr.Kind {
	return ehr.Kind{
		Name: "fhirr4",
		What: "any FHIR R4 server that takes Tasks, or the next best, and searches by modification time",
		New: func(s ehr.Settings, decode ehr.Decode) (ehr.Connector, error) {
			cfg := Default()
			if err := decode(&cfg); err != nil {
				return nil, err
			}
			return New(s, cfg)
		},
	}
}

// Connector is one EHR. It fulfils ehr.Connector.
type Connector struct {
	cfg   Config
	site  mapping.Site
	auth  rest.Authenticator // nil: none
	rest  *rest.Client
	fhir  *fhir.Client
	clock clock.Clock
	caps  capabilityCache
}

var _ ehr.Connector = (*Connector)(nil)

// New checks cfg and makes the connector. It does not talk to the EHR. The error
// lists everything that is wrong.
func New(s ehr.Settings, cfg Config) (*Connector, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.push = s.Push
	auth, headers, authErr := cfg.credentials(s)
	to := rest.Config{BaseURL: cfg.BaseURL, Auth: auth, Headers: headers, Timeout: cfg.Timeout,
		MaxPerSecond: cfg.MaxPerSecond, AllowHTTP: cfg.InsecureHTTP, Logger: s.Logger, Clock: s.Clock, Sent: s.Sent}
	if s.Turns != nil && cfg.MaxPerSecond > 0 {
		to.Gate = s.Turns(cfg.MaxPerSecond)
	}
	r, err := rest.New(to)
	if err := errors.Join(authErr, err); err != nil {
		return nil, err
	}
	c := &Connector{
		cfg: cfg, auth: auth, rest: r, fhir: fhir.NewClient(r), clock: clock.System{}, caps: newCapabilityCache(),
		site: mapping.Site{Clinic: s.Clinic, EHR: s.ID, BaseURL: r.BaseURL(), Zone: s.Zone, Region: s.Region,
			Owners: cfg.Owners, ProposedMeansBooked: cfg.ProposedMeansBooked},
	}
	cfg.rules(&c.site)
	if s.Clock != nil {
		c.clock = s.Clock
	}
	return c, nil
}

// Close gives up idle connections.
func (c *Connector) Close() { c.rest.Close() }

// maxFound bounds how many resources with one marker are looked at. More than one
// is a fault already.
const maxFound = 20

// Find searches by identifier. Servers that do not know the parameter answer with
// everything they have, so each answer is looked at, and the search is bounded.
func (c *Connector) Find(ctx context.Context, t callback.ResourceType, m callback.Marker) ([]callback.Item, error) {
	if t == callback.CommunicationResource && c.cfg.Communication.Marker != string(mapping.MarkerIdentifier) {
		return nil, fault.New(fault.Permanent, "search "+string(t), "our marker stands in its "+c.cfg.Communication.Marker+", which cannot be searched").
			WithHint("look for it in the EHR")
	}
	params := url.Values{"identifier": {callback.MarkerSystem + "|" + string(m)}, "_count": {strconv.Itoa(maxFound)}}
	var found []callback.Item
	for page, err := range c.fhir.Search(ctx, string(t), params, fhir.MaxPages(maxFound)) {
		if err != nil {
			return nil, err
		}
		for _, e := range page.Bundle.Entries {
			if e.ResourceType != string(t) || e.SearchMode != "" && e.SearchMode != "match" {
				continue
			}
			item, err := mapping.Item(e.Resource, c.site)
			if err != nil {
				return nil, unreadable("search "+string(t), err)
			}
			if slices.Contains(item.Markers, m) {
				found = append(found, item)
			}
		}
	}
	slices.SortStableFunc(found, older)
	return found, nil
}

// older puts the resource that was made first first, as far as can be told: by
// number where ids are numbers, which servers give in order, else by the last
// change.
func older(a, b callback.Item) int {
	m, errA := strconv.ParseUint(a.ID, 10, 64)
	n, errB := strconv.ParseUint(b.ID, 10, 64)
	if errA == nil && errB == nil && m != n {
		if m < n {
			return -1
		}
		return 1
	}
	if d := a.UpdatedAt.Compare(b.UpdatedAt); d != 0 {
		return d
	}
	return strings.Compare(a.ID, b.ID)
}

// Create files the work item or proposes the Appointment.
func (c *Connector) Create(ctx context.Context, w callback.WorkItem) (callback.Item, error) {
	t := w.Link.Type
	op := "create " + string(t)
	body, err := mapping.Resource(w, c.site)
	if err != nil {
		return callback.Item{}, unmappable(op, err)
	}
	condition := ""
	m, _, err := c.known(ctx)
	if err != nil {
		return callback.Item{}, err
	}
	promised := c.on(m, t).ConditionalCreate
	if promised {
		condition = url.Values{"identifier": {callback.MarkerSystem + "|" + string(w.Link.Marker())}}.Encode()
	}
	written, err := c.fhir.Create(ctx, string(t), body, condition)
	if promised && fault.Is(err, fault.Conflict) {
		// Several carry the marker already: a search shows them, and the oldest is ours.
		return callback.Item{}, fault.New(fault.Ambiguous, op, "several resources carry this callback's marker").Because(err)
	}
	if err != nil {
		return callback.Item{}, err
	}
	if written.Body == nil && written.Existing {
		item, err := c.Read(ctx, t, written.ID)
		item.Found = true
		return item, err
	}
	item, err := c.stored(ctx, op, w, body, written)
	if fault.Is(err, fault.Ambiguous) { // it is new, so that it was what was sent
		item, err = c.item(op, body, written.ID, written.Version)
		item.UpdatedAt = written.LastUpdated
	}
	item.Found = written.Existing
	return item, err
}

// on is what can be done with resources of a type.
func (c *Connector) on(m fhir.Capabilities, t callback.ResourceType) callback.Rung {
	return callback.Capabilities{Rungs: c.rungs(m), Proposal: c.proposal(m)}.On(t)
}

// Read returns the resource as it is now.
func (c *Connector) Read(ctx context.Context, t callback.ResourceType, id string) (callback.Item, error) {
	raw, meta, err := c.fhir.Read(ctx, string(t), id)
	if err != nil {
		return callback.Item{}, err
	}
	item, err := c.item("read "+string(t), raw, id, meta.VersionID)
	if item.UpdatedAt.IsZero() {
		item.UpdatedAt = meta.LastUpdated
	}
	return item, err
}

// Edit writes what differs, guarded by the version that was read.
func (c *Connector) Edit(ctx context.Context, current callback.Item, w callback.WorkItem) (callback.Item, error) {
	t := w.Link.Type
	op := "edit " + string(t)
	if current.Type != t || current.ID == "" || len(current.Raw) == 0 {
		return callback.Item{}, fault.New(fault.Permanent, op, "an edit starts from the resource as it was read")
	}
	body, changed, err := mapping.Edit(current.Raw, w, c.site)
	if err != nil {
		return callback.Item{}, unmappable(op, err)
	}
	if !changed {
		return current, nil
	}
	m, told, err := c.known(ctx)
	if err != nil {
		return callback.Item{}, err
	}
	var written fhir.Written
	switch {
	case !told || m.Can(string(t), "update"):
		written, err = c.fhir.Update(ctx, string(t), current.ID, body, c.guard(current))
	case m.CanPatch(string(t)):
		written, err = c.patch(ctx, op, current, body)
	default:
		return current, nil // it stays as it was filed
	}
	if err != nil {
		return callback.Item{}, err
	}
	return c.stored(ctx, op, w, body, written)
}

// patch sends only the members that differ.
func (c *Connector) patch(ctx context.Context, op string, current callback.Item, body []byte) (fhir.Written, error) {
	patch, err := fhir.PatchOf(current.Raw, body)
	if err != nil {
		return fhir.Written{}, unreadable(op, err)
	}
	return c.fhir.Patch(ctx, string(current.Type), current.ID, patch, c.guard(current))
}

// guard keeps an edit from writing over a change since current was read. Where the
// server gave neither version nor time, there is nothing to guard by.
func (c *Connector) guard(current callback.Item) fhir.Guard {
	versioned := !strings.HasPrefix(current.Version, mapping.HashedVersion)
	switch {
	case c.cfg.Guard == guardIfMatch && versioned:
		return fhir.Guard{Version: current.Version}
	case c.cfg.Guard == guardIfUnmodified:
		return fhir.Guard{Unmodified: current.UpdatedAt}
	default:
		return fhir.Guard{}
	}
}

// stored returns a resource after a write. A server that does not send it back is
// asked for it. What it shows then is what was written only if it has the version that
// the server gave the write, or says neither less nor more than what was sent: somebody may
// have changed it meanwhile, or it was something on the way that has answered. Else it
// is Ambiguous: to take it for ours would swallow what people did.
func (c *Connector) stored(ctx context.Context, op string, work callback.WorkItem, sent []byte, w fhir.Written) (callback.Item, error) {
	if w.Body != nil {
		return c.item(op, w.Body, w.ID, w.Version)
	}
	item, err := c.Read(ctx, work.Link.Type, w.ID)
	if err != nil {
		return callback.Item{}, fault.New(fault.Ambiguous, op, "it was written and could not be read back").
			WithHint("search for the marker before sending again").WithAfter(fault.After(err)).Because(err)
	}
	if w.Version != "" && item.Version == w.Version {
		return item, nil
	}
	ours, err := c.item(op, sent, w.ID, w.Version)
	if err != nil {
		return callback.Item{}, err
	}
	ours.State.Updated = item.State.Updated
	_, lacks, err := mapping.Edit(item.Raw, work, c.site)
	if err != nil || lacks || !reflect.DeepEqual(ours.State, item.State) || !slices.Equal(ours.Appointments, item.Appointments) {
		return callback.Item{}, fault.New(fault.Ambiguous, op, "what stands there is not what was written").WithStatus(http.StatusOK).
			WithHint("somebody has changed it at the same moment, or a proxy has answered instead of the EHR; it is read again")
	}
	return item, nil
}

// item reads a resource; id and version are what the server said beside it.
func (c *Connector) item(op string, raw []byte, id, version string) (callback.Item, error) {
	item, err := mapping.Item(raw, c.site)
	if err != nil {
		return callback.Item{}, unreadable(op, err)
	}
	if item.ID == "" {
		item.ID = id
	}
	if version != "" {
		item.Version = version
	}
	return item, nil
}

// unreadable is a resource of the EHR that breaks the format. Its text names the
// member and never the value.
func unreadable(op string, err error) error {
	return fault.New(fault.Permanent, op, err.Error()).
		WithHint("correct the resource in the EHR, or tell the EHR's vendor").Because(err)
}

// unmappable is a callback that cannot be written, or an item that must not be.
func unmappable(op string, err error) error {
	hint := "correct the callback, then retry the link"
	if errors.Is(err, mapping.ErrNotUnderstood) {
		hint = "look at the item in the EHR and finish it there, or set it back and retry the link"
	}
	return fault.New(fault.Permanent, op, err.Error()).WithHint(hint).Because(err)
}

// today returns the date at the clinic, d earlier.
func (c *Connector) today(d time.Duration) string {
	zone := c.site.Zone
	if zone == nil {
		zone = time.UTC
	}
	return c.clock.Now().Add(-d).In(zone).Format(time.DateOnly)
}
