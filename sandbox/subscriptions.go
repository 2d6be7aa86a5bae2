package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// failuresUntilError is how many notifications in a row an endpoint may refuse.
const failuresUntilError = 3

// notifyLimit bounds how long an endpoint may take to answer.
const notifyLimit = 5 * time.Second

const (
	hookProfile   = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"
	hookHeartbeat = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"
	hookContent   = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
	// hookSecret is where Medplum has the secret that it signs with, in X-Signature.
	hookSecret = "https://www.medplum.com/fhir/StructureDefinition/subscription-secret"
)

// hooks is what the server remembers of its Subscriptions beside what stands in them.
type hooks struct {
	mu    sync.Mutex
	known map[string]*hookState
}

type hookState struct {
	told     time.Time // lastUpdated of the latest change that was told, or is not to be
	failures int
	events   int
	spoke    time.Time // when the endpoint heard of it last
}

// hook is a Subscription, as far as the sandbox knows it.
type hook struct {
	id      string
	updated time.Time

	Status   string
	End      time.Time
	Criteria string
	Meta     struct{ Profile []string }
	Channel  struct {
		Type, Endpoint, Payload string
		Header                  []string
		Extension               []hookExtension
		AtPayload               struct{ Extension []hookExtension } `json:"_payload"`
	}
	Extension []hookExtension
}

type hookExtension struct {
	URL              string
	ValueString      string
	ValueCode        string
	ValueUnsignedInt int
}

func (h hook) topic() bool { return slices.Contains(h.Meta.Profile, hookProfile) }

func valueOf(list []hookExtension, url string) hookExtension {
	for _, x := range list {
		if x.URL == url {
			return x
		}
	}
	return hookExtension{}
}

// Deliver posts what the Subscriptions have to tell since the last time it was called,
// and returns how many notifications were sent. Nothing is sent at other times, so that
// a test says when. It also does what time does to a Subscription: a requested one
// becomes active, one whose end has come goes off, a heartbeat is due.
//
// Deletions are not told, as many servers do not.
func (s *Server) Deliver(ctx context.Context) (sent int) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	transport := &http.Transport{DisableKeepAlives: true} // so that nothing is left behind
	client := &http.Client{Transport: transport, Timeout: notifyLimit}
	for _, r := range s.store.List("Subscription") {
		h := hook{id: r.ID, updated: r.LastUpdated}
		if json.Unmarshal(r.Raw, &h) != nil || h.Channel.Type != "rest-hook" {
			continue
		}
		sent += s.deliverTo(ctx, client, h)
	}
	return sent
}

// DeliverEvery calls Deliver every d, until ctx ends.
func (s *Server) DeliverEvery(ctx context.Context, d time.Duration) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		s.Deliver(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) deliverTo(ctx context.Context, client *http.Client, h hook) (sent int) {
	st, now := s.hooks.known[h.id], s.options.Clock.Now()
	if st == nil {
		st = &hookState{told: h.updated, spoke: now}
		s.hooks.known[h.id] = st
	}
	post := func(kind, focus string) bool {
		sent++
		if s.notify(ctx, client, h, st, kind, focus) {
			st.failures, st.spoke = 0, now
			return true
		}
		if st.failures++; st.failures >= failuresUntilError || kind == "handshake" {
			s.setStatus(h, "error")
		}
		return false
	}
	live := h.Status == "active" || h.Status == "requested"
	switch {
	case live && !h.End.IsZero() && !now.Before(h.End):
		s.setStatus(h, "off")
		return sent
	case !live:
		return sent
	case h.Status == "requested" && h.topic():
		if !post("handshake", "") {
			return sent
		}
		s.activate(h, st)
		return sent
	case h.Status == "requested":
		if !s.options.ClientActivates {
			s.activate(h, st)
		}
		return sent
	}
	st.told = later(st.told, h.updated)
	for _, r := range s.changes(h, st.told) {
		st.events++
		if !post("event-notification", r.Ref()) {
			return sent
		}
		st.told = r.LastUpdated
	}
	every := time.Duration(valueOf(h.Channel.Extension, hookHeartbeat).ValueUnsignedInt) * time.Second
	if h.topic() && every > 0 && now.Sub(st.spoke) >= every {
		post("heartbeat", "")
	}
	return sent
}

// changes are the resources that match and were written after a time.
func (s *Server) changes(h hook, after time.Time) []Resource {
	criteria := h.Criteria
	if h.topic() {
		criteria = s.options.Topics[h.Criteria]
	}
	typ, search, _ := strings.Cut(criteria, "?")
	params, err := url.ParseQuery(search)
	if err != nil {
		return nil
	}
	params.Set("_lastUpdated", "gt"+instant(after))
	params.Set("_sort", "_lastUpdated")
	found, err := s.store.Search(typ, params)
	if err != nil {
		return nil // of a type or with a parameter that the sandbox does not have
	}
	return found
}

func (s *Server) activate(h hook, st *hookState) {
	s.setStatus(h, "active")
	if r, err := s.store.Read("Subscription", h.id); err == nil {
		st.told = r.LastUpdated // what changed before is not told
	}
}

// setStatus changes the status as the server does, whatever a client did meanwhile.
func (s *Server) setStatus(h hook, status string) {
	_, _ = s.store.Edit("Subscription", h.id, func(raw json.RawMessage) (json.RawMessage, error) {
		o, err := parseObject(raw)
		if err != nil {
			return nil, err
		}
		o.set("status", encode(status))
		return o.encode(), nil
	}) // one that is deleted needs none
}

// notify posts one notification and reports whether it was taken.
func (s *Server) notify(ctx context.Context, client *http.Client, h hook, st *hookState, kind, focus string) bool {
	body := s.notification(h, st, kind, focus)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.Channel.Endpoint, bytes.NewReader(body))
	if err != nil {
		return false
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", typeFHIR)
	}
	for _, line := range h.Channel.Header {
		if name, value, ok := strings.Cut(line, ":"); ok {
			req.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if secret := valueOf(h.Extension, hookSecret).ValueString; secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		req.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode/100 == 2
}

// notification is what is posted: nothing, the resource, or the bundle of a topic.
func (s *Server) notification(h hook, st *hookState, kind, focus string) []byte {
	if !h.topic() {
		if typ, id, ok := strings.Cut(focus, "/"); ok && h.Channel.Payload != "" {
			if r, err := s.store.Read(typ, id); err == nil {
				return r.Raw
			}
		}
		return nil
	}
	type parameter map[string]any
	parameters := []parameter{
		{"name": "subscription", "valueReference": map[string]any{"reference": "Subscription/" + h.id}},
		{"name": "status", "valueCode": h.Status},
		{"name": "type", "valueCode": kind},
		{"name": "events-since-subscription-start", "valueString": strconv.Itoa(st.events)},
	}
	if focus != "" {
		parts := []parameter{{"name": "event-number", "valueString": strconv.Itoa(st.events)}}
		if valueOf(h.Channel.AtPayload.Extension, hookContent).ValueCode != "empty" {
			parts = append(parts, parameter{"name": "focus", "valueReference": map[string]any{"reference": focus}})
		}
		parameters = append(parameters, parameter{"name": "notification-event", "part": parts})
	}
	return encode(map[string]any{"resourceType": "Bundle", "type": "history", "timestamp": instant(s.options.Clock.Now()),
		"entry": []any{map[string]any{
			"resource": map[string]any{"resourceType": "Parameters", "parameter": parameters},
			"request":  map[string]any{"method": "GET", "url": "Subscription/" + h.id + "/$status"},
			"response": map[string]any{"status": "200"},
		}}})
}
