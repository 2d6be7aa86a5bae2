package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
)

const (
	fetchToken       = "fetch token"
	maxTokenResponse = 1 << 20 // bytes
)

// knownCodes are the error codes that may stand in an error text: those of RFC
// 6749 §5.2 and §4.1.2.1. Any other could be free text of the server.
var knownCodes = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
	"invalid_scope", "access_denied", "server_error", "temporarily_unavailable",
}

// tokenEndpoint asks for tokens. It is our own and not that of package oauth2,
// whose request cannot carry a fresh proof each time, sends a refused one
// twice and prints the body of a refusal.
type tokenEndpoint struct {
	cfg       TokenEndpoint
	base      *url.URL // of cfg.BaseURL; nil without one
	cred      credential
	discovery *discovery
	http      *http.Client
	transport *http.Transport
}

// plainGrant is a grant that needs nothing but its form.
type plainGrant struct {
	*tokenEndpoint
	form url.Values
}

func (g plainGrant) fetch() (token, error) {
	// On its own deadline, because whoever asked first may be gone before the
	// others are.
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Timeout)
	defer cancel()
	t, _, err := g.ask(ctx, g.form)
	return t, err
}

func (e *tokenEndpoint) close() { e.transport.CloseIdleConnections() }

// tokenAnswer is the JSON of a token endpoint, grant or refusal (RFC 6749 §5).
type tokenAnswer struct {
	AccessToken  string     `json:"access_token"`
	TokenType    string     `json:"token_type"`
	ExpiresIn    flexNumber `json:"expires_in"`
	Scope        flexList   `json:"scope"`
	RefreshToken string     `json:"refresh_token"`
	Error        string     `json:"error"`
}

// flexNumber reads 3600, 3600.5 and "3600": servers send them all.
type flexNumber float64

func (n *flexNumber) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || math.IsNaN(v) {
		v = 0 // as if absent: a default lifetime is better than no token
	}
	*n = flexNumber(max(0, min(v, math.MaxInt32)))
	return nil
}

// flexList reads "a b" and ["a", "b"]; nil for anything else, as if absent.
type flexList []string

func (l *flexList) UnmarshalJSON(b []byte) error {
	var text string
	var list []string
	switch {
	case json.Unmarshal(b, &text) == nil && text != "":
		*l = strings.Fields(text)
	case json.Unmarshal(b, &list) == nil:
		*l = list
	}
	return nil
}

// ask asks for one token with the members of form, beside those that prove the
// client. The second result is the refresh token of the answer, if there is one.
func (e *tokenEndpoint) ask(ctx context.Context, form url.Values) (token, redact.Secret, error) {
	tokenURL, algorithms, err := e.locate(ctx)
	if err != nil {
		return token{}, redact.Secret{}, err
	}
	status, header, body, err := e.post(ctx, tokenURL, algorithms, form)
	if err != nil {
		e.discovery.doubt() // the server may have moved it
		return token{}, redact.Secret{}, err
	}
	var answer tokenAnswer
	isJSON := json.Unmarshal(body, &answer) == nil
	var f *fault.Error
	switch {
	case status < 200 || status > 299:
		f = e.refusal(status, header, answer.Error)
	case !isJSON:
		f = fault.New(fault.Retry, fetchToken, "the token endpoint answered something else than JSON").
			WithStatus(status).WithHint("check token_url: it may point to a login page or a proxy")
	case answer.AccessToken == "":
		f = fault.New(fault.Retry, fetchToken, "the answer of the token endpoint holds no access token").
			WithStatus(status).WithHint("check token_url")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		f = fault.New(fault.Permanent, fetchToken, "the token endpoint grants tokens of a type other than Bearer").
			WithHint("set the client to bearer tokens in the EHR")
	}
	if f != nil {
		e.discovery.doubt()
		return token{}, redact.Secret{}, f
	}
	life := time.Duration(float64(answer.ExpiresIn) * float64(time.Second))
	t := newToken(redact.NewSecret(answer.AccessToken), answer.TokenType, life, e.cfg.Clock.Now())
	t.grant.TokenURL, t.grant.Scopes, t.grant.Told = tokenURL, answer.Scope, answer.Scope != nil
	if !t.grant.Told {
		t.grant.Scopes = e.cfg.Scopes
	}
	return t, redact.NewSecret(answer.RefreshToken), nil
}

