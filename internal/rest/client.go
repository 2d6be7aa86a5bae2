package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

// Config says how to reach one EHR. Only BaseURL is required.
type Config struct {
	BaseURL      string          // https://host/path; a trailing slash does not matter
	Auth         Authenticator   // nil: no authentication
	Headers      []Header        // go with every request
	Timeout      time.Duration   // per request, answer included; 0: 30 s
	MaxResponse  int64           // bytes of an answer, unpacked; 0: 10 MiB
	UserAgent    string          // "": "ringback"
	MaxPerSecond float64         // requests per second of this process; 0: no limit of our own
	Gate         Gate            // nil: none; asked before every request
	Sent         func(op string) // nil: none; told of every request that is about to be sent
	AllowHTTP    bool            // plain http to a host other than the loopback is refused unless set
	Logger       *slog.Logger    // nil: none; gets one debug line per exchange, without URL
	Clock        clock.Clock     // nil: the system clock; used for Retry-After dates
}

// Gate holds requests back for a limit that this process does not keep alone.
type Gate interface {
	// Wait returns when a request may be sent. After an error it is not sent; a
	// *fault.Error says what the caller is told.
	Wait(ctx context.Context) error
}

// Client sends requests to one EHR. Safe for concurrent use; Close it when done.
type Client struct {
	cfg       Config
	base      *url.URL // without a trailing slash
	resty     *resty.Client
	transport *http.Transport
	limiter   *limiter
	hold      hold

	// refusals counts how often Auth.Refused dropped credentials. A request that was authorized
	// before the last of them learns nothing new from its own 401: the token it
	// carried is already dropped.
	authMu   sync.Mutex
	refusals int
}

// Request is one exchange.
type Request struct {
	Op          string      // what is tried, for errors and logs: "create Task"
	Method      string      // GET, POST, …
	Path        string      // relative to the base URL, or an absolute URL of the same origin
	Query       url.Values  // added to the query of Path
	Header      http.Header // added to the client's own
	Body        []byte      // nil: none
	ContentType string      // of Body
	Write       bool        // changes something over there: an unknown outcome is Ambiguous
}

// Response is what the server answered.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // nil when it could not be read in full
}

// New checks cfg and makes a client. It does not connect.
func New(cfg Config) (*Client, error) {
	base, err := parseEndpoint("base_url", cfg.BaseURL, cfg.AllowHTTP)
	if err != nil {
		return nil, err
	}
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), strings.TrimRight(base.RawPath, "/")
	if cfg.MaxPerSecond < 0 || cfg.Timeout < 0 || cfg.MaxResponse < 0 {
		return nil, errors.New("rest: a limit is negative; leave it at 0 for the default")
	}
	if err := checkHeaders(cfg.Headers); err != nil {
		return nil, err
	}
	if cfg.Auth != nil && slices.ContainsFunc(cfg.Headers, func(h Header) bool { return strings.EqualFold(h.Name, "Authorization") }) {
		return nil, errors.New("the header Authorization is set by the authentication; leave one of the two out")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.MaxResponse == 0 {
		cfg.MaxResponse = 10 << 20
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "ringback"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.System{}
	}
	transport := newTransport(cfg.Timeout)
	return &Client{
		cfg: cfg, base: base, transport: transport,
		resty: newResty(transport, cfg), limiter: newLimiter(cfg.MaxPerSecond),
	}, nil
}

// newTransport makes the connection pool of one host. Proxies come from the
// environment (HTTPS_PROXY, NO_PROXY), as on every server.
func newTransport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    16,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 1 << 20,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// newResty sets resty to do one exchange and nothing else: no retries (it would
// send a POST twice), no redirects, no cookies, no log of its own.
func newResty(transport http.RoundTripper, cfg Config) *resty.Client {
	c := resty.NewWithClient(&http.Client{Transport: transport}).
		SetLogger(silent{}).
		SetRetryCount(0).
		SetRedirectPolicy(resty.NoRedirectPolicy()).
		SetResponseBodyLimit(int(cfg.MaxResponse)).
		SetHeader("User-Agent", cfg.UserAgent)
	c.SetPreRequestHook(func(_ *resty.Client, req *http.Request) error {
		setHeaders(req.Header, cfg.Headers)
		if cfg.Auth == nil {
			return nil
		}
		return cfg.Auth.Apply(req.Context(), req)
	})
	return c
}

// silent is resty's logger: its lines hold URLs.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

// Do sends req and returns the answer. A 2xx answer comes with a nil error.
// Otherwise the error is a *fault.Error, and the response is non-nil when the
// server answered.
//
// After a 401 the credentials are renewed and the request is sent once more,
// also a write: a 401 says that nothing was done.
func (c *Client) Do(ctx context.Context, req Request) (*Response, error) {
	target, err := c.target(req)
	if err != nil {
		return nil, fault.New(fault.Permanent, req.Op, err.Error()).
			WithHint("only addresses under base_url are called")
	}
	seen := c.refusalCount()
	resp, f := c.send(ctx, req, target)
	if resp != nil && resp.Status == http.StatusUnauthorized && c.renew(ctx, seen) {
		resp, f = c.send(ctx, req, target)
	}
	if f != nil {
		return resp, f
	}
	return resp, nil
}

