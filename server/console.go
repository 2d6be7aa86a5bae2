package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/phone"
)

const (
	// refreshSeconds is how often a page that shows the state of things is loaded anew.
	refreshSeconds = 10
	rowsPerPage    = 50
	// mostOpen is how many open callbacks are put in order of urgency; it is the
	// most that the ledger returns at once.
	mostOpen = 500
	// snippet is how much of a text the list shows.
	snippet = 140
)

// choice is an entry of a filter.
type choice struct {
	Value, Text string
	On          bool
}

// tab is one of the lists.
type tab struct {
	Text, Address string
	N             int // how many callbacks are on it; 0: not shown
	On            bool
}

type listView struct {
	Tabs       []tab
	View       string
	Categories []choice
	Clinics    []choice // empty where there is only one
	Owner      string
	Paused     bool
	Filtered   bool
	Rows       []row
	Note       string // what the list does not show
	Empty      string // what to say when there are no rows
	More       string // address of the next page
	First      string // address of the first page, when this is a further one
	Stuck      int
}

// row is one callback of the list: who, why, how urgent, what was tried, what next.
type row struct {
	ID, Who, Why            string
	Phone, PhoneText        string
	Category, Status, Owner string
	Priority                callback.Priority
	PriorityText            string
	Due                     moment
	DueIn                   string
	Late                    bool
	Received                moment
	Tries                   string
	Repeats                 int
	EHR                     []ehrState
	Review                  bool
	ReviewWhy               string
	Open                    bool
	Closed                  string
	ClosedAt                moment
}

// ehrState says how a callback stands in the EHR.
type ehrState struct {
	Text, What string
	Bad        bool
}

func (s *Server) listPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	view := q.Get("view")
	if !slices.Contains([]string{"review", "closed", "all"}, view) {
		view = "todo"
	}
	v := listView{View: view, Owner: q.Get("owner"), Paused: q.Get("refresh") == "off"}
	f := callback.Filter{Clinic: callback.ClinicID(q.Get("clinic")), Category: callback.Category(q.Get("category")), Owner: v.Owner}
	v.Filtered = f.Clinic != "" || f.Category != "" || f.Owner != ""
	v.Categories = []choice{{Text: "All categories"}}
	for _, c := range callback.Categories {
		v.Categories = append(v.Categories, choice{Value: string(c), Text: categoryText(c), On: c == f.Category})
	}
	tallies, err := s.ledger.Count(r.Context(), "")
	if err != nil {
		return err
	}
	v.Tabs, v.Clinics = tabs(q, view, tallies), clinicChoices(tallies, f.Clinic)
	if v.Stuck, err = s.countStuck(r.Context()); err != nil {
		return err
	}
	found, err := s.fillList(r.Context(), q, f, &v)
	if err != nil {
		return err
	}
	for _, c := range found {
		one, err := s.row(r.Context(), c.ID)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, one)
	}
	out := s.frame(r, "Callbacks", "callbacks")
	out.Body = v
	s.updating(&out, q, v.Paused)
	s.render(w, http.StatusOK, "list", out)
	return nil
}

// updating makes a page load anew by itself, unless it was paused, and offers to switch.
func (s *Server) updating(f *frame, q url.Values, paused bool) {
	f.Refresh, f.Toggle = refreshSeconds, address(q, "refresh", "off")
	if paused {
		f.Refresh, f.Toggle = 0, address(q, "refresh", "")
	}
}

