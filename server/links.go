package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ringback-health/ringback/callback"
)

type (
	linksInput struct {
		State  LinkState `query:"state"`
		Clinic Label     `query:"clinic"`
		Limit  int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor string    `query:"cursor" pattern:"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" patternDescription:"next_cursor of the page before" doc:"next_cursor of the page before"`
	}
	linksOutput struct{ Body LinkPage }
	linkInput   struct {
		ID string `path:"id" maxLength:"200" doc:"The link's link_id"`
	}
	discardInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The link's link_id"`
		Body DiscardRequest
	}
	editInput struct {
		ID   string `path:"id" maxLength:"200" doc:"The link's link_id"`
		Body LinkEdit
	}
	linkOutput struct{ Body Link }
)

func (s *Server) registerLinks() {
	get, post := http.MethodGet, http.MethodPost
	huma.Register(s.api, s.operation(get, "/v1/links", "list-links", "List links to EHRs",
		"Newest first, a page at a time. state=stuck lists what a person has to decide.", nil, staffOnly...), s.listLinks)
	huma.Register(s.api, s.operation(get, "/v1/links/{id}", "get-link", "Read one link", "", []int{404}, staffOnly...), s.getLink)
	huma.Register(s.api, s.operation(post, "/v1/links/{id}/retry", "retry-link", "Try again now",
		"Puts a stuck or discarded link back to work; for any other it only ends the wait before the next try.", []int{404}, staffOnly...), s.retryLink)
	huma.Register(s.api, s.operation(post, "/v1/links/{id}/edit", "edit-link", "Set right and try again",
		"Sets right what kept a link from being delivered, or ties it to a resource that a person has found in the EHR, and puts it back to work.",
		[]int{400, 404, 408, 413, 415}, staffOnly...), s.editLink)
	huma.Register(s.api, s.operation(post, "/v1/links/{id}/discard", "discard-link", "Give a link up",
		"Nothing more is sent to the EHR through it; what stands there stays. Discarding again changes nothing.",
		[]int{400, 404, 408, 413, 415}, staffOnly...), s.discardLink)
}

func (s *Server) listLinks(ctx context.Context, in *linksInput) (*linksOutput, error) {
	page, next, err := s.ledger.Links(ctx, callback.LinkFilter{Clinic: callback.ClinicID(in.Clinic), State: callback.LinkState(in.State),
		Limit: in.Limit, After: callback.ID(strings.ToLower(in.Cursor))})
	if err != nil {
		return nil, s.problemOf(ctx, "list links", err)
	}
	return &linksOutput{LinkPage{Items: converted(page, viewLink), NextCursor: optional(string(next))}}, nil
}

func (s *Server) getLink(ctx context.Context, in *linkInput) (*linkOutput, error) {
	l, err := s.link(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &linkOutput{viewLink(l)}, nil
}

func (s *Server) retryLink(ctx context.Context, in *linkInput) (*linkOutput, error) {
	return s.changeLink(ctx, in.ID, func(r *callback.Record, l callback.ID, by callback.Actor, now time.Time) error {
		return r.RetryLink(l, by, now)
	})
}

func (s *Server) discardLink(ctx context.Context, in *discardInput) (*linkOutput, error) {
	return s.changeLink(ctx, in.ID, func(r *callback.Record, l callback.ID, by callback.Actor, now time.Time) error {
		return r.DiscardLink(l, string(in.Body.Reason), by, now)
	})
}

func (s *Server) editLink(ctx context.Context, in *editInput) (*linkOutput, error) {
	b := in.Body
	e := callback.LinkEdit{Item: string(b.Item), Chart: b.Chart.Text, Owner: string(b.Owner), Category: callback.Category(b.Category),
		Priority: callback.Priority(b.Priority), Reason: string(b.Reason)}
	return s.changeLink(ctx, in.ID, func(r *callback.Record, l callback.ID, by callback.Actor, now time.Time) error {
		return r.EditLink(l, e, by, now)
	})
}

func (s *Server) link(ctx context.Context, id string) (callback.Link, error) {
	parsed, err := callback.ParseID(id)
	if err != nil {
		return callback.Link{}, kindNotFound.problem()
	}
	l, err := s.ledger.LinkByID(ctx, parsed)
	if err != nil {
		return callback.Link{}, s.problemOf(ctx, "read a link", err)
	}
	return l, nil
}

// changeLink changes a link together with its callback, so that the timeline
// tells who did it.
func (s *Server) changeLink(ctx context.Context, id string, apply func(*callback.Record, callback.ID, callback.Actor, time.Time) error) (*linkOutput, error) {
	found, err := s.link(ctx, id)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	r, err := s.ledger.Update(ctx, found.Callback, func(r *callback.Record) error {
		return apply(r, found.ID, who(ctx).actor(), now)
	})
	if err != nil {
		return nil, s.problemOf(ctx, "change a link", err)
	}
	s.wake()
	return &linkOutput{viewLink(*r.Link(found.ID))}, nil
}
