package fhirr4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/ehr"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/doctor/reach"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
)

var _ ehr.Examiner = (*Connector)(nil)

// The names of the checks beyond those of package reach. They are part of what
// programs read: a name is never changed, and never used for something else.
const (
	checkDiscovery    = "discovery"
	checkToken        = "token"
	checkScopes       = "scopes"
	checkScopesExcess = "scopes-excess"
	checkMetadata     = "metadata"
	checkRung         = "rung"
	checkRungsRefused = "rungs-refused"
	checkConditional  = "conditional-create"
	checkProposals    = "proposals"
	checkByNumber     = "patients-by-number"
	checkPaging       = "paging"
)

// stepLimit bounds each question to the EHR, so that one that hangs leaves time
// for the others.
const stepLimit = 10 * time.Second

// exam is one examination under way.
type exam struct {
	c    *Connector
	open *rest.Client // without credentials
	say  func(doctor.Finding)

	// token says whether the EHR lets us in: there is a token, or none is needed.
	token bool
	grant *rest.Grant // nil: there is no token, or none is needed
	smart smart       // zero where the EHR has none
	m     fhir.Capabilities
	caps  callback.Capabilities
}

// Examine looks at the way to the EHR, at the login and at what can be done there,
// in this order. What hangs on something that failed is skipped and says so.
func (c *Connector) Examine(ctx context.Context, o ehr.Examination, report func(doctor.Finding)) {
	open, err := rest.New(rest.Config{BaseURL: c.cfg.BaseURL, Timeout: stepLimit, AllowHTTP: c.cfg.InsecureHTTP})
	if err != nil { // New has checked the same
		report(doctor.Finding{Check: "dns", Status: doctor.Failed, Whose: doctor.You, What: "base_url cannot be used", Do: err.Error()})
		return
	}
	defer open.Close()
	e := &exam{c: c, open: open, say: report}
	target := reach.Target{URL: c.rest.BaseURL() + "/metadata", Key: "base_url"}
	if !reach.Examine(ctx, target, reach.Options{Clock: c.clock}, report) {
		e.skip("the EHR cannot be reached", append([]string{checkDiscovery, checkToken, checkMetadata, checkRung, checkConditional, checkProposals, checkScopes}, e.later(o)...)...)
		return
	}
	e.discovery(ctx)
	e.login(ctx)
	known := e.metadata(ctx)
	if known {
		e.rung()
		e.pushOffered(o.Push)
	} else {
		e.skip("it is not known what the EHR can do", checkRung, checkConditional, checkProposals)
	}
	e.scopes()
	if !known {
		e.skip("it is not known what the EHR can do", e.later(o)...)
		return
	}
	if !e.token {
		e.skip("the EHR does not let Ringback in", e.later(o)...)
		return
	}
	e.searches(ctx)
	e.order(ctx)
	e.paging(ctx)
	e.push(ctx, o.Push)
	if o.RoundTrip {
		e.trip(ctx, o)
	}
}

// later are the checks that ask the EHR for data.
func (e *exam) later(o ehr.Examination) []string {
	var names []string
	for _, p := range e.probes() {
		names = append(names, p.check)
	}
	if e.ordered() {
		names = append(names, checkOrder)
	}
	names = append(names, checkPaging)
	if o.Push != nil {
		names = append(names, checkPush)
	}
	if o.RoundTrip {
		names = append(names, checkTrip)
	}
	return names
}

func (e *exam) note(check string, s doctor.Status, whose doctor.Party, what, do string) {
	e.say(doctor.Finding{Check: check, Status: s, Whose: whose, What: what, Do: do})
}

func (e *exam) skip(why string, checks ...string) {
	for _, c := range checks {
		e.note(c, doctor.Skipped, doctor.Nobody, "not tried, because "+why, "")
	}
}

// late skips a check when the time for this EHR is up.
func (e *exam) late(ctx context.Context, check string) bool {
	if ctx.Err() == nil {
		return false
	}
	e.skip("the time for this EHR was up; give more with --timeout", check)
	return true
}

// step bounds one question.
func step(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, stepLimit)
}

// told turns an error into what happened, what to do and whose problem it is.
func told(err error) (whose doctor.Party, what, do string) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return doctor.You, fault.Describe(err), "report this: it is most likely a fault of Ringback"
	}
	what = f.What
	if f.Status != 0 {
		what = fmt.Sprintf("%s (HTTP %d)", what, f.Status)
	}
	switch f.Disposition {
	case fault.Unauthorized, fault.NotFound, fault.Throttled:
		whose = doctor.EHRAdmin
	case fault.Permanent, fault.Conflict:
		whose = doctor.You
	default:
		whose = doctor.EHRAdmin
	}
	return whose, what, cmp.Or(f.Hint, "try again later; if it stays so, ask the EHR's operator")
}

