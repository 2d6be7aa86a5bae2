package sandbox_test

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/ringback-health/ringback/sandbox"
)

const formType = "application/x-www-form-urlencoded"

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func TestToken(t *testing.T) {
	e := start(t, sandbox.Options{RequireAuth: true, ClientID: "ringback", ClientSecret: "a b+c", TokenLife: time.Minute})
	endpoint := e.do(http.StatusOK, "GET", "/.well-known/smart-configuration", "").doc["token_endpoint"].(string)
	e.do(http.StatusOK, "GET", "/metadata", "")
	if a := e.do(http.StatusUnauthorized, "GET", "/Task", ""); a.Header.Get("WWW-Authenticate") == "" {
		t.Error("a 401 without WWW-Authenticate")
	}
	grant := form("grant_type", "client_credentials", "scope", "system/Task.cruds system/Patient.read system/Other.read openid")
	for name, c := range map[string]struct {
		status     int
		body, head string
	}{
		"form":               {200, grant + "&" + form("client_id", "ringback", "client_secret", "a b+c"), ""},
		"basic, encoded":     {200, grant, basic("ringback", "a+b%2Bc")},
		"wrong secret":       {401, grant + "&" + form("client_id", "ringback", "client_secret", "x"), ""},
		"wrong client":       {401, grant, basic("other", "a+b%2Bc")},
		"basic, not encoded": {401, grant, basic("ringback", "a b%zz")},
		"no client":          {401, grant, ""},
		"another grant":      {400, form("grant_type", "password", "client_id", "ringback", "client_secret", "a b+c"), ""},
		"no scope it grants": {400, form("grant_type", "client_credentials", "scope", "openid system/Task.x system/Task.", "client_id", "ringback", "client_secret", "a b+c"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := e.in(t).do(c.status, "POST", endpoint, c.body, "Content-Type", formType, "Authorization", c.head)
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Error("an answer of the token endpoint may be cached")
			}
			if c.status == 200 && (a.doc["scope"] != "system/Task.cruds system/Patient.read" || a.doc["expires_in"] != 60.0 || a.doc["token_type"] != "Bearer") {
				t.Errorf("got %s", a.text)
			}
		})
	}
	e.do(http.StatusMethodNotAllowed, "GET", endpoint, "")

	bearer := "Bearer " + e.do(200, "POST", endpoint, grant, "Content-Type", formType, "Authorization", basic("ringback", "a+b%2Bc")).doc["access_token"].(string)
	e.do(http.StatusCreated, "POST", "/Task", task, "Authorization", bearer)
	e.do(http.StatusOK, "GET", "/Patient?name=x", "", "Authorization", bearer)
	e.do(http.StatusForbidden, "POST", "/Patient", `{"resourceType":"Patient"}`, "Authorization", bearer)
	e.do(http.StatusForbidden, "GET", "/Appointment", "", "Authorization", bearer)
	e.do(http.StatusUnauthorized, "GET", "/Task", "", "Authorization", "Bearer other")
	e.clock.Advance(time.Minute - time.Millisecond)
	e.do(200, "POST", endpoint, grant, "Content-Type", formType, "Authorization", basic("ringback", "a+b%2Bc"))
	e.do(http.StatusOK, "GET", "/Task", "", "Authorization", bearer) // a newer token ends no older one
	e.clock.Advance(time.Millisecond)
	e.do(http.StatusUnauthorized, "GET", "/Task", "", "Authorization", bearer)
}

func TestTokenOfAnOpenServer(t *testing.T) {
	e := start(t, sandbox.Options{})
	a := e.do(200, "POST", e.root+"/token", form("grant_type", "client_credentials"), "Content-Type", formType, "Authorization", basic("anyone", "x"))
	if a.doc["scope"] != "system/*.cruds" || a.doc["expires_in"] != 300.0 {
		t.Errorf("got %s", a.text)
	}
	e.do(http.StatusOK, "GET", "/Task", "")
}