// fillList chooses the callbacks of a list: what is to do by urgency, the rest
// newest first.
func (s *Server) fillList(ctx context.Context, q url.Values, f callback.Filter, v *listView) ([]callback.Callback, error) {
	switch v.View {
	case "todo":
		v.Empty = "Nothing to do: every callback is closed."
		return s.byUrgency(ctx, q, f, v)
	case "review":
		v.Empty, f.Review = "Nothing to review.", true
	case "closed":
		v.Empty, f.Statuses = "Nothing is closed yet.", []callback.Status{callback.Closed}
	default:
		v.Empty = "No callbacks yet. They appear here as calls are missed and forms are sent."
	}
	f.Limit = rowsPerPage
	if after, err := callback.ParseID(q.Get("cursor")); err == nil {
		f.After, v.First = after, address(q, "cursor", "")
	}
	page, next, err := s.ledger.List(ctx, f)
	if next != "" {
		v.More = address(q, "cursor", string(next))
	}
	return page, err
}

// byUrgency orders what is open: first what somebody has to act on, by when it
// is due and how urgent it is, then what waits for the caller.
func (s *Server) byUrgency(ctx context.Context, q url.Values, f callback.Filter, v *listView) ([]callback.Callback, error) {
	f.Open, f.Limit = true, mostOpen
	all, next, err := s.ledger.List(ctx, f)
	if err != nil {
		return nil, err
	}
	if next != "" {
		v.Note = "There are more than " + strconv.Itoa(mostOpen) + " open callbacks; the newest are shown. Filter to see the others."
	}
	slices.SortStableFunc(all, func(a, b callback.Callback) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			a.DueAt.Compare(b.DueAt),
			cmp.Compare(slices.Index(callback.Priorities, b.Priority), slices.Index(callback.Priorities, a.Priority)),
			a.ReceivedAt.Compare(b.ReceivedAt))
	})
	start, _ := strconv.Atoi(q.Get("page"))
	start = min(max(start, 0)*rowsPerPage, len(all))
	end := min(start+rowsPerPage, len(all))
	if start > 0 {
		v.First = address(q, "page", "")
	}
	if end < len(all) {
		v.More = address(q, "page", strconv.Itoa(end/rowsPerPage))
	}
	return all[start:end], nil
}

func rank(c callback.Callback) int {
	if c.Status == callback.Waiting {
		return 1
	}
	return 0
}

// tabs are the lists, with how many callbacks are on those that ask for something.
func tabs(q url.Values, view string, tallies []callback.Tally) []tab {
	var open, review int
	for _, t := range tallies {
		if t.Status.Open() {
			open += t.N
		}
		if t.Review {
			review += t.N
		}
	}
	var out []tab
	for _, t := range []struct {
		view, text string
		n          int
	}{{"todo", "To do", open}, {"review", "To review", review}, {"closed", "Closed", 0}, {"all", "All", 0}} {
		out = append(out, tab{Text: t.text, N: t.n, Address: address(q, "view", t.view, "cursor", "", "page", ""), On: t.view == view})
	}
	return out
}