// BaseURL returns the base URL without a trailing slash.
func (c *Client) BaseURL() string { return c.base.String() }

// SameOrigin returns nil when rawURL has the scheme, host and port of the base
// URL and lies under its path. Check the links a server sends before you follow
// them: the credentials go where the request goes.
func (c *Client) SameOrigin(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return errors.New("the URL cannot be read") // err would quote it
	}
	return within(c.base, u)
}

// Close lets the idle connections go.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	if a, ok := c.cfg.Auth.(interface{ Close() }); ok {
		a.Close()
	}
}

// target builds the URL of a request and checks that it stays at home.
func (c *Client) target(req Request) (string, error) {
	raw := req.Path
	if !strings.Contains(raw, "://") {
		raw = c.BaseURL() + "/" + strings.TrimLeft(raw, "/")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("the path of the request cannot be read")
	}
	if err := within(c.base, u); err != nil {
		return "", err
	}
	if len(req.Query) > 0 {
		q := u.Query()
		for name, values := range req.Query {
			q[name] = append(q[name], values...)
		}
		u.RawQuery = q.Encode()
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), nil
}

// send does one exchange and judges it.
func (c *Client) send(ctx context.Context, req Request, target string) (*Response, *fault.Error) {
	if err := c.wait(ctx); err != nil {
		return nil, notSent(req.Op, err)
	}
	if c.cfg.Sent != nil {
		c.cfg.Sent(req.Op)
	}
	start := time.Now()
	answer, sent, err := c.exchange(ctx, req, target)
	var f *fault.Error
	if !sent && errors.As(err, &f) { // the authenticator's own verdict
		return nil, f
	}
	x := exchange{write: req.Write, sent: sent, after: -1, err: err}
	var resp *Response
	if answer != nil && answer.RawResponse != nil {
		x.status = answer.StatusCode()
		x.after = askedToWait(answer.Header(), c.cfg.Clock.Now())
		resp = &Response{Status: x.status, Header: answer.Header(), Body: answer.Body()}
	}
	f = disposition(x)
	if f != nil {
		f.Op = req.Op
	}
	if resp != nil && x.status != http.StatusTooManyRequests {
		c.hold.extend(usedUp(resp.Header, c.cfg.Clock.Now()))
	}
	c.log(ctx, req, x, f, time.Since(start))
	return resp, f
}

// wait returns when a request may be sent: the limit that is shared comes first,
// then what the server said, then our own pace.
func (c *Client) wait(ctx context.Context) error {
	if c.cfg.Gate != nil {
		if err := c.cfg.Gate.Wait(ctx); err != nil {
			return err
		}
	}
	if err := c.hold.wait(ctx); err != nil {
		return err
	}
	return c.limiter.wait(ctx)
}

// notSent is a request that was held back until it was too late. Nothing was done.
func notSent(op string, err error) *fault.Error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return fault.New(fault.Retry, op, "stopped before the request was sent").Because(err)
	}
	held := *f
	held.Op = op
	return &held
}

// exchange hands one request to resty. sent reports whether a connection was
// there to send it on; without one the server cannot have seen it.
func (c *Client) exchange(ctx context.Context, req Request, target string) (_ *resty.Response, sent bool, _ error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	r := c.resty.R().SetContext(ctx)
	for name, values := range req.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if req.ContentType != "" {
		r.SetHeader("Content-Type", req.ContentType)
	}
	if req.Body != nil {
		r.SetBody(req.Body)
	}
	answer, err := r.Execute(req.Method, target)
	return answer, connected.Load(), err
}

func (c *Client) log(ctx context.Context, req Request, x exchange, f *fault.Error, took time.Duration) {
	attrs := []any{"op", req.Op, "method", req.Method, "status", x.status, "took", took.Round(time.Millisecond)}
	if f != nil {
		attrs = append(attrs, "disposition", string(f.Disposition))
	}
	c.cfg.Logger.DebugContext(ctx, "exchange", attrs...)
}

func (c *Client) refusalCount() int {
	c.authMu.Lock()
	defer c.authMu.Unlock()
	return c.refusals
}

// renew drops the credentials that were refused and reports whether others may
// follow. seen is the count of refusals when the request was authorized: when
// it has moved, another request has dropped them already, and what is there now
// is newer than what was refused.
func (c *Client) renew(ctx context.Context, seen int) bool {
	if c.cfg.Auth == nil {
		return false
	}
	c.authMu.Lock()
	defer c.authMu.Unlock()
	if c.refusals != seen {
		return true
	}
	if !c.cfg.Auth.Refused(ctx) {
		return false
	}
	c.refusals++
	return true
}
