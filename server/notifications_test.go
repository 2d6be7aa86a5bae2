package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/server"
)

const (
	hookSecret = "canary-of-a-hook-secret-0123456789"
	hookSign   = "canary-of-a-signing-secret-0123456"
	hookPath   = "/v1/ehr/main-ehr/notifications/appointments"
	signedPath = "/v1/ehr/signing-ehr/notifications/work-items"
	// hookBody is what a server sends that takes no notice of an empty payload.
	hookBody = `{"resourceType":"Appointment","comment":"canary of a caller's words"}`
)

// told records what was let in.
type told struct {
	mu  sync.Mutex
	all []string
}

func (n *told) from(id string) func(callback.Feed, callback.NotificationKind) {
	return func(f callback.Feed, k callback.NotificationKind) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.all = append(n.all, id+" "+string(f)+" "+string(k))
	}
}

func (n *told) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}

func notified(t *testing.T) (*rig, *told) {
	t.Helper()
	n := &told{}
	read := func(body []byte) callback.NotificationKind {
		if strings.Contains(string(body), "heartbeat") {
			return callback.NotifiedHeartbeat
		}
		return callback.NotifiedChange
	}
	r := newRig(t, func(o *server.Options) {
		o.OpenOnLoopback = false
		o.Notifiers = map[callback.EHRID]server.Notifier{
			"main-ehr":    {Secret: redact.NewSecret(hookSecret), Read: read, Notified: n.from("main-ehr")},
			"signing-ehr": {Secret: redact.NewSecret(hookSecret + "2"), SigningSecret: redact.NewSecret(hookSign), Read: read, Notified: n.from("signing-ehr")},
		}
	})
	r.addToken("someone", callback.RoleAdmin)
	return r, n
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(hookSign))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

const (
	bearer       = "Bearer " + hookSecret
	signedBearer = "Bearer " + hookSecret + "2"
)

