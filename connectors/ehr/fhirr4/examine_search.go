package fhirr4

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

// probe is one search as the daemon sends it, for something that is not there: an
// answer with something in it has not looked at the filter.
type probe struct {
	check    string
	resource string
	params   url.Values
	filters  []string // the parameters that are on trial
	post     bool
	// fits reports whether an entry may be in the answer; nil: none may.
	fits func(fhir.Entry) bool
	skip string // why it is not tried, "" when it is
	what string // what is searched, for the person
	lost string // what does not work without it
	// flood is what the EHR does by ignoring it; "": what does not work without it.
	flood string
}

// Nobody is called this, was born then, and has this number: it is of those that
// are kept for fiction.
var nobody = struct{ name, birthDate, phone, number redact.Text }{
	redact.NewText("Zzringback Zznobody"), redact.NewText("1871-01-01"), redact.NewText("+12025550199"), redact.NewText("zz-ringback-nobody"),
}

// probes are the searches that this EHR would be asked, in the order of what hangs
// on them.
func (e *exam) probes() []probe {
	list := e.itemProbes()
	list = append(list, e.visitProbes()...)
	return append(list, e.patientProbes()...)
}

func (e *exam) itemProbes() []probe {
	rung := e.caps.RungFor(true)
	resource := string(rung.Type)
	kind := "category"
	if rung.Type == callback.TaskResource {
		kind = "code"
	}
	marker := probe{check: "items-by-marker", resource: resource, filters: []string{"identifier"},
		params: url.Values{"identifier": {callback.MarkerSystem + "|urn:uuid:" + string(callback.NewID())}},
		what:   "work items by our marker", lost: "after a lost answer nobody can tell whether an item was filed: a person has to look"}
	byKind := probe{check: "items-by-kind", resource: resource, filters: []string{kind},
		params: url.Values{kind: {mapping.SystemTaskKind + "|no-such-kind"}},
		what:   "work items by kind", lost: "what staff do is not seen", flood: "every poll reads the whole inbox and not only callbacks"}
	byTime := e.byTime("items-by-time", resource, "work items by time of change", "what staff do is not seen", "every poll reads all work items again")
	switch {
	case rung.Type == callback.Worklist:
		marker.skip, byKind.skip, byTime.skip = "nothing is filed in this EHR", "nothing is filed in this EHR", "nothing is filed in this EHR"
	case !rung.MarkerSearch:
		marker.skip = "it is not promised for " + resource + ", or switched off by the settings"
	}
	switch {
	case byTime.skip != "" || slices.Contains(e.c.fed(e.m), rung.Type):
	case rung.ReadBack:
		byKind.skip = "each open " + resource + " is read by itself"
		byTime.skip = byKind.skip
	default:
		byKind.skip = "what staff do with a " + resource + " is not seen here"
		byTime.skip = byKind.skip
	}
	return []probe{marker, byKind, byTime}
}

// byTime asks for what will change after tomorrow.
func (e *exam) byTime(check, resource, what, lost, flood string) probe {
	return probe{check: check, resource: resource, filters: []string{"_lastUpdated"}, what: what, lost: lost, flood: flood,
		params: url.Values{"_lastUpdated": {"ge" + e.c.clock.Now().AddDate(0, 0, 2).Format("2006-01-02T15:04:05Z")}}}
}

// patientProbes are the very searches by which callers are found.
func (e *exam) patientProbes() []probe {
	const lost = "callers are not found by it: staff tie callbacks to charts by hand"
	var list []probe
	for _, p := range []struct {
		check, what string
		filters     []string
		query       callback.PatientQuery
	}{
		{checkByNumber, "patients by chart number", []string{"identifier"}, callback.PatientQuery{MRN: nobody.number}},
		{"patients-by-name", "patients by name and birth date", []string{"name", "birthdate"},
			callback.PatientQuery{Name: nobody.name, BirthDate: nobody.birthDate}},
		{"patients-by-phone", "patients by phone number", []string{"phone"}, callback.PatientQuery{Phone: nobody.phone}},
	} {
		list = append(list, probe{check: p.check, resource: "Patient", params: e.c.patientSearches(p.query)[0], filters: p.filters,
			post: e.c.cfg.SearchByPost, what: p.what, lost: lost,
			fits: func(entry fhir.Entry) bool {
				charts, err := e.c.chartIfFits(nil, entry.Resource, p.query)
				return err == nil && len(charts) > 0
			}})
	}
	return list
}