// metadata reads the CapabilityStatement: with the login, as the daemon does, and
// failing that without, because most EHRs show it to everybody.
func (e *exam) metadata(ctx context.Context) bool {
	var err error
	if e.token {
		err = e.readMetadata(ctx, e.c.fhir)
	}
	if !e.token || fault.Is(err, fault.Unauthorized) {
		if openErr := e.readMetadata(ctx, fhir.NewClient(e.open)); openErr == nil || !e.token {
			err = openErr
		}
	}
	if err == nil {
		err = e.adopt(ctx)
	}
	if err == nil {
		e.note(checkMetadata, doctor.OK, doctor.Nobody, "FHIR "+e.m.FHIRVersion+", "+cmp.Or(e.caps.Software, "a server that does not say its name"), "")
		return true
	}
	if !e.token && fault.Is(err, fault.Unauthorized) {
		e.skip("this EHR says what it can do only after the login, which failed", checkMetadata)
		return false
	}
	whose, what, do := told(err)
	e.note(checkMetadata, doctor.Failed, whose, what, do)
	return false
}

func (e *exam) readMetadata(ctx context.Context, by *fhir.Client) (err error) {
	ctx, cancel := step(ctx)
	defer cancel()
	e.m, err = by.Capability(ctx)
	return err
}

// adopt lets the connector work with the statement that was read just now, so that
// it says what it would do with it.
func (e *exam) adopt(ctx context.Context) (err error) {
	c := e.c
	c.caps.turn <- struct{}{}
	c.caps.at, c.caps.known = c.clock.Now(), e.m
	<-c.caps.turn
	e.caps, err = c.Capabilities(ctx)
	return err
}

// rung says what a callback becomes in this EHR, and what is lost by that.
func (e *exam) rung() {
	chosen := e.caps.RungFor(true)
	var refused []string
	for _, r := range e.caps.Rungs {
		if r.Type == chosen.Type {
			break
		}
		refused = append(refused, string(r.Type)+": "+r.Refused)
	}
	f := doctor.Finding{Check: checkRung, Status: doctor.OK, What: "callbacks are filed as " + string(chosen.Type), Detail: e.rungs(chosen)}
	if chosen.Type == callback.Worklist {
		e.nothingFiled(&f)
	} else {
		f.More = append(chosen.Losses(), e.c.rungNotes(e.caps)...)
	}
	if len(f.More) > 0 {
		f.Status, f.Whose = doctor.Warning, doctor.Vendor
		f.What += ", with these losses"
		f.Do = "tell the staff what they will not see; the kinds that are refused say why"
	}
	e.say(f)
	if len(refused) > 0 {
		e.say(doctor.Finding{Check: checkRungsRefused, Status: doctor.Note, What: "these kinds of work items are not filed here", More: refused})
	}
	e.conditional(chosen)
	if p := e.caps.Proposal; p.Usable() {
		e.note(checkProposals, doctor.OK, doctor.Nobody, "preferred times can be filed as a proposed Appointment (propose_visits)", "")
	} else {
		e.note(checkProposals, doctor.Note, doctor.Nobody, "visits cannot be proposed: "+p.Refused, "")
	}
}

// nothingFiled says why callbacks stay in Ringback's own list: by choice, for want of
// a setting, or because the EHR takes nothing.
func (e *exam) nothingFiled(f *doctor.Finding) {
	creatable := slices.ContainsFunc(e.caps.Rungs, func(r callback.Rung) bool { return e.m.Can(string(r.Type), "create") })
	switch {
	case e.c.cfg.Rung == "worklist":
		f.Status, f.What = doctor.Note, "nothing is filed in this EHR, because rung is set to worklist: staff work in Ringback's own list"
	case creatable:
		f.Status, f.Whose, f.What = doctor.Warning, doctor.You, "nothing is filed in this EHR as it is set up now: staff work in Ringback's own list"
		f.Do = "of the kinds below some can be created here; set what they lack, or set rung: worklist if the list is what you want"
	default:
		f.Status, f.Whose, f.What = doctor.Warning, doctor.Vendor, "this EHR takes no kind of work item: staff work in Ringback's own list"
		f.Do = "ask for write access to one of the kinds below, or set rung: worklist if the list is what you want"
	}
}

// rungDetail is a kind of work item, for programs.
type rungDetail struct {
	Type    callback.ResourceType `json:"type"`
	Chosen  bool                  `json:"chosen"`
	Refused string                `json:"refused,omitempty"`
	Losses  []string              `json:"losses,omitempty"` // of one that is not refused
}

func (e *exam) rungs(chosen callback.Rung) []rungDetail {
	var all []rungDetail
	for _, r := range e.caps.Rungs {
		d := rungDetail{Type: r.Type, Chosen: r.Type == chosen.Type, Refused: r.Refused}
		if r.Usable() {
			d.Losses = r.Losses()
		}
		all = append(all, d)
	}
	return all
}

func (e *exam) conditional(chosen callback.Rung) {
	switch {
	case chosen.Type == callback.Worklist:
		e.skip("nothing is filed in this EHR", checkConditional)
	case chosen.ConditionalCreate:
		e.note(checkConditional, doctor.OK, doctor.Nobody, "the EHR promises to create an item only once (If-None-Exist)", "")
	case !chosen.MarkerSearch:
		e.note(checkConditional, doctor.Note, doctor.Nobody,
			"the EHR does not promise to create an item only once, and does not find it by our marker: after a lost answer a person has to look", "")
	default:
		e.note(checkConditional, doctor.Note, doctor.Nobody,
			"the EHR does not promise to create an item only once; Ringback searches before it files", "")
	}
}

// list writes words one behind the other.
func list(words []string) string { return strings.Join(words, ", ") }
