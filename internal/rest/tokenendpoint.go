package rest

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/ringback-health/ringback/internal/clock"
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
	url       string
	scopes    []string
	timeout   time.Duration
	cred      credential
	clock     clock.Clock
	http      *http.Client
	transport *http.Transport
}

func newTokenEndpoint(cfg ClientCredentialsConfig, cred credential) *tokenEndpoint {
	transport := newTransport(cfg.Timeout)
	return &tokenEndpoint{
		url: cfg.TokenURL, scopes: cfg.Scopes, timeout: cfg.Timeout, cred: cred, clock: cfg.Clock,
		transport: transport,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// tokenAnswer is the JSON of a token endpoint, grant or refusal (RFC 6749 §5).
type tokenAnswer struct {
	AccessToken string     `json:"access_token"`
	TokenType   string     `json:"token_type"`
	ExpiresIn   flexNumber `json:"expires_in"`
	Error       string     `json:"error"`
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

// fetch asks for one token. It runs on its own deadline, because whoever asked
// first may be gone before the others are.
func (e *tokenEndpoint) fetch() (token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.timeout)
	defer cancel()
	status, header, body, f := e.post(ctx)
	if f != nil {
		return token{}, f
	}
	var answer tokenAnswer
	isJSON := json.Unmarshal(body, &answer) == nil
	switch {
	case status < 200 || status > 299:
		return token{}, refusal(status, header, answer.Error, e.clock.Now())
	case !isJSON:
		return token{}, fault.New(fault.Retry, fetchToken, "the token endpoint answered something else than JSON").
			WithStatus(status).WithHint("check token_url: it may point to a login page or a proxy")
	case answer.AccessToken == "":
		return token{}, fault.New(fault.Retry, fetchToken, "the answer of the token endpoint holds no access token").
			WithStatus(status).WithHint("check token_url")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return token{}, fault.New(fault.Permanent, fetchToken, "the token endpoint grants tokens of a type other than Bearer").
			WithHint("set the client to bearer tokens in the EHR")
	}
	life := time.Duration(float64(answer.ExpiresIn) * float64(time.Second))
	return newToken(redact.NewSecret(answer.AccessToken), answer.TokenType, life, e.clock.Now()), nil
}

// post sends the token request. Its fault is that of an exchange that brought
// no complete answer; a refusal is an answer.
func (e *tokenEndpoint) post(ctx context.Context) (int, http.Header, []byte, *fault.Error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(e.scopes) > 0 {
		form.Set("scope", strings.Join(e.scopes, " "))
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	if err := e.cred.prove(form, header); err != nil {
		return 0, nil, nil, fault.New(fault.Permanent, fetchToken, "the proof of the client could not be made").Because(err)
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader([]byte(form.Encode())))
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
func refusal(status int, header http.Header, code string, now time.Time) *fault.Error {
	after, ok := ParseRetryAfter(header, now)
	if !ok {
		after = -1
	}
	f := tokenFault(disposition(exchange{status: status, after: after}))
	if slices.Contains(knownCodes, code) {
		f.What = "the token endpoint answered " + code
	}
	if f.Disposition == fault.NotFound || f.Disposition == fault.Conflict {
		// Said of the token endpoint, not of the resource the caller asks for.
		f.Disposition, f.Hint = fault.Permanent, "check token_url"
	}
	if status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden {
		f.Disposition = fault.Unauthorized
		f.Hint = "check the client id, the secret or key, the scopes, and whether the client is active in the EHR"
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
