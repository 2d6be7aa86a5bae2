package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/server"
	"github.com/ringback-health/ringback/store"
)

// slowLedger counts transactions, holds the first one back until it is let go, and
// refuses what holds a poison.
type slowLedger struct {
	*store.Store
	calls atomic.Int64
	first sync.Once
	began chan struct{}
	let   chan struct{}
}

func (l *slowLedger) Hear(ctx context.Context, events []callback.Told) (int, error) {
	l.calls.Add(1)
	l.first.Do(func() { close(l.began); <-l.let })
	for _, e := range events {
		if string(e.Body) == "poison" {
			return 0, errors.New("canary of the inside")
		}
	}
	return l.Store.Hear(ctx, events)
}

// phoned is a server with one phone system whose requests are good when they say so.
func phoned(t *testing.T, busy func(netip.Addr, http.Header, time.Time) (server.PhoneReceipt, bool)) (*rig, *slowLedger, *atomic.Int64) {
	t.Helper()
	l := &slowLedger{began: make(chan struct{}), let: make(chan struct{})}
	heard := &atomic.Int64{}
	r := newRig(t, func(o *server.Options) {
		l.Store = o.Ledger.(*store.Store)
		o.Ledger = l
		o.Phones = []server.PhoneHook{{Clinic: "main-street", Phone: "main-line", Heard: func() { heard.Add(1) }, Busy: busy,
			Receive: func(method, _ string, h http.Header, body []byte, at time.Time) (server.PhoneReceipt, error) {
				switch {
				case method != http.MethodPost:
					return server.PhoneReceipt{}, &server.PhoneRefused{Status: http.StatusMethodNotAllowed, Reason: "set it to POST"}
				case h.Get("X-Good") == "":
					return server.PhoneReceipt{}, &server.PhoneRefused{Status: http.StatusUnauthorized, Reason: "the signature is another one"}
				case h.Get("X-Hello") != "":
					return server.PhoneReceipt{Status: http.StatusOK, Header: http.Header{"X-Hello": {h.Get("X-Hello")}}, Body: []byte("hello")}, nil
				}
				return server.PhoneReceipt{Events: []calls.Event{{Key: string(body), Body: body, At: at}}}, nil
			}}}
	})
	return r, l, heard
}

func (r *rig) phone(method, body string, header http.Header) (status int, answer string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+server.PhonePath("main-street", "main-line"), strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	req.Header = header
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Error(err)
	}
	return res.StatusCode, string(b)
}

func good() http.Header { return http.Header{"X-Good": {"yes"}} }

func (l *slowLedger) stored(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for {
		events, err := l.Unread(t.Context(), "main-street", "main-line", 500)
		if err != nil {
			t.Fatal(err)
		}
		var read []callback.Reading
		for _, e := range events {
			all[string(e.Body)] = true
			read = append(read, callback.Reading{Told: e, Skip: "seen"})
		}
		if len(events) == 0 {
			return all
		}
		if err := l.Heard(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPhoneSystemsTell(t *testing.T) {
	r, l, heard := phoned(t, nil)
	close(l.let)
	for _, c := range []struct {
		name   string
		method string
		body   string
		header http.Header
		status int
		answer string
		heard  int64
	}{
		{"a call", http.MethodPost, "a canary", good(), http.StatusNoContent, "", 1},
		{"without a signature", http.MethodPost, "b", http.Header{}, http.StatusUnauthorized, "", 1},
		{"by GET", http.MethodGet, "", good(), http.StatusMethodNotAllowed, "", 1},
		{"a handshake", http.MethodPost, "c", http.Header{"X-Good": {"yes"}, "X-Hello": {"abc"}}, http.StatusOK, "hello", 1},
		{"too much", http.MethodPost, strings.Repeat("x", 1<<20+1), good(), http.StatusRequestEntityTooLarge, "", 1},
		{"the ledger fails", http.MethodPost, "poison", good(), http.StatusServiceUnavailable, "", 1},
		{"the same again", http.MethodPost, "a canary", good(), http.StatusNoContent, "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, answer := r.phone(c.method, c.body, c.header)
			if status != c.status || answer != c.answer || heard.Load() != c.heard {
				t.Errorf("%d %q, woken %d times", status, answer, heard.Load())
			}
		})
	}
	if all := l.stored(t); len(all) != 1 || !all["a canary"] {
		t.Errorf("%d events are stored", len(all))
	}
	log := r.log.String()
	if strings.Contains(log, "a canary") || !strings.Contains(log, "the signature is another one") || !strings.Contains(log, "set it to POST") {
		t.Error("the log tells too much, or too little")
	}
}

// TestAMorningOfCalls: what comes while something is stored waits for one transaction,
// not for one each, and one that cannot be stored takes none with it.
func TestAMorningOfCalls(t *testing.T) {
	r, l, _ := phoned(t, nil)
	const n = 300
	var wg sync.WaitGroup
	statuses := make([]int, n)
	send := func(i int, body string) {
		wg.Go(func() { statuses[i], _ = r.phone(http.MethodPost, body, good()) })
	}
	send(0, "call 0")
	<-l.began
	for i := 1; i < n; i++ {
		body := fmt.Sprint("call ", i)
		if i == 7 {
			body = "poison"
		}
		send(i, body)
	}
	close(l.let)
	wg.Wait()
	all := l.stored(t)
	for i := range n {
		want := http.StatusNoContent
		if i == 7 {
			want = http.StatusServiceUnavailable
		}
		if statuses[i] != want || all[fmt.Sprint("call ", i)] != (i != 7) {
			t.Errorf("call %d: answered %d, stored %t", i, statuses[i], all[fmt.Sprint("call ", i)])
		}
	}
	t.Logf("%d requests in %d transactions", n, l.calls.Load())
}

func TestTooManyOfOneClient(t *testing.T) {
	left := 2
	r, l, _ := phoned(t, func(client netip.Addr, _ http.Header, _ time.Time) (server.PhoneReceipt, bool) {
		left--
		return server.PhoneReceipt{Status: http.StatusTooManyRequests}, left < 0 || client.String() != "127.0.0.1"
	})
	close(l.let)
	for i, want := range []int{http.StatusNoContent, http.StatusNoContent, http.StatusTooManyRequests} {
		if status, _ := r.phone(http.MethodPost, fmt.Sprint(i), good()); status != want {
			t.Errorf("request %d: %d", i, status)
		}
	}
}
