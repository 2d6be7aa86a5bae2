package faultproxy

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Kind is one way in which a request goes wrong.
type Kind string

// The kinds. The first group happens before the target has seen the request, so
// that nothing was done; in the second the target has done what was asked.
const (
	TooManySeconds   Kind = "429-retry-after-seconds" // Retry-After: 1
	TooManyDate      Kind = "429-retry-after-date"    // Retry-After: an HTTP date
	TooManyRateLimit Kind = "429-ratelimit"           // RateLimit: "requests";r=0;t=1, and no Retry-After
	Unavailable      Kind = "503"
	UnavailableUntil Kind = "503-retry-after"
	GatewayPage      Kind = "502-html" // a page as gateways send it
	Refused          Kind = "refused"  // the connection is closed

	Lost          Kind = "done-lost"  // the connection is closed instead of an answer
	Reset         Kind = "done-reset" // the connection is reset
	DoneFailed    Kind = "done-500"
	DoneTooBusy   Kind = "done-503"
	Late          Kind = "done-late"    // the answer comes after the client has given up
	Empty         Kind = "empty-200"    // nothing but a status
	TruncatedJSON Kind = "json-half"    // a well-formed answer with half of the JSON
	Cut           Kind = "body-cut"     // the whole is announced, and half of it sent
	WrongType     Kind = "content-type" // the true answer as text/html
)

// Kinds lists all kinds. Random faults are drawn from it by place: append only.
var Kinds = []Kind{TooManySeconds, TooManyDate, TooManyRateLimit, Unavailable, UnavailableUntil, GatewayPage, Refused,
	Lost, Reset, DoneFailed, DoneTooBusy, Late, Empty, TruncatedJSON, Cut, WrongType}

// Seldom returns all kinds to draw from, so that those which ask the client to wait
// come once for every n of each other kind. Whoever honours them holds back
// everything for a second each time, and would be idle otherwise.
func Seldom(n int) []Kind {
	var all []Kind
	for _, k := range Kinds {
		switch k {
		case TooManySeconds, TooManyDate, TooManyRateLimit, UnavailableUntil:
			all = append(all, k)
		default:
			all = append(all, slices.Repeat([]Kind{k}, n)...)
		}
	}
	return all
}

// passesOn reports whether the target sees the request.
func (k Kind) passesOn() bool {
	switch k {
	case TooManySeconds, TooManyDate, TooManyRateLimit, Unavailable, UnavailableUntil, GatewayPage, Refused:
		return false
	default:
		return true
	}
}

// answer is what the client gets.
type answer struct {
	status int // 0: nothing, the connection is closed
	header http.Header
	body   []byte
	cut    bool // announce the whole and send half
	reset  bool // close the connection hard
}

const (
	gatewayHTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
	failedJSON  = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"transient"}]}`
)

// outcome is an answer with an OperationOutcome.
func outcome(status int, header http.Header) answer {
	header.Set("Content-Type", "application/fhir+json")
	return answer{status: status, header: header, body: []byte(failedJSON)}
}

// spoil turns the true answer into what the client gets.
func (p *Proxy) spoil(k Kind, truth answer) answer {
	seconds := strconv.Itoa(int(p.cfg.Wait / time.Second))
	switch k {
	case TooManySeconds:
		return outcome(http.StatusTooManyRequests, http.Header{"Retry-After": {seconds}})
	case TooManyDate:
		// A date says whole seconds; the next one is never earlier than asked for.
		until := time.Now().Add(p.cfg.Wait).Truncate(time.Second).Add(time.Second)
		return outcome(http.StatusTooManyRequests, http.Header{"Retry-After": {until.UTC().Format(http.TimeFormat)}})
	case TooManyRateLimit:
		return outcome(http.StatusTooManyRequests, http.Header{"Ratelimit": {`"requests";r=0;t=` + seconds}})
	case Unavailable, DoneTooBusy:
		return outcome(http.StatusServiceUnavailable, http.Header{})
	case UnavailableUntil:
		return outcome(http.StatusServiceUnavailable, http.Header{"Retry-After": {seconds}})
	case DoneFailed:
		return outcome(http.StatusInternalServerError, http.Header{})
	case GatewayPage:
		return answer{status: http.StatusBadGateway, header: http.Header{"Content-Type": {"text/html"}}, body: []byte(gatewayHTML)}
	case Refused, Lost:
		return answer{}
	case Reset:
		return answer{reset: true}
	case Empty:
		return answer{status: http.StatusOK, header: http.Header{}}
	case TruncatedJSON:
		truth.body = truth.body[:len(truth.body)/2]
	case Cut:
		truth.cut = true
	case WrongType:
		truth.header.Set("Content-Type", "text/html; charset=utf-8")
	case Late: // only the time is wrong
	}
	return truth
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter) {
	if a.reset {
		reset(w)
	}
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if !a.cut {
		_, _ = w.Write(a.body) // the client has gone: nobody to tell
		return
	}
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// reset closes the connection so that the client's kernel is told RST, where the
// connection is one that can; an ordinary close follows otherwise.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // then it is closed the ordinary way
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}
