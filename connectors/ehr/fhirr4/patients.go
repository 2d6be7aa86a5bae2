package fhirr4

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/names"
	"github.com/ringback-health/ringback/fhir"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/mapping"
)

const (
	// enoughCharts is when it is clear that a query does not identify.
	enoughCharts = 5
	// maxChartPages bounds a search whose answers do not fit.
	maxChartPages = 20
)

// Patients searches by what identifies best and holds every answer against all of
// the query: servers match names loosely, and a wrong chart is worse than none. A
// chart that cannot be read is an error, because it may be the right one.
//
// A chart that is read by its id and comes under another one was merged: servers answer
// so, or with a redirect, where R4 would have them show the old chart and its link.
func (c *Connector) Patients(ctx context.Context, q callback.PatientQuery) ([]callback.Chart, error) {
	if !q.ID.IsEmpty() {
		return c.patientByID(ctx, q)
	}
	searches := c.patientSearches(q)
	if len(searches) == 0 {
		return nil, fault.New(fault.Permanent, "search Patient", "a birth date alone finds nobody").
			WithHint("give an id, a chart number, a name or a phone number")
	}
	for _, params := range searches {
		charts, err := c.searchPatients(ctx, params, q)
		if err != nil || len(charts) > 0 {
			return charts, err
		}
	}
	return nil, nil
}

func (c *Connector) patientByID(ctx context.Context, q callback.PatientQuery) ([]callback.Chart, error) {
	if !mapping.ValidID(q.ID.Reveal()) {
		return nil, nil // there is no such chart
	}
	raw, chart, err := c.chart(ctx, q.ID)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if chart.MergedInto.IsEmpty() {
		return c.chartIfFits(nil, raw, q)
	}
	// Who it is stands in the chart that replaced it. That one is not followed further.
	survivor, of, err := c.chart(ctx, chart.MergedInto)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err == nil {
		raw, of.MergedInto, of.ID = survivor, chart.MergedInto, chart.ID
		chart = of
	}
	view, err := fhir.ParsePatient(raw)
	if err != nil || !c.fits(view, chart, q) {
		return nil, err
	}
	return []callback.Chart{chart}, nil
}

// chart reads a chart. One that the EHR redirects from is merged into the other.
func (c *Connector) chart(ctx context.Context, id redact.Text) ([]byte, callback.Chart, error) {
	raw, _, err := c.fhir.ReadMoved(ctx, "Patient", id.Reveal())
	if err != nil {
		return nil, callback.Chart{}, err
	}
	chart, err := mapping.Chart(raw, c.site)
	if err != nil {
		return nil, callback.Chart{}, err
	}
	if !chart.ID.Equal(id) && !chart.ID.IsEmpty() {
		chart.MergedInto, chart.ID = chart.ID, id
	}
	return raw, chart, nil
}

// patientSearches returns the searches to try, one after the other until one has
// an answer.
func (c *Connector) patientSearches(q callback.PatientQuery) []url.Values {
	base := url.Values{"_count": {strconv.Itoa(c.cfg.PageSize)}}
	if !q.BirthDate.IsEmpty() {
		base.Set("birthdate", escape(q.BirthDate.Reveal()))
	}
	with := func(param string, values ...string) url.Values {
		v := url.Values{param: values}
		for k, have := range base {
			v[k] = have
		}
		return v
	}
	switch {
	case !q.MRN.IsEmpty():
		value := escape(q.MRN.Reveal())
		if c.cfg.MRNSystem != "" {
			value = escape(c.cfg.MRNSystem) + "|" + value
		}
		return []url.Values{with("identifier", value)}
	case !q.Name.IsEmpty():
		return nameSearches(q, with)
	case !q.Phone.IsEmpty():
		return []url.Values{with("phone", strings.Join(c.notations(q.Phone), ","))}
	default:
		return nil
	}
}

