package server_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/server"
)

const jwks = "/.well-known/jwks.json"

func TestJWKS(t *testing.T) {
	var set atomic.Value
	set.Store(`{"keys":[{"kid":"1"}]}`)
	r := newRig(t, func(o *server.Options) {
		o.JWKS = func() ([]byte, error) { return []byte(set.Load().(string)), nil }
		o.OpenOnLoopback = false
	})
	r.addToken("someone", callback.RoleAdmin) // also where tokens are needed for the rest
	r.get("/v1/callbacks").want(http.StatusUnauthorized)

	a := r.get(jwks).want(http.StatusOK)
	if string(a.body) != `{"keys":[{"kid":"1"}]}` || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("%s %v", a.body, a.header)
	}
	etag := a.header.Get("ETag")
	if again := r.get(jwks, "If-None-Match", etag).want(http.StatusNotModified); len(again.body) != 0 || again.header.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("%s %v", again.body, again.header)
	}
	set.Store(`{"keys":[{"kid":"2"}]}`) // rotated: no restart is needed
	if a := r.get(jwks, "If-None-Match", etag).want(http.StatusOK); string(a.body) != `{"keys":[{"kid":"2"}]}` {
		t.Errorf("%s", a.body)
	}
	if a := r.request(http.MethodHead, jwks, nil).want(http.StatusOK); len(a.body) != 0 || a.header.Get("ETag") == "" {
		t.Errorf("%s %v", a.body, a.header)
	}
	r.post(jwks, "{}").problem(http.StatusMethodNotAllowed)
	if !strings.Contains(r.log.String(), `"route":"`+jwks+`"`) {
		t.Error("it is not logged by its route")
	}
}

func TestJWKSThatCannotBeRead(t *testing.T) {
	r := newRig(t, func(o *server.Options) {
		o.JWKS = func() ([]byte, error) {
			return nil, fault.New(fault.Permanent, "read the signing keys", "there is no keys.json").Because(errors.New("canary"))
		}
	})
	a := r.get(jwks)
	if p := a.problem(http.StatusInternalServerError); a.header.Get("Cache-Control") != "no-store" || strings.Contains(p.Detail, "keys.json") {
		t.Errorf("%+v %v", p, a.header)
	}
	if log := r.log.String(); !strings.Contains(log, "there is no keys.json") || strings.Contains(log, "canary") {
		t.Errorf("the log does not say why: %s", log)
	}
}

func TestNoJWKSWithoutKeys(t *testing.T) {
	newRig(t).get(jwks).problem(http.StatusNotFound)
}
