package sandbox

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Action is what a fault does.
type Action string

// The actions. Of those that end a request (all up to ActionStatusAfter) the first fault
// that matches acts; the others act side by side.
const (
	// ActionStatus answers with a status; nothing is done.
	ActionStatus Action = "status"
	// ActionDropBefore cuts the connection; nothing is done.
	ActionDropBefore Action = "drop-before"
	// ActionDropAfter does what was asked and cuts the connection instead of answering.
	ActionDropAfter Action = "drop-after"
	// ActionStatusAfter does what was asked and answers with a status; without Status it
	// is the true answer, with Headers and Body of the fault.
	ActionStatusAfter Action = "status-after"

	// ActionLatency waits LatencyMS before anything else, or until the client gives
	// up; what was asked is done all the same.
	ActionLatency Action = "latency"
	// ActionIndexLag lets searches see only what was written LagMS ago or earlier.
	// If-None-Exist sees everything, unless LagConditional is set.
	ActionIndexLag Action = "index-lag"
	// ActionNoConditionalCreate ignores If-None-Exist, and /metadata says so.
	ActionNoConditionalCreate Action = "no-conditional-create"
	// ActionIgnoreIfMatch ignores If-Match.
	ActionIgnoreIfMatch Action = "ignore-if-match"
)

// Body is what an ActionStatus or ActionStatusAfter fault sends.
type Body string

// The bodies. BodyTruncated announces the whole and sends half of it: of the true
// answer for ActionStatusAfter, of an OperationOutcome for ActionStatus.
const (
	BodyOutcome   Body = "outcome" // an OperationOutcome; also if none is named
	BodyHTML      Body = "html"    // a page as gateways send it
	BodyEmpty     Body = "empty"
	BodyTruncated Body = "truncated"
)

