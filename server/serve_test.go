package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/server"
)

// TestServeLetsRequestsEnd stops the server while a request is under way.
func TestServeLetsRequestsEnd(t *testing.T) {
	ledger := newLedger(t, nil)
	begun, goOn := make(chan struct{}), make(chan struct{})
	s, err := server.New(server.Options{Ledger: ledger, Tokens: ledger, OpenOnLoopback: true,
		Take: func(context.Context, intake.Submission) (callback.Taken, error) {
			close(begun)
			<-goOn
			return callback.Taken{Disposition: callback.Ignored, Reason: "test"}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan string, 1)
	go func() {
		resp, err := client.Post("http://"+ln.Addr().String()+"/v1/callbacks", "application/json", strings.NewReader(form("f-1")))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- resp.Status + " " + string(body)
	}()
	<-begun
	stop()
	untilRefused(t, ln.Addr().String())
	close(goOn)
	if got := <-answered; !strings.HasPrefix(got, "200 OK") {
		t.Errorf("the request under way got %s", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// untilRefused returns when nobody listens on addr any more.
func untilRefused(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatal("it still listens")
}

// TestServeRefusesOpenAddresses does not let everybody in where there is no token.
func TestServeRefusesOpenAddresses(t *testing.T) {
	ledger := newLedger(t, nil)
	s, err := server.New(server.Options{Ledger: ledger, Tokens: ledger, OpenOnLoopback: true,
		Take: func(context.Context, intake.Submission) (callback.Taken, error) { return callback.Taken{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Serve(ctx, ln); err == nil || !strings.Contains(err.Error(), "ringback tokens create") {
		t.Errorf("Serve: %v", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

// TestNewNeedsItsParts names what is missing.
func TestNewNeedsItsParts(t *testing.T) {
	if _, err := server.New(server.Options{}); err == nil {
		t.Error("a server without a ledger was made")
	}
}