// clinicChoices lists the clinics that have callbacks, if there are several.
func clinicChoices(tallies []callback.Tally, on callback.ClinicID) []choice {
	var names []string
	for _, t := range tallies {
		names = append(names, string(t.Clinic))
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 2 {
		return nil
	}
	choices := []choice{{Text: "All clinics"}}
	for _, n := range names {
		choices = append(choices, choice{Value: n, Text: n, On: n == string(on)})
	}
	return choices
}

func (s *Server) row(ctx context.Context, id callback.ID) (row, error) {
	r, err := s.ledger.Record(ctx, id)
	if err != nil {
		return row{}, err
	}
	return s.rowOf(r), nil
}

func (s *Server) rowOf(r callback.Record) row {
	now := s.clock.Now()
	out := row{
		ID: string(r.ID), Who: r.Caller.Name.Reveal(), Phone: r.Caller.Phone.Reveal(), PhoneText: phone.Display(r.Caller.Phone, "").Reveal(), Why: shortText(r.Text.Reveal()),
		Category: categoryText(r.Category), Status: words(r.Status), Owner: r.Owner,
		Priority: r.Priority, PriorityText: words(r.Priority),
		Due: s.moment(r.Clinic, r.DueAt), Received: s.moment(r.Clinic, r.ReceivedAt), Repeats: r.Repeats,
		Review: r.Review, Open: r.Status.Open(), ClosedAt: s.moment(r.Clinic, r.ClosedAt), Closed: closedBecause(r),
	}
	if out.Open && !r.DueAt.IsZero() && untried(r) {
		if out.Late = now.After(r.DueAt); out.Late {
			out.DueIn = span(now.Sub(r.DueAt)) + " late"
		} else {
			out.DueIn = "in " + span(r.DueAt.Sub(now))
		}
	}
	for _, e := range r.Timeline {
		if r.Review && e.Kind == callback.EventReviewAsked {
			out.ReviewWhy = e.Detail
		}
	}
	if n := len(r.Attempts); n > 0 {
		last := r.Attempts[n-1]
		out.Tries = plural(n, "try", "tries") + ", last: " + strings.ToLower(words(last.Result)) + ", " + s.moment(r.Clinic, last.At).Text
	}
	for _, l := range r.Links {
		out.EHR = append(out.EHR, stateOf(l, r.Revision))
	}
	return out
}

// untried reports whether the time until the first try still runs.
func untried(r callback.Record) bool {
	return len(r.Attempts) == 0 && r.Status != callback.InProgress && r.Status != callback.Waiting
}

// closedBecause says why a callback closed, with the evidence where there is some.
func closedBecause(r callback.Record) string {
	if r.Status.Open() {
		return ""
	}
	for _, e := range r.Evidence {
		if e.State == callback.Credited && e.Sentence != "" {
			return words(r.Outcome) + ": " + e.Sentence
		}
	}
	return words(r.Outcome)
}

// stateOf says how a link stands, for a person.
func stateOf(l callback.Link, revision int64) ehrState {
	what := "Work item"
	if l.Type == callback.AppointmentResource {
		what = "Proposed visit"
	}
	switch {
	case l.State == callback.LinkStuck:
		return ehrState{what + ": stuck", joined(l.LastError, l.Hint), true}
	case l.State == callback.LinkDiscarded:
		return ehrState{what + ": given up", l.LastError, false}
	case l.Failures > 0:
		return ehrState{what + ": trying again", l.LastError, false}
	case l.State == callback.LinkSynced && l.Holds >= revision:
		return ehrState{what + ": up to date", "", false}
	case l.State == callback.LinkSynced:
		return ehrState{what + ": update on its way", "", false}
	default:
		return ehrState{what + ": on its way", "", false}
	}
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// shortText cuts a text at a word.
func shortText(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) <= snippet {
		return text
	}
	cut := string(runes[:snippet])
	if i := strings.LastIndexByte(cut, ' '); i > snippet/2 {
		cut = cut[:i]
	}
	return cut + "…"
}

// address is the address of the same page with some parameters changed: pairs of
// name and value, an empty value removes it.
func address(q url.Values, pairs ...string) string {
	out := url.Values{}
	for name, values := range q {
		out[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		out.Del(pairs[i])
		if pairs[i+1] != "" {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	return "?" + out.Encode()
}

// recordOf loads the callback that a page is about.
func (s *Server) recordOf(r *http.Request) (callback.Record, error) {
	id, err := callback.ParseID(r.PathValue("id"))
	if err != nil {
		return callback.Record{}, kindNotFound.say("There is no callback with this address. Go back to the list.")
	}
	rec, err := s.ledger.Record(r.Context(), id)
	if errors.Is(err, callback.ErrNotFound) {
		err = kindNotFound.say("There is no callback with this address. Go back to the list.")
	}
	return rec, err
}

// age writes how old a date of birth is at now, in years; empty when it cannot be read.
func age(birthDate string, now time.Time) string {
	born, err := time.Parse(time.DateOnly, birthDate)
	if err != nil {
		return ""
	}
	years := now.Year() - born.Year()
	if now.Before(born.AddDate(years, 0, 0)) {
		years--
	}
	return strconv.Itoa(years)
}
