package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/internal/fault"
)

// PhonePath is where a phone system tells of its calls.
func PhonePath(clinic callback.ClinicID, phone callback.PhoneID) string {
	return "/v1/phones/" + string(clinic) + "/" + string(phone)
}

// PhoneHook is a phone system that tells of its calls. What it tells is stored before
// it is answered, and read later.
type PhoneHook struct {
	Clinic callback.ClinicID
	Phone  callback.PhoneID
	// Receive checks a request, as connectors/phone.System promises. The error is a
	// *PhoneRefused.
	// The query is as it came, without its question mark.
	Receive func(method, query string, header http.Header, body []byte, at time.Time) (PhoneReceipt, error)
	// Page answers who comes with a browser, by GET or HEAD; nil: there is nothing to see.
	Page func(method, query string, header http.Header, at time.Time) PhoneReceipt
	// Busy says whether somebody at an address sends too often, and what to answer then;
	// nil: nobody does. It is for forms, which anybody can send.
	Busy func(client netip.Addr, header http.Header, at time.Time) (PhoneReceipt, bool)
	// Heard is called when there is something new to read. It must not block.
	Heard func()
}

// PhoneReceipt is what to store of a request, and what to answer then.
type PhoneReceipt struct {
	Events []calls.Event
	Status int // 0: 204
	Header http.Header
	Body   []byte
}

// PhoneRefused is a request that is not the phone system's. The reason goes into the
// log and not into the answer.
type PhoneRefused struct {
	Status int
	Reason string
}

// Error says why.
func (e *PhoneRefused) Error() string { return e.Reason }

// phoneCounts counts what phone systems tell.
type phoneCounts struct {
	told    *prometheus.CounterVec
	refused *prometheus.CounterVec
}

// registerPhones lets the phone systems in that tell of calls. Without any there is no
// such path.
func (s *Server) registerPhones(hooks []PhoneHook) error {
	if len(hooks) == 0 {
		return nil
	}
	labels := []string{"clinic", "phone"}
	counted := phoneCounts{
		told: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringback_phone_events_total",
			Help: "Events of phone systems that were stored; one that was told twice counts twice."}, labels),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringback_phone_events_refused_total",
			Help: "Requests that were not taken for a phone system's."}, append(labels, "status")),
	}
	err := errors.Join(s.metrics.registry.Register(counted.told), s.metrics.registry.Register(counted.refused))
	if err != nil {
		return err
	}
	stored := newGather(s.ledger.Hear)
	for _, h := range hooks {
		if h.Receive == nil || h.Heard == nil {
			return fmt.Errorf("server: the PhoneHook of %s of %s needs Receive and Heard", h.Phone, h.Clinic)
		}
		s.mux.HandleFunc(PhonePath(h.Clinic, h.Phone), func(w http.ResponseWriter, r *http.Request) { s.hear(w, r, h, stored, counted) })
	}
	return nil
}

// hear stores what a phone system told, and answers then.
func (s *Server) hear(w http.ResponseWriter, r *http.Request, h PhoneHook, stored *gather, counted phoneCounts) {
	refuse := func(status int, reason string) {
		counted.refused.WithLabelValues(string(h.Clinic), string(h.Phone), fmt.Sprint(status)).Inc()
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "a request to a phone system's address was refused",
			slog.String("clinic", string(h.Clinic)), slog.String("phone", string(h.Phone)), slog.Int("status", status), slog.String("reason", reason))
		w.WriteHeader(status)
	}
	at := s.clock.Now()
	if h.Page != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		h.Page(r.Method, r.URL.RawQuery, r.Header, at).write(w)
		return
	}
	if h.Busy != nil {
		if answer, busy := h.Busy(clientOf(r), r.Header, at); busy {
			counted.refused.WithLabelValues(string(h.Clinic), string(h.Phone), strconv.Itoa(answer.Status)).Inc()
			answer.write(w)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(http.StatusRequestEntityTooLarge, "the body is too large")
		return
	case err != nil:
		refuse(http.StatusBadRequest, "the body ended before it was complete")
		return
	}
	receipt, err := h.Receive(r.Method, r.URL.RawQuery, r.Header, body, at)
	if err != nil {
		var refused *PhoneRefused
		if !errors.As(err, &refused) {
			refused = &PhoneRefused{http.StatusBadRequest, fault.Describe(err)}
		}
		refuse(refused.Status, refused.Reason)
		return
	}
	if len(receipt.Events) > 0 {
		if err := stored.hear(r.Context(), told(h, receipt.Events)); err != nil {
			// Whoever sent it sends it again.
			_ = s.ledgerFailed(r.Context(), "store what a phone system told", err)
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		counted.told.WithLabelValues(string(h.Clinic), string(h.Phone)).Add(float64(len(receipt.Events)))
		h.Heard()
	}
	receipt.write(w)
}

// write answers.
func (p PhoneReceipt) write(w http.ResponseWriter) {
	for name, values := range p.Header {
		w.Header()[name] = values
	}
	if p.Status == 0 {
		p.Status = http.StatusNoContent
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Body)
}

// clientOf is the machine that a request comes from, or the proxy before it; the zero
// address where that cannot be told.
func clientOf(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap()
}

func told(h PhoneHook, events []calls.Event) []callback.Told {
	all := make([]callback.Told, 0, len(events))
	for _, e := range events {
		all = append(all, callback.Told{Event: e, ID: callback.NewID(), Clinic: h.Clinic, Phone: h.Phone})
	}
	return all
}