// unoffered says what is lost where a type cannot be searched at all.
var unoffered = map[string]string{
	"Appointment": "booked visits close nothing: staff close the callbacks",
	"Patient":     "callers are not matched with charts: staff tie them by hand",
}

// searches tries each probe. That a type cannot be searched at all is said once.
func (e *exam) searches(ctx context.Context) {
	told := map[string]bool{}
	for _, p := range e.probes() {
		switch {
		case e.late(ctx, p.check):
		case p.skip != "":
			e.skip(p.skip, p.check)
		case e.m.Can(p.resource, "search-type"):
			e.search(ctx, p)
		case told[p.resource]:
			e.skip("this EHR offers no search of "+p.resource, p.check)
		default:
			told[p.resource] = true
			e.note(p.check, doctor.Warning, doctor.Vendor, "this EHR offers no search of "+p.resource+": "+cmp.Or(unoffered[p.resource], p.lost),
				"ask whether another release or licence offers it")
		}
	}
}

func (e *exam) search(ctx context.Context, p probe) {
	page, err := e.first(ctx, p)
	if p.post && offersNoPost(err) {
		p.post = false
		if _, again := e.first(ctx, p); again == nil {
			e.note(p.check, doctor.Warning, doctor.You, "searching "+p.what+" works only with the values in the address: this EHR has no POST _search",
				"set search_by_post: false if the EHR's logs may hold names, birth dates and numbers; until then callers are not found by it")
			return
		}
	}
	if err != nil {
		e.refused(p, err)
		return
	}
	if why := ignored(p, page.Bundle); why != "" {
		e.note(p.check, doctor.Warning, doctor.Vendor, "searching "+p.what+": the EHR ignores "+list(p.filters)+" ("+why+"): "+cmp.Or(p.flood, p.lost),
			e.contradiction(p, "ask whether it can be switched on"))
		return
	}
	what := "searching " + p.what + " works"
	if p.check == checkByNumber && e.c.cfg.MRNSystem == "" {
		what += "; mrn_system is not set, so that numbers of every system count as chart numbers"
	}
	e.note(p.check, doctor.OK, doctor.Nobody, what, "")
}

// contradiction adds that the EHR promises what it does not do.
func (e *exam) contradiction(p probe, do string) string {
	for _, f := range p.filters {
		if !offers(e.m.Resources[p.resource], f) {
			return do + " (its /metadata does not promise it)"
		}
	}
	return do + " (its /metadata promises it)"
}

// first sends a probe and returns the first page of the answer.
func (e *exam) first(ctx context.Context, p probe) (fhir.Page, error) {
	ctx, cancel := step(ctx)
	defer cancel()
	params := url.Values{"_count": {"1"}}
	for name, values := range p.params {
		if name != "_count" {
			params[name] = values
		}
	}
	var opts []fhir.SearchOption
	if p.post {
		opts = append(opts, fhir.SearchPost())
	}
	for page, err := range e.c.fhir.Search(ctx, p.resource, params, opts...) {
		return page, err
	}
	return fhir.Page{}, fault.New(fault.Retry, "search "+p.resource, "the search ended without an answer")
}

// offersNoPost reports whether an EHR that takes a search as GET may refuse it as POST.
func offersNoPost(err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) {
		return false
	}
	switch f.Status {
	case 400, 403, 404, 405, 415, 501:
		return true
	default:
		return false
	}
}