// locate returns the token endpoint, and the algorithms that the server says it
// verifies assertions with, nil where that is not known.
func (e *tokenEndpoint) locate(ctx context.Context) (tokenURL string, algorithms []string, err error) {
	_, signs := e.cred.(assertionCredential)
	if e.cfg.URL != "" && (!signs || e.base == nil) {
		return e.cfg.URL, nil, nil
	}
	if e.cfg.URL != "" {
		// The configuration is of use here only to choose the key, and many servers
		// have none.
		return e.cfg.URL, e.discovery.peek(ctx).Algorithms, nil
	}
	found, err := e.discovery.find(ctx)
	return found.TokenEndpoint, found.Algorithms, err
}

// post sends the token request. Its error is that of an exchange that brought no
// complete answer; a refusal is an answer.
func (e *tokenEndpoint) post(ctx context.Context, tokenURL string, algorithms []string, members url.Values) (int, http.Header, []byte, error) {
	form := url.Values{}
	for name, values := range members {
		form[name] = slices.Clone(values)
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if u, err := url.Parse(tokenURL); err == nil && e.base != nil && sameHost(e.base, u) {
		setHeaders(header, e.cfg.Headers)
	}
	err := e.cred.prove(proof{form: form, header: header, tokenURL: tokenURL, algorithms: algorithms, now: e.cfg.Clock.Now()})
	if err != nil {
		var f *fault.Error
		if errors.As(err, &f) {
			return 0, nil, nil, err
		}
		return 0, nil, nil, fault.New(fault.Permanent, fetchToken, "the proof of the client could not be made").Because(err)
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, tokenURL, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return 0, nil, nil, fault.New(fault.Permanent, fetchToken, "token_url cannot be used").Because(err)
	}
	req.Header = header
	resp, err := e.http.Do(req)
	if err != nil {
		return 0, nil, nil, tokenFault(disposition(exchange{sent: connected.Load(), err: err}))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenResponse))
	if err != nil {
		return 0, nil, nil, tokenFault(disposition(exchange{sent: true, status: http.StatusOK, err: err}))
	}
	return resp.StatusCode, resp.Header, body, nil
}

// refusal turns the answer of a token endpoint into a fault that holds no more
// of it than a registered error code.
func (e *tokenEndpoint) refusal(status int, header http.Header, code string) *fault.Error {
	f := tokenFault(disposition(exchange{status: status, after: askedToWait(header, e.cfg.Clock.Now())}))
	if slices.Contains(knownCodes, code) {
		f.What = "the token endpoint answered " + code
	}
	switch {
	case code == "temporarily_unavailable" || code == "server_error":
		// Servers say it with a 400 too; the client is not to blame.
		if f.Disposition != fault.Throttled {
			f.Disposition, f.Hint = fault.Retry, ""
		}
	case status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.Disposition, f.Hint = fault.Unauthorized, e.cred.hint()
		if code == "invalid_scope" {
			f.Hint = "grant the client the scopes in the EHR, or write auth.scopes as this EHR names them: " +
				"system/Task.read where it knows version 1 of SMART only"
		}
	case f.Disposition == fault.NotFound || f.Disposition == fault.Conflict:
		// Said of the token endpoint, not of the resource the caller asks for.
		f.Disposition, f.Hint = fault.Permanent, "check token_url"
	}
	return f
}

// tokenFault says of the verdict on an exchange that it was with the token endpoint.
func tokenFault(f *fault.Error) *fault.Error {
	f.Op = fetchToken
	f.What = "token endpoint: " + f.What
	f.Hint = strings.ReplaceAll(f.Hint, "base_url", "token_url")
	return f
}
