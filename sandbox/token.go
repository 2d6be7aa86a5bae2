package sandbox

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// tokens are the bearer tokens that are alive.
type tokens struct {
	mu    sync.Mutex
	grant map[string]grant
}

type grant struct {
	scopes []scope
	until  time.Time
}

// scope is one SMART system scope: a type or "*", and letters of cruds.
type scope struct{ typ, letters string }

// Groups: 1 type, 2 permission in the words of SMART v1 or the letters of v2.
var scopePattern = regexp.MustCompile(`^system/(\*|[A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)$`)

// defaultScope is what a client gets that asks for no scope.
const defaultScope = "system/*.cruds"

// parseScope reads one scope; false for what this server cannot grant.
func parseScope(text string) (scope, bool) {
	m := scopePattern.FindStringSubmatch(text)
	if m == nil || m[2] == "" || m[1] != "*" && byName[m[1]] == nil {
		return scope{}, false
	}
	letters := map[string]string{"*": "cruds", "read": "rs", "write": "cud"}[m[2]]
	if letters == "" {
		letters = m[2]
	}
	return scope{m[1], letters}, true
}

// token answers the OAuth 2.0 token endpoint: client_credentials with the secret in
// the Basic header or in the form, or with a signed assertion. Scopes it cannot grant
// are left out of the grant.
func (s *Server) token(r *http.Request) response {
	if r.Method != http.MethodPost {
		out := refuse(problem(http.StatusMethodNotAllowed, "not-supported", "the token endpoint takes POST"))
		out.header.Set("Allow", http.MethodPost)
		return out
	}
	body, err := readBody(r, typeForm)
	if err != nil {
		return refuse(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return oauthError(http.StatusBadRequest, "invalid_request")
	}
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		if wrong := s.checkAssertion(form, s.tokenURL(r)); wrong != "" {
			return tokenResponse(map[string]string{"error": "invalid_client", "error_description": wrong}, http.StatusBadRequest)
		}
	} else if !s.knows(r, form) {
		out := oauthError(http.StatusUnauthorized, "invalid_client")
		out.header.Set("WWW-Authenticate", `Basic realm="ringback-sandbox"`)
		return out
	}
	if form.Get("grant_type") != "client_credentials" {
		return oauthError(http.StatusBadRequest, "unsupported_grant_type")
	}
	asked := form.Get("scope")
	if asked == "" {
		asked = defaultScope
	}
	var g grant
	var granted []string
	for _, text := range strings.Fields(asked) {
		if one, ok := parseScope(text); ok {
			g.scopes, granted = append(g.scopes, one), append(granted, text)
		}
	}
	if len(granted) == 0 {
		return oauthError(http.StatusBadRequest, "invalid_scope")
	}
	return tokenResponse(struct {
		Token  string `json:"access_token"`
		Type   string `json:"token_type"`
		Life   int    `json:"expires_in"`
		Scopes string `json:"scope"`
	}{s.tokens.issue(g, s.options.Clock.Now(), s.options.TokenLife), "Bearer", int(s.options.TokenLife.Seconds()), strings.Join(granted, " ")}, http.StatusOK)
}

// knows checks the client's id and secret.
func (s *Server) knows(r *http.Request, form url.Values) bool {
	id, secret, basic := r.BasicAuth()
	if basic {
		// RFC 6749 §2.3.1: both are form-encoded inside of the header.
		plainID, errID := url.QueryUnescape(id)
		plainSecret, errSecret := url.QueryUnescape(secret)
		if errID != nil || errSecret != nil {
			return false
		}
		id, secret = plainID, plainSecret
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if s.options.ClientID == "" {
		return id != ""
	}
	return id == s.options.ClientID && subtle.ConstantTimeCompare([]byte(secret), []byte(s.options.ClientSecret)) == 1
}

func oauthError(status int, code string) response {
	return tokenResponse(map[string]string{"error": code}, status)
}

func tokenResponse(v any, status int) response {
	out := reply(status, typeJSON, encode(v))
	out.header.Set("Cache-Control", "no-store")
	return out
}

// issue makes a token and forgets those that have ended.
func (t *tokens) issue(g grant, now time.Time, life time.Duration) string {
	text := rand.Text()
	g.until = now.Add(life)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.grant == nil {
		t.grant = map[string]grant{}
	}
	for old, held := range t.grant {
		if !now.Before(held.until) {
			delete(t.grant, old)
		}
	}
	t.grant[text] = g
	return text
}

// find returns what a token is good for; false if it is unknown or has ended.
func (t *tokens) find(text string, now time.Time) (grant, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.grant[text]
	return g, ok && now.Before(g.until)
}

// authorize checks the bearer token for one kind of access to the call's type; with
// false comes the answer to give.
func (c *call) authorize(letter string) (response, bool) {
	scheme, text, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	challenge := `Bearer realm="ringback-sandbox"`
	if !strings.EqualFold(scheme, "Bearer") {
		return c.challenge(http.StatusUnauthorized, "login", "a bearer token is needed", challenge), false
	}
	g, ok := c.tokens.find(strings.TrimSpace(text), c.options.Clock.Now())
	if !ok {
		return c.challenge(http.StatusUnauthorized, "login", "the token is unknown or has ended", challenge+`, error="invalid_token"`), false
	}
	for _, one := range g.scopes {
		if (one.typ == "*" || one.typ == c.typ) && strings.Contains(one.letters, letter) {
			return response{}, true
		}
	}
	return c.challenge(http.StatusForbidden, "forbidden", "the scope of the token does not cover this", challenge+`, error="insufficient_scope"`), false
}

func (c *call) challenge(status int, code, text, header string) response {
	out := refuse(problem(status, code, "%s", text))
	out.header.Set("WWW-Authenticate", header)
	return out
}