func (e *exam) refused(p probe, err error) {
	_, what, do := told(err)
	f := doctor.Finding{Check: p.check, Status: doctor.Warning, Whose: doctor.Vendor, What: "searching " + p.what + ": " + what + ". Lost: " + p.lost, Do: do}
	switch fault.Of(err) {
	case fault.Unauthorized:
		if status := (*fault.Error)(nil); errors.As(err, &status) && status.Status == http.StatusUnauthorized {
			f.Status, f.Whose, f.Do = doctor.Failed, doctor.You, "the EHR takes the login for nobody's: check the token, user or secret in auth, and whether it has ended"
			break
		}
		f.Whose, f.Do = doctor.EHRAdmin, "let the EHR's operator grant this client the search of "+p.resource
	case fault.Permanent, fault.NotFound:
		f.Do = e.contradiction(p, "ask how it is searched: it may want further parameters")
	default:
		f.Whose, f.What = doctor.EHRAdmin, "searching "+p.what+" could not be tried: "+what
	}
	e.say(f)
}

// ignored says by what it can be seen that a filter was not applied, "" when nothing
// speaks for that.
func ignored(p probe, b fhir.Bundle) string {
	for _, entry := range b.Entries {
		if entry.ResourceType == p.resource && (entry.SearchMode == "" || entry.SearchMode == "match") && (p.fits == nil || !p.fits(entry)) {
			return "the answer holds what does not fit"
		}
	}
	for _, entry := range b.Entries {
		if outcome, ok := fhir.ParseOutcome(entry.Resource); ok && slices.ContainsFunc(outcome.Issues, p.complains) {
			return "it says so"
		}
	}
	if self, err := url.Parse(b.Links["self"]); err == nil {
		if sent := self.Query(); p.leftOut(sent) {
			return "it repeats the question without it"
		}
	}
	return ""
}

// complains reports whether an issue is about a filter of the probe. Other
// warnings, as that nothing was found, are none.
func (p probe) complains(i fhir.Issue) bool {
	if i.Severity == "information" {
		return false
	}
	if i.Code == "not-supported" {
		return true
	}
	text := i.Details.Text.Reveal() + " " + i.Diagnostics.Reveal()
	for _, c := range i.Details.Codings {
		text += " " + c.Display
	}
	return slices.ContainsFunc(p.filters, func(f string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(f)) })
}

// leftOut reports whether a self link repeats some parameters but not all filters
// (FHIR R4, search: the server repeats those that it has used). One that repeats
// none at all says nothing.
func (p probe) leftOut(sent url.Values) bool {
	names := map[string]bool{}
	for name := range sent {
		plain, _, _ := strings.Cut(name, ":")
		names[plain] = true
	}
	if len(names) == 0 {
		return false
	}
	return slices.ContainsFunc(p.filters, func(f string) bool { return !names[f] })
}

// paging looks where the second page of a search would be fetched from: the token
// goes along.
func (e *exam) paging(ctx context.Context) {
	if e.late(ctx, checkPaging) {
		return
	}
	yesterday := e.c.today(24 * time.Hour)
	for _, p := range []probe{
		{resource: string(callback.TaskResource), params: url.Values{"code": {mapping.SystemTaskKind + "|" + mapping.KindCallback}}},
		{resource: string(callback.AppointmentResource), params: url.Values{"date": {"ge" + yesterday}}},
	} {
		if !e.m.Can(p.resource, "search-type") {
			continue
		}
		page, err := e.first(ctx, p)
		next := page.Bundle.Links["next"]
		if err != nil || next == "" {
			continue
		}
		base, err := url.Parse(e.c.rest.BaseURL() + "/")
		if err == nil {
			var u *url.URL
			if u, err = base.Parse(next); err == nil {
				err = e.c.rest.SameOrigin(u.String())
			}
		}
		if err != nil {
			e.note(checkPaging, doctor.Failed, doctor.EHRAdmin, "the next page of a search lies at another address than base_url: only first pages can be read",
				"set base_url to the address that the EHR uses for itself, or let the EHR's operator set its public address")
			return
		}
		e.note(checkPaging, doctor.OK, doctor.Nobody, "the next page of a search lies at base_url", "")
		return
	}
	e.skip("no search had a second page", checkPaging)
}
