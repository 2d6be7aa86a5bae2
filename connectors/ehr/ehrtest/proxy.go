package ehrtest

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a connector and an EHR and goes wrong when it is told to.
type proxy struct {
	base    string // what the connector takes for the EHR
	origin  string // scheme and host of the EHR
	own     string // scheme and host of the proxy
	replace bool   // the EHR's address in bodies becomes the proxy's
	client  *http.Client

	mu    sync.Mutex
	fault *Fault
	lose  []string      // methods whose answer is thrown away
	held  chan struct{} // closed when a request arrived that is not answered
	wrote int
}

func newProxy(t *testing.T, target string, replace bool) *proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		t.Fatal("BaseURL is no URL")
	}
	transport := &http.Transport{DisableCompression: true}
	p := &proxy{origin: u.Scheme + "://" + u.Host, replace: replace, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	server := httptest.NewServer(p)
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	p.own = server.URL
	p.base = server.URL + u.Path
	return p
}

// answer makes every request from now on get f instead of the EHR's answer.
func (p *proxy) answer(f Fault) { p.set(func() { p.fault = &f }) }

// loseNext passes the next request of one of the methods on and cuts the line
// instead of answering.
func (p *proxy) loseNext(methods ...string) { p.set(func() { p.lose = methods }) }

// hold leaves requests without an answer until their client gives up. What it
// returns is closed when the first has arrived.
func (p *proxy) hold() <-chan struct{} {
	held := make(chan struct{})
	p.set(func() { p.held = held })
	return held
}

// clear makes everything well again.
func (p *proxy) clear() { p.set(func() { p.fault, p.lose, p.held = nil, nil, nil }) }

func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// writes is how many requests were passed on that change something.
func (p *proxy) writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrote
}

// plan says what to do with a request.
func (p *proxy) plan(r *http.Request) (f *Fault, hold, lose bool) {
	search := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_search")
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.held != nil:
		select {
		case <-p.held:
		default:
			close(p.held)
		}
		return nil, true, false
	case p.fault != nil:
		return p.fault, false, false
	}
	if r.Method != http.MethodGet && !search {
		p.wrote++
	}
	if !search && slices.Contains(p.lose, r.Method) {
		p.lose = nil
		return nil, false, true
	}
	return nil, false, false
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f, hold, lose := p.plan(r)
	switch {
	case hold:
		<-r.Context().Done()
		return
	case f != nil:
		f.write(w)
		return
	}
	resp, answer, err := p.forward(r, body) //nolint:bodyclose // forward closes it
	if err != nil {
		http.Error(w, "the EHR does not answer", http.StatusBadGateway)
		return
	}
	if lose {
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Header {
		for _, v := range values {
			if name != "Content-Length" {
				w.Header().Add(name, strings.ReplaceAll(v, p.origin, p.own))
			}
		}
	}
	if p.replace {
		answer = bytes.ReplaceAll(answer, []byte(p.origin), []byte(p.own))
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // the client has gone: nobody to tell
}

// forward sends the request to the EHR and reads its answer.
func (p *proxy) forward(r *http.Request, body []byte) (*http.Response, []byte, error) {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, p.origin+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Accept-Encoding")
	resp, err := p.client.Do(out)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// write answers with the fault.
func (f Fault) write(w http.ResponseWriter) {
	f.header(w.Header())
	if f.Cut {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(f.Body)))
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
	if f.Cut {
		panic(http.ErrAbortHandler)
	}
}