func TestNotificationsLetIn(t *testing.T) {
	r, n := notified(t)
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		want       string
	}{
		"without a body":     {hookPath, "", []string{"Authorization", bearer}, "main-ehr appointments change"},
		"with a resource":    {hookPath, hookBody, []string{"Authorization", bearer, "Content-Type", "application/fhir+json"}, "main-ehr appointments change"},
		"no JSON":            {hookPath, "\xff\x00", []string{"Authorization", bearer, "Content-Type", "text/plain"}, "main-ehr appointments change"},
		"the other feed":     {"/v1/ehr/main-ehr/notifications/work-items", "", []string{"Authorization", bearer}, "main-ehr work-items change"},
		"a heartbeat":        {hookPath, "heartbeat", []string{"Authorization", bearer}, "main-ehr appointments heartbeat"},
		"scheme by letters":  {hookPath, "", []string{"Authorization", "bearer " + hookSecret}, "main-ehr appointments change"},
		"signed":             {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", sign(hookBody)}, "signing-ehr work-items change"},
		"signed, capitals":   {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", strings.ToUpper(sign(hookBody))}, "signing-ehr work-items change"},
		"signed, no body":    {signedPath, "", []string{"Authorization", signedBearer, "X-Signature", sign("")}, "signing-ehr work-items change"},
		"as large as may be": {hookPath, strings.Repeat("x", 1<<20), []string{"Authorization", bearer}, "main-ehr appointments change"},
	} {
		if a := r.post(c.path, c.body, c.headers...).want(http.StatusOK); len(a.body) != 0 {
			t.Errorf("%s: answered with %s", name, a.body)
		}
		if got := n.take(); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	metrics := string(r.get("/metrics").want(http.StatusOK).body)
	for _, line := range []string{`ringback_notifications_total{ehr="main-ehr",feed="appointments",kind="heartbeat"} 1`,
		`ringback_notification_last_timestamp_seconds{ehr="main-ehr",feed="appointments"} 1.7724636e+09`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no line %s", line)
		}
	}
}

func TestNotificationsRefused(t *testing.T) {
	r, n := notified(t)
	large := strings.Repeat("x", 1<<20+1)
	flipped := []byte(sign(hookBody))
	flipped[0] ^= 1
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		reason     string // "": not counted
	}{
		"no secret":                {hookPath, hookBody, nil, 401, "secret"},
		"an empty one":             {hookPath, hookBody, []string{"Authorization", "Bearer "}, 401, "secret"},
		"another secret":           {hookPath, hookBody, []string{"Authorization", bearer + "x"}, 401, "secret"},
		"half of it":               {hookPath, hookBody, []string{"Authorization", bearer[:20]}, 401, "secret"},
		"of another EHR":           {hookPath, hookBody, []string{"Authorization", signedBearer}, 401, "secret"},
		"another scheme":           {hookPath, hookBody, []string{"Authorization", "Basic " + hookSecret}, 401, "secret"},
		"another header":           {hookPath, hookBody, []string{"X-Secret", hookSecret}, 401, "secret"},
		"large without a secret":   {hookPath, large, nil, 401, "secret"},
		"too large":                {hookPath, large, []string{"Authorization", bearer}, 413, "too-large"},
		"no signature":             {signedPath, hookBody, []string{"Authorization", signedBearer}, 401, "signature"},
		"signature of another":     {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", sign("")}, 401, "signature"},
		"signature of another key": {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", hex.EncodeToString(make([]byte, 32))}, 401, "signature"},
		"no hexadecimal digits":    {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", strings.Repeat("z", 64)}, 401, "signature"},
		"one bit is another":       {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", string(flipped)}, 401, "signature"},
		"half a signature":         {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", sign(hookBody)[:32]}, 401, "signature"},
		"signature with more":      {signedPath, hookBody, []string{"Authorization", signedBearer, "X-Signature", sign(hookBody) + "00"}, 401, "signature"},
		"signature, no secret":     {signedPath, hookBody, []string{"X-Signature", sign(hookBody)}, 401, "secret"},
		"an unknown EHR":           {"/v1/ehr/else/notifications/appointments", hookBody, []string{"Authorization", bearer}, 404, ""},
		"an unknown feed":          {"/v1/ehr/main-ehr/notifications/patients", hookBody, []string{"Authorization", bearer}, 404, ""},
	} {
		before := refusals(r)
		r.post(c.path, c.body, c.headers...).problem(c.status)
		if got := n.take(); got != nil {
			t.Errorf("%s: let in as %q", name, got)
		}
		after := refusals(r)
		for reason := range after {
			if want := before[reason] + map[bool]int{true: 1}[reason == c.reason]; after[reason] != want {
				t.Errorf("%s: %s counted %d times, want %d", name, reason, after[reason], want)
			}
		}
	}
	r.get(hookPath, "Authorization", bearer).problem(http.StatusMethodNotAllowed)
	if log := r.log.String(); strings.Contains(log, "canary") || !strings.Contains(log, `"/v1/ehr/{ehr}/notifications/{feed}"`) {
		t.Errorf("the log: %s", log)
	}
}

// refusals are the refused notifications by reason.
func refusals(r *rig) map[string]int {
	r.t.Helper()
	counted := map[string]int{"secret": 0, "signature": 0, "too-large": 0, "cut-off": 0}
	for line := range strings.Lines(string(r.get("/metrics").want(http.StatusOK).body)) {
		for reason := range counted {
			if strings.HasPrefix(line, "ringback_notifications_refused_total{") && strings.Contains(line, `reason="`+reason+`"`) {
				n, err := strconv.Atoi(strings.TrimSpace(line[strings.Index(line, "}")+1:]))
				if err != nil {
					r.t.Fatal(err)
				}
				counted[reason] += n
			}
		}
	}
	return counted
}

// TestEachBitOfABodyIsSigned: no change of a body passes with the signature of
// another.
func TestEachBitOfABodyIsSigned(t *testing.T) {
	r, n := notified(t)
	body := `{"resourceType":"Task"}`
	for i := range len(body) * 8 {
		other := []byte(body)
		other[i/8] ^= 1 << (i % 8)
		r.post(signedPath, string(other), "Authorization", signedBearer, "X-Signature", sign(body)).problem(http.StatusUnauthorized)
	}
	if got := n.take(); got != nil {
		t.Errorf("let in: %q", got)
	}
}

// TestANotificationWithoutEnd: one that says nothing of its length is cut off at the limit.
func TestANotificationWithoutEnd(t *testing.T) {
	r, n := notified(t)
	endless := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), strings.NewReader("y"))
	r.request(http.MethodPost, hookPath, endless, "Authorization", bearer).problem(http.StatusRequestEntityTooLarge)
	if got := n.take(); got != nil {
		t.Errorf("let in: %q", got)
	}
}

func TestNoNotificationsWithoutNotifiers(t *testing.T) {
	newRig(t).post(hookPath, "", "Authorization", bearer).problem(http.StatusNotFound)
}
