package rest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
)

const (
	findTokenEndpoint = "find token endpoint"
	smartPath         = "/.well-known/smart-configuration"
	// discoveryLife is how long what was found holds, so that a server which moves
	// its token endpoint or changes its algorithms is followed the same day.
	discoveryLife = time.Hour
	// discoveryTimeout leaves time for the token request that follows.
	discoveryTimeout = 5 * time.Second
)

// smartConfiguration is what a server says of its authorization (SMART App Launch
// 2.2, "Conformance").
type smartConfiguration struct {
	TokenEndpoint string   `json:"token_endpoint"`
	Algorithms    []string `json:"token_endpoint_auth_signing_alg_values_supported"` // nil: not told
}

// discovery looks up the SMART configuration of a server and remembers it.
type discovery struct {
	base      string
	allowHTTP bool
	headers   []Header
	clock     clock.Clock
	http      *http.Client

	mu    sync.Mutex
	found smartConfiguration
	until time.Time // look again from here on
}

// doubt makes the next find look again.
func (d *discovery) doubt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = time.Time{}
}

// find returns the configuration. What was found before is better than a failure to
// find it again.
func (d *discovery) find(ctx context.Context) (smartConfiguration, error) {
	d.mu.Lock()
	defer d.mu.Unlock() // one fetch at a time; the token source asks one at a time anyway
	now := d.clock.Now()
	if now.Before(d.until) {
		return d.found, nil
	}
	found, err := d.fetch(ctx)
	switch {
	case err == nil:
		d.found, d.until = found, now.Add(discoveryLife)
	case d.found.TokenEndpoint != "":
		return d.found, nil
	}
	return d.found, err
}

// peek returns the configuration where there is one, and the zero value where there
// is none: it is looked for no more often than one that is needed.
func (d *discovery) peek(ctx context.Context) smartConfiguration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	if now.Before(d.until) {
		return d.found
	}
	if found, err := d.fetch(ctx); err == nil {
		d.found = found
	}
	d.until = now.Add(discoveryLife)
	return d.found
}

func (d *discovery) fetch(ctx context.Context) (smartConfiguration, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	hint := "set auth.token_url, or open base_url" + smartPath + " from this machine and see what answers"
	refuse := func(disposition fault.Disposition, what string, status int) (smartConfiguration, error) {
		return smartConfiguration{}, fault.New(disposition, findTokenEndpoint, what).WithStatus(status).WithHint(hint)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(d.base, "/")+smartPath, nil)
	if err != nil {
		return refuse(fault.Permanent, "base_url cannot be used", 0)
	}
	setHeaders(req.Header, d.headers)
	req.Header.Set("Accept", "application/json")
	resp, err := d.http.Do(req)
	if err != nil {
		f := disposition(exchange{err: err})
		f.Op, f.What = findTokenEndpoint, "SMART configuration: "+f.What
		return smartConfiguration{}, f
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenResponse))
	if err != nil {
		return refuse(fault.Retry, "SMART configuration: the connection broke before the answer was complete", resp.StatusCode)
	}
	if f := disposition(exchange{status: resp.StatusCode, after: askedToWait(resp.Header, d.clock.Now())}); f != nil {
		if again := f.Disposition == fault.Retry || f.Disposition == fault.Throttled; again && resp.StatusCode >= 400 {
			f.Op, f.What = findTokenEndpoint, "SMART configuration: "+f.What
			return smartConfiguration{}, f
		}
		return refuse(fault.Permanent, "the server has no SMART configuration to offer", resp.StatusCode)
	}
	var found smartConfiguration
	if err := json.Unmarshal(body, &found); err != nil {
		return refuse(fault.Permanent, "the SMART configuration cannot be read", resp.StatusCode)
	}
	if _, err := parseEndpoint("token_endpoint", found.TokenEndpoint, d.allowHTTP); err != nil {
		return refuse(fault.Permanent, "the SMART configuration names no usable token endpoint: "+err.Error(), 0)
	}
	return found, nil
}
