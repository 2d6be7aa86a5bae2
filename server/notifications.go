package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// notificationPath is where EHRs tell of changes. callback.PushRequest.EndpointOf
// makes the same of the address under which EHRs reach this server.
const notificationPath = "/v1/ehr/{ehr}/notifications/{feed}"

// Notifier is an EHR that tells of changes. Nothing that it sends is stored, and
// nothing follows from it but that its feed is read earlier.
type Notifier struct {
	Secret redact.Secret // must stand in each notification, as Authorization: Bearer
	// SigningSecret must have signed the body: X-Signature is the HMAC-SHA256 of its
	// bytes as hexadecimal digits. Empty: signatures are not looked at.
	SigningSecret redact.Secret
	// Read says what a notification is for.
	Read func(body []byte) callback.NotificationKind
	// Notified is called with each that was let in. It must not block.
	Notified func(callback.Feed, callback.NotificationKind)
}

// The reasons for which a notification is refused, as they stand in the metric.
const (
	refusedSecret    = "secret"
	refusedSignature = "signature"
	refusedTooLarge  = "too-large"
	refusedCutOff    = "cut-off"
)

// notifications counts what EHRs tell.
type notifications struct {
	taken   *prometheus.CounterVec
	refused *prometheus.CounterVec
	last    *prometheus.GaugeVec
}

func newNotifications(r *prometheus.Registry) (*notifications, error) {
	n := &notifications{
		taken: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringback_notifications_total",
			Help: "Notifications of EHRs that were let in, by what they are for."}, []string{"ehr", "feed", "kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ringback_notifications_refused_total",
			Help: "Notifications of EHRs that were refused, by reason."}, []string{"ehr", "reason"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ringback_notification_last_timestamp_seconds",
			Help: "When the last notification was let in; there is no line before the first."}, []string{"ehr", "feed"}),
	}
	for _, c := range []prometheus.Collector{n.taken, n.refused, n.last} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// registerNotifications lets the EHRs in that tell of changes. Without any there is
// no such path.
func (s *Server) registerNotifications(from map[callback.EHRID]Notifier, stands func() []PushGauge) error {
	if len(from) == 0 {
		return nil
	}
	for id, n := range from {
		if n.Secret.IsEmpty() || n.Read == nil || n.Notified == nil {
			return errors.New("server: the Notifier of " + string(id) + " needs Secret, Read and Notified")
		}
	}
	counted, err := newNotifications(s.metrics.registry)
	if err == nil && stands != nil {
		err = s.metrics.registry.Register(pushCollector(stands))
	}
	if err != nil {
		return err
	}
	s.mux.HandleFunc("POST "+notificationPath, func(w http.ResponseWriter, r *http.Request) {
		id, feed := callback.EHRID(r.PathValue("ehr")), callback.Feed(r.PathValue("feed"))
		n, known := from[id]
		if !known || !slices.Contains(callback.Feeds, feed) {
			kindNotFound.problem().write(w)
			return
		}
		body, reason, problem := n.admit(w, r)
		if problem != nil {
			counted.refused.WithLabelValues(string(id), reason).Inc()
			challenge(problem).write(w)
			return
		}
		kind := n.Read(body)
		n.Notified(feed, kind)
		counted.taken.WithLabelValues(string(id), string(feed), string(kind)).Inc()
		counted.last.WithLabelValues(string(id), string(feed)).Set(float64(s.clock.Now().Unix()))
		w.WriteHeader(http.StatusOK) // some servers take no other success
	})
	return nil
}

// admit returns the body of a notification that comes from the EHR, or why it is
// refused. Nothing is read of one that does not know the secret.
func (n Notifier) admit(w http.ResponseWriter, r *http.Request) (body []byte, reason string, refusal *Problem) {
	scheme, word, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !same(word, n.Secret.Reveal()) {
		return nil, refusedSecret, kindUnauthorized.say("The secret of this EHR is missing or another one. Correct it in the EHR, or let Ringback subscribe again.")
	}
	if r.ContentLength > bodyLimit {
		return nil, refusedTooLarge, kindTooLarge.problem().with("Connection", "close")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refusedTooLarge, kindTooLarge.problem()
	case err != nil:
		return nil, refusedCutOff, kindMalformed.say("The body ended before it was complete. Send it again.")
	case !n.SigningSecret.IsEmpty() && !signed(body, r.Header.Get("X-Signature"), n.SigningSecret):
		return nil, refusedSignature, kindUnauthorized.say("The signature is missing or wrong: X-Signature must be the HMAC-SHA256 of the body.")
	}
	return body, "", nil
}

// same compares in a time that tells nothing of the secret, its length included.
func same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// signed reports whether signature is the HMAC-SHA256 of body in hexadecimal digits.
func signed(body []byte, signature string, secret redact.Secret) bool {
	got, err := hex.DecodeString(signature)
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write(body)
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}

// PushGauge is how it stands with what an EHR tells of one feed, for the metrics.
type PushGauge struct {
	Clinic callback.ClinicID
	EHR    callback.EHRID
	Feed   callback.Feed
	Proven bool      // it tells, and that arrives
	Until  time.Time // when the Subscription ends unless it is renewed; zero: never, or there is none
}

var (
	descPush = prometheus.NewDesc("ringback_push_proven",
		"1 when the EHR tells of changes in a feed and that arrives; 0 when changes are found by polls alone.", []string{"clinic", "ehr", "feed"}, nil)
	descPushEnd = prometheus.NewDesc("ringback_push_ends_timestamp_seconds",
		"When the EHR stops to tell unless it is asked again; there is no line where it does not stop.", []string{"clinic", "ehr", "feed"}, nil)
)

// pushCollector shows how it stands with what EHRs tell.
type pushCollector func() []PushGauge

// Describe names the metrics.
func (c pushCollector) Describe(ch chan<- *prometheus.Desc) { ch <- descPush; ch <- descPushEnd }

// Collect asks for the numbers.
func (c pushCollector) Collect(ch chan<- prometheus.Metric) {
	for _, g := range c() {
		labels := []string{string(g.Clinic), string(g.EHR), string(g.Feed)}
		proven := 0
		if g.Proven {
			proven = 1
		}
		ch <- gauge(descPush, proven, labels...)
		if !g.Until.IsZero() {
			ch <- prometheus.MustNewConstMetric(descPushEnd, prometheus.GaugeValue, float64(g.Until.Unix()), labels...)
		}
	}
}