// Fault is one switch. POST one to /_sandbox/faults to set it; GET lists those that
// are set; DELETE clears all.
//
//	{"method":"POST","path_prefix":"/Task","times":2,"action":"status","status":503,"headers":{"Retry-After":"1"}}
//	{"action":"index-lag","lag_ms":500}
type Fault struct {
	// Method and PathPrefix choose the requests, empty: all. The path begins behind
	// BasePath ("/Task", "/metadata"); the token endpoint is "/token".
	Method     string `json:"method,omitempty"`
	PathPrefix string `json:"path_prefix,omitempty"`
	// Times is how often it acts; 0: until cleared.
	Times int `json:"times,omitempty"`
	// Probability is the share of matching requests it acts on, drawn with Seed;
	// 0: all.
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`

	Action         Action            `json:"action"`
	Status         int               `json:"status,omitempty"`
	Headers        map[string]string `json:"headers,omitempty"`
	Body           Body              `json:"body,omitempty"`
	LatencyMS      int               `json:"latency_ms,omitempty"`
	LagMS          int               `json:"lag_ms,omitempty"`
	LagConditional bool              `json:"lag_conditional,omitempty"`

	// Acted counts how often it acted so far; what is set there is ignored.
	Acted int `json:"acted"`

	random *rand.Rand
}

// Faults are the switches of a server. Safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Add sets a fault behind those that are set. An error says what is wrong with it.
func (f *Faults) Add(fault Fault) error {
	if err := fault.check(); err != nil {
		return err
	}
	fault.Acted = 0
	fault.random = rand.New(rand.NewPCG(fault.Seed, 0))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &fault)
	return nil
}

func (x *Fault) check() error {
	switch x.Action {
	case ActionStatus:
		if x.Status < 200 || x.Status > 599 {
			return fmt.Errorf("sandbox: a %s fault needs a status from 200 to 599", x.Action)
		}
	case ActionStatusAfter:
		if x.Status != 0 && (x.Status < 200 || x.Status > 599) {
			return fmt.Errorf("sandbox: the status of a %s fault must be from 200 to 599", x.Action)
		}
	case ActionLatency:
		if x.LatencyMS <= 0 {
			return fmt.Errorf("sandbox: a %s fault needs latency_ms", x.Action)
		}
	case ActionIndexLag:
		if x.LagMS <= 0 {
			return fmt.Errorf("sandbox: an %s fault needs lag_ms", x.Action)
		}
	case ActionDropBefore, ActionDropAfter, ActionNoConditionalCreate, ActionIgnoreIfMatch:
	default:
		return fmt.Errorf("sandbox: no fault has the action %q", x.Action)
	}
	if !slices.Contains([]Body{"", BodyOutcome, BodyHTML, BodyEmpty, BodyTruncated}, x.Body) {
		return fmt.Errorf("sandbox: no fault has the body %q", x.Body)
	}
	if x.Times < 0 || x.Probability < 0 || x.Probability > 1 {
		return fmt.Errorf("sandbox: times must not be negative and probability must be from 0 to 1")
	}
	return nil
}

// List returns the faults that are set, with how often each has acted. One that has
// acted as often as it should stays in the list.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Fault, len(f.list))
	for i, x := range f.list {
		list[i] = *x
		list[i].random = nil
	}
	return list
}

// Clear removes all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// has tells whether a fault of this action can still act.
func (f *Faults) has(a Action) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.list, func(x *Fault) bool { return x.Action == a && !x.spent() })
}

func (x *Fault) spent() bool { return x.Times > 0 && x.Acted >= x.Times }

// effect is what the faults do to one request.
type effect struct {
	fault               *Fault // the one that ends it, nil if none does
	delay               time.Duration
	lag                 time.Duration
	lagsCondition       bool
	noConditionalCreate bool
	ignoreIfMatch       bool
}

// action returns what ends the request, "" if nothing does.
func (e effect) action() Action {
	if e.fault == nil {
		return ""
	}
	return e.fault.Action
}

// take counts the request against the faults and returns what they do to it. The
// path begins behind BasePath.
func (f *Faults) take(method, path string) (e effect) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.list {
		ends := slices.Contains([]Action{ActionStatus, ActionDropBefore, ActionDropAfter, ActionStatusAfter}, x.Action)
		if ends && e.fault != nil || !x.strikes(method, path) {
			continue
		}
		switch x.Action {
		case ActionLatency:
			e.delay += time.Duration(x.LatencyMS) * time.Millisecond
		case ActionIndexLag:
			e.lag = max(e.lag, time.Duration(x.LagMS)*time.Millisecond)
			e.lagsCondition = e.lagsCondition || x.LagConditional
		case ActionNoConditionalCreate:
			e.noConditionalCreate = true
		case ActionIgnoreIfMatch:
			e.ignoreIfMatch = true
		default:
			one := *x
			e.fault = &one
		}
	}
	return e
}

// strikes tells whether the fault acts on a request, and counts it if so.
func (x *Fault) strikes(method, path string) bool {
	if x.spent() || x.Method != "" && !strings.EqualFold(x.Method, method) || !strings.HasPrefix(path, x.PathPrefix) {
		return false
	}
	if x.Probability > 0 && x.random.Float64() >= x.Probability {
		return false
	}
	x.Acted++
	return true
}

const gatewayPage = "<html><head><title>Gateway error</title></head><body><h1>Gateway error</h1></body></html>\n"

// answer makes the answer of an ActionStatus or ActionStatusAfter fault; true is what the server
// would have answered.
func (x *Fault) answer(truth response) response {
	out := replyFHIR(x.Status, outcome("error", "transient", "a fault set in the sandbox"))
	switch x.Body {
	case BodyHTML:
		out = reply(x.Status, "text/html; charset=utf-8", []byte(gatewayPage))
	case BodyEmpty:
		out = response{status: x.Status, header: http.Header{}}
	case BodyTruncated:
		if truth.status != 0 {
			out = truth
		}
		out.cut = true
	case BodyOutcome: // as it is
	case "":
		if x.Status == 0 {
			out = truth
		}
	}
	if out.header == nil {
		out.header = http.Header{}
	}
	if out.status = x.Status; x.Status == 0 {
		out.status = truth.status
	}
	for name, value := range x.Headers {
		out.header.Set(name, value)
	}
	return out
}