// nameSearches searches by one word of the name at a time where a birth date
// narrows it: a server compares a word with the beginning of a whole part, so that
// the middle of "van der Berg" finds nothing, and people spell one of two names
// differently more often than both. A name that may be misspelt in any word is not
// searched by at all: few people are born on one day.
func nameSearches(q callback.PatientQuery, with func(string, ...string) url.Values) []url.Values {
	words := searchWords(q.Name)
	switch {
	case q.Similar && !q.BirthDate.IsEmpty():
		return []url.Values{with("birthdate", escape(q.BirthDate.Reveal()))}
	case len(words) == 0:
		return nil
	case q.BirthDate.IsEmpty():
		return []url.Values{with("name", words...)}
	case len(words) == 1:
		return []url.Values{with("name", words[0])}
	default:
		return []url.Values{with("name", words[0]), with("name", words[len(words)-1])}
	}
}

func (c *Connector) searchPatients(ctx context.Context, params url.Values, q callback.PatientQuery) ([]callback.Chart, error) {
	opts := []fhir.SearchOption{fhir.MaxPages(maxChartPages)}
	if c.cfg.SearchByPost {
		opts = append(opts, fhir.SearchPost())
	}
	var charts []callback.Chart
	for page, err := range c.fhir.Search(ctx, "Patient", params, opts...) {
		if err != nil {
			return nil, err
		}
		for _, e := range page.Bundle.Entries {
			if e.ResourceType != "Patient" && e.Err == nil {
				continue
			}
			if e.Err != nil {
				err = e.Err
			} else {
				charts, err = c.chartIfFits(charts, e.Resource, q)
			}
			if err != nil {
				return nil, unreadable("search Patient", err)
			}
			if len(charts) >= enoughCharts {
				return charts, nil
			}
		}
	}
	return charts, nil
}

// chartIfFits adds the chart to the list if it fits all of the query and is not in
// it yet.
func (c *Connector) chartIfFits(charts []callback.Chart, raw []byte, q callback.PatientQuery) ([]callback.Chart, error) {
	view, err := fhir.ParsePatient(raw)
	if err != nil {
		return nil, err
	}
	chart, err := mapping.Chart(raw, c.site)
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(charts, func(o callback.Chart) bool { return o.ID.Equal(chart.ID) })
	if known || !c.fits(view, chart, q) {
		return charts, nil
	}
	return append(charts, chart), nil
}

func (c *Connector) fits(view fhir.PatientView, chart callback.Chart, q callback.PatientQuery) bool {
	number := func(i fhir.Identifier) bool {
		return i.Value.EqualFold(q.MRN) && (c.cfg.MRNSystem == "" || i.System == c.cfg.MRNSystem)
	}
	least := names.Same
	if q.Similar {
		least = names.Similar
	}
	return (q.ID.IsEmpty() || q.ID.Equal(chart.ID)) &&
		(q.MRN.IsEmpty() || slices.ContainsFunc(view.Identifiers, number)) &&
		(q.Name.IsEmpty() || names.OfChart(q.Name, chart) >= least) &&
		(q.BirthDate.IsEmpty() || q.BirthDate.Equal(chart.BirthDate)) &&
		(q.Phone.IsEmpty() || slices.ContainsFunc(chart.Phones, c.e164(q.Phone).Equal))
}

// e164 reads a number, and leaves it as it is where it cannot be read.
func (c *Connector) e164(number redact.Text) redact.Text {
	if read, err := phone.Parse(number.Reveal(), c.site.Region); err == nil {
		return read
	}
	return number
}

// notations are the ways in which a chart may hold a number: many servers compare
// them letter by letter.
func (c *Connector) notations(number redact.Text) []string {
	e164 := c.e164(number)
	national := phone.Display(e164, c.site.Region).Reveal()
	international := phone.Display(e164, "").Reveal()
	dashed := strings.NewReplacer("(", "", ") ", "-", " ", "-").Replace(national)
	var list []string
	for _, n := range []string{e164.Reveal(), digits(e164.Reveal()), digits(national), national, dashed,
		strings.ReplaceAll(dashed, "-", "."), international, strings.ReplaceAll(international, "-", " ")} {
		if n = escape(n); n != "" && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// escape makes a text a single value of a search parameter (FHIR R4 search,
// escaping).
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(s)
}
