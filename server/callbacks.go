package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
)

type (
	intakeInput  struct{ Body IntakeRequest }
	intakeOutput struct {
		Status   int
		Location string `header:"Location"`
		Body     Receipt
	}

	listInput struct {
		Status   []Status `query:"status" doc:"One or more states, separated by commas"`
		Category Category `query:"category"`
		Owner    Label    `query:"owner"`
		Clinic   Label    `query:"clinic"`
		Source   Label    `query:"source"`
		Review   string   `query:"review" enum:"true" doc:"true: only those that a person has to look at; leave it out for all"`
		Open     string   `query:"open" enum:"true,false" doc:"true: only those that are not closed; false: only closed ones; leave it out for all"`
		Limit    int      `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor   string   `query:"cursor" pattern:"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" patternDescription:"next_cursor of the page before" doc:"next_cursor of the page before"`
	}
	listOutput struct{ Body CallbackPage }

	// Target names the callback that an operation is about.
	Target struct {
		ID      string `path:"id" maxLength:"200" doc:"The callback's id"`
		IfMatch string `header:"If-Match" maxLength:"100" doc:"The ETag the decision was made on; an answer of 409 says that it is no longer current"`
	}
	oneInput struct {
		ID string `path:"id" maxLength:"200" doc:"The callback's id"`
	}
	attemptInput struct {
		Target
		Body AttemptRequest
	}
	closeInput struct {
		Target
		Body CloseRequest
	}
	reopenInput struct {
		Target
		Body ReopenRequest
	}
	assignInput struct {
		Target
		Body AssignRequest
	}
	detailOutput struct {
		ETag string `header:"ETag" doc:"The revision, in quotes"`
		Body CallbackDetail
	}
)

func (s *Server) registerCallbacks() {
	post, get := http.MethodPost, http.MethodGet
	create := s.operation(post, "/v1/callbacks", "create-callback", "Send a request for a callback",
		"The first time answers 201; the same request under the same source and source_id again answers 200 and changes nothing; a request of somebody else under them is refused. A further request of the same person joins the callback that is under way. The callback's members stand beside disposition; for a token of role intake those that tell about a person are null.",
		[]int{400, 408, 413, 415}, anyRole...)
	create.DefaultStatus = http.StatusCreated
	schemas := s.api.OpenAPI().Components.Schemas
	schemas.Map()["Receipt"] = Receipt{}.Schema(schemas)
	receipt := map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/Receipt"}}}
	create.Responses = map[string]*huma.Response{
		"200": {Description: "Known already, merged into an earlier callback, or ignored", Content: receipt},
		"201": {Description: "A new callback", Content: receipt},
	}
	huma.Register(s.api, create, s.createCallback)
	huma.Register(s.api, s.operation(get, "/v1/callbacks", "list-callbacks", "List callbacks",
		"Newest first, a page at a time.", nil, staffOnly...), s.listCallbacks)
	huma.Register(s.api, s.operation(get, "/v1/callbacks/{id}", "get-callback", "Read one callback",
		"With its timeline, attempts, links and evidence.", []int{404}, staffOnly...), s.getCallback)

	change := []int{400, 404, 408, 409, 413, 415}
	huma.Register(s.api, s.operation(post, "/v1/callbacks/{id}/attempts", "record-attempt", "Record a try to reach the caller",
		"Takes an assigned callback up.", change, staffOnly...), s.recordAttempt)
	huma.Register(s.api, s.operation(post, "/v1/callbacks/{id}/close", "close-callback", "Close a callback",
		"Closing again with the same outcome changes nothing.", change, staffOnly...), s.closeCallback)
	huma.Register(s.api, s.operation(post, "/v1/callbacks/{id}/reopen", "reopen-callback", "Open a closed callback again",
		"A visit that had closed it will not close it again. Reopening an open callback changes nothing.", change, staffOnly...), s.reopenCallback)
	huma.Register(s.api, s.operation(post, "/v1/callbacks/{id}/assign", "assign-callback", "Give a callback to a person or a queue",
		"Giving it to the owner it has changes nothing.", change, staffOnly...), s.assignCallback)
}

func (s *Server) createCallback(ctx context.Context, in *intakeInput) (*intakeOutput, error) {
	b := in.Body
	taken, err := s.take(ctx, intake.Submission{
		Source: string(b.Source), SourceID: string(b.SourceID), Clinic: string(b.Clinic), ReceivedAt: b.ReceivedAt,
		Name: b.Caller.Name.Text, Phone: b.Caller.Phone.Text, Email: b.Caller.Email.Text, BirthDate: b.Caller.BirthDate.Text,
		MRN: b.Patient.MRN.Text, EHRID: b.Patient.EHRID.Text, NewPatient: answerOf(b.NewPatient),
		Category: string(b.Category), Text: b.Text.Text, VisitKind: string(b.VisitKind), Raw: bodyOf(ctx),
		Preferred: converted(b.PreferredTimes, func(p Period) callback.Period { return callback.Period(p) }),
	})
	if err != nil {
		return nil, s.problemOf(ctx, "take a request", err)
	}
	out := &intakeOutput{Status: http.StatusOK, Body: Receipt{Disposition: string(taken.Disposition), Reason: optional(taken.Reason)}}
	if taken.Disposition == callback.Ignored {
		return out, nil
	}
	view := viewCallback(taken.Callback)
	if who(ctx).role == callback.RoleIntake {
		view = withoutPHI(view)
	}
	out.Body.Callback = &view
	out.Location = "/v1/callbacks/" + view.ID
	switch {
	case taken.Again:
		out.Body.Disposition = string(known)
	case taken.Disposition == callback.Created:
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (s *Server) listCallbacks(ctx context.Context, in *listInput) (*listOutput, error) {
	f := callback.Filter{Clinic: callback.ClinicID(in.Clinic), Category: callback.Category(in.Category), Owner: string(in.Owner),
		Source: string(in.Source), Review: in.Review == "true", Open: in.Open == "true", Limit: in.Limit, After: callback.ID(strings.ToLower(in.Cursor))}
	for _, status := range in.Status {
		f.Statuses = append(f.Statuses, callback.Status(status))
	}
	if in.Open == "false" {
		if len(f.Statuses) > 0 {
			return nil, kindInvalid.problem(FieldProblem{"query.open", "false means status=closed; send one of the two"})
		}
		f.Statuses = []callback.Status{callback.Closed}
	}
	page, next, err := s.ledger.List(ctx, f)
	if err != nil {
		return nil, s.problemOf(ctx, "list callbacks", err)
	}
	return &listOutput{CallbackPage{Items: converted(page, viewCallback), NextCursor: optional(string(next))}}, nil
}

func (s *Server) getCallback(ctx context.Context, in *oneInput) (*detailOutput, error) {
	id, err := callback.ParseID(in.ID)
	if err != nil {
		return nil, kindNotFound.problem()
	}
	r, err := s.ledger.Record(ctx, id)
	if err != nil {
		return nil, s.problemOf(ctx, "read a callback", err)
	}
	return detail(r), nil
}

func detail(r callback.Record) *detailOutput {
	return &detailOutput{ETag: strconv.Quote(strconv.FormatInt(r.Revision, 10)), Body: viewDetail(r)}
}

func (s *Server) recordAttempt(ctx context.Context, in *attemptInput) (*detailOutput, error) {
	now, b := s.clock.Now(), in.Body
	a := callback.Attempt{ID: callback.NewID(), At: b.At.UTC().Truncate(time.Microsecond), By: who(ctx).actor(), Channel: b.Channel,
		Result: callback.Outcome(b.Result), Talk: time.Duration(b.TalkSeconds) * time.Second, Note: b.Note.Text}
	if b.At.IsZero() {
		a.At = now
	}
	return s.change(ctx, in.Target, b.Revision, "try to reach the caller of", func(r *callback.Record) error {
		if a.At.After(now.Add(clockSkew)) || a.At.Before(r.ReceivedAt.Add(-clockSkew)) {
			return kindInvalid.problem(FieldProblem{"body.at", "must lie between the time the request was received and now"})
		}
		return r.Attempt(a, now)
	})
}

// clockSkew is how far a client's clock may be from ours.
const clockSkew = 5 * time.Minute

func (s *Server) closeCallback(ctx context.Context, in *closeInput) (*detailOutput, error) {
	return s.change(ctx, in.Target, in.Body.Revision, "close with another outcome", func(r *callback.Record) error {
		return r.Close(callback.Outcome(in.Body.Outcome), in.Body.Note.Text, who(ctx).actor(), s.clock.Now())
	})
}

func (s *Server) reopenCallback(ctx context.Context, in *reopenInput) (*detailOutput, error) {
	return s.change(ctx, in.Target, in.Body.Revision, "reopen", func(r *callback.Record) error {
		return r.Reopen("by staff", in.Body.Reason.Text, who(ctx).actor(), s.clock.Now())
	})
}

func (s *Server) assignCallback(ctx context.Context, in *assignInput) (*detailOutput, error) {
	return s.change(ctx, in.Target, in.Body.Revision, "assign", func(r *callback.Record) error {
		return r.Assign(string(in.Body.Owner), who(ctx).actor(), s.clock.Now())
	})
}

// change applies one change of a person to a callback, unless the revision the
// person saw is no longer the callback's. verb says in an error what could not be
// done.
func (s *Server) change(ctx context.Context, t Target, revision int64, verb string, apply func(*callback.Record) error) (*detailOutput, error) {
	id, err := callback.ParseID(t.ID)
	if err != nil {
		return nil, kindNotFound.problem()
	}
	seen, problem := revisionsSeen(t.IfMatch, revision)
	if problem != nil {
		return nil, problem
	}
	r, err := s.ledger.Update(ctx, id, func(r *callback.Record) error {
		for _, rev := range seen {
			if rev != r.Revision {
				return kindConflict.problem()
			}
		}
		err := apply(r)
		if errors.Is(err, callback.ErrNotAllowed) {
			return kindNotAllowed.say("Cannot " + verb + " a callback that is " + string(r.Status) + ". Read it again first.")
		}
		return err
	})
	if err != nil {
		return nil, s.problemOf(ctx, "change a callback", err)
	}
	s.wake()
	return detail(r), nil
}

// revisionsSeen returns the revisions that a client says it saw, in a header or
// in the body.
func revisionsSeen(ifMatch string, revision int64) ([]int64, *Problem) {
	var seen []int64
	if revision != 0 {
		seen = append(seen, revision)
	}
	if ifMatch == "" || ifMatch == "*" {
		return seen, nil
	}
	tag := strings.Trim(strings.TrimPrefix(ifMatch, "W/"), `"`)
	rev, err := strconv.ParseInt(tag, 10, 64)
	if err != nil {
		return nil, kindInvalid.problem(FieldProblem{"header.If-Match", "takes one ETag of the callback as it was read"})
	}
	return append(seen, rev), nil
}
