package server_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/server"
)

// TestRoles tries each role on each kind of operation.
func TestRoles(t *testing.T) {
	r := newRig(t)
	at := "/v1/callbacks/" + r.create("f-1")
	link := "/v1/links/" + r.get(at).object()["links"].([]any)[0].(map[string]any)["link_id"].(string)
	operations := []struct {
		method, path, body string
		intake             int // what a token of role intake gets
		staff              int
	}{
		{"POST", "/v1/callbacks", form("f-1"), 200, 200},
		{"GET", "/v1/callbacks", "", 403, 200},
		{"GET", at, "", 403, 200},
		{"POST", at + "/assign", `{"owner":"front-desk"}`, 403, 200},
		{"POST", at + "/attempts", `{"result":"busy"}`, 403, 200},
		{"POST", at + "/close", `{"outcome":"spam"}`, 403, 200},
		{"POST", at + "/reopen", `{"reason":"x"}`, 403, 200},
		{"GET", "/v1/links", "", 403, 200},
		{"GET", link, "", 403, 200},
		{"POST", link + "/retry", "", 403, 200},
		{"POST", link + "/discard", `{"reason":"x"}`, 403, 200},
		{"GET", "/", "", 403, 200},
		{"GET", "/links", "", 403, 200},
		{"GET", "/livez", "", 200, 200},
		{"GET", "/readyz", "", 200, 200},
		{"GET", "/docs", "", 200, 200},
		{"GET", "/openapi.json", "", 200, 200},
	}
	intake, staff, admin := r.withToken(callback.RoleIntake), r.withToken(callback.RoleStaff), r.withToken(callback.RoleAdmin)
	for _, op := range operations {
		send := func(r *rig) answer { return r.request(op.method, op.path, strings.NewReader(op.body)) }
		send(intake).want(op.intake)
		send(staff).want(op.staff)
		send(admin).want(op.staff)
		if strings.HasPrefix(op.path, "/v1") {
			a := send(r)
			a.problem(http.StatusUnauthorized)
			if a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", op.path)
			}
		}
	}
}

// TestAnIntakeTokenLearnsNothingOfAPerson merges its request into somebody
// else's callback.
func TestAnIntakeTokenLearnsNothingOfAPerson(t *testing.T) {
	r := newRig(t)
	r.create("f-1")
	intake := r.withToken(callback.RoleIntake)
	body := `{"source":"other","source_id":"1","clinic":"main-street","caller":{"phone":"+15552010103"}}`
	a := intake.post("/v1/callbacks", body).want(http.StatusOK)
	if a.object()["disposition"] != "merged" {
		t.Fatalf("not merged: %s", a.body)
	}
	for _, secret := range []string{"Ann", "example.org", "1985", "appointment", "+1555"} {
		if strings.Contains(string(a.body), secret) {
			t.Errorf("%q shows: %s", secret, a.body)
		}
	}
}

// TestTokensThatDoNotOpen sends what is not, or no longer, a token.
func TestTokensThatDoNotOpen(t *testing.T) {
	r := newRig(t)
	plain := r.addToken("desk", callback.RoleStaff)
	good := "Bearer " + plain
	r.get("/v1/callbacks", "Authorization", good).want(http.StatusOK)
	r.get("/v1/callbacks", "Authorization", "bearer "+plain).want(http.StatusOK)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer rbk_", good + "x", "Basic " + plain, plain, "Bearer x" + plain} {
		r.get("/v1/callbacks", "Authorization", header).problem(http.StatusUnauthorized)
	}
	r.get("/v1/callbacks", "Cookie", "ringback_token="+plain).problem(http.StatusUnauthorized)
	if err := r.ledger.RevokeToken(t.Context(), "desk", r.clock.Now()); err != nil {
		t.Fatal(err)
	}
	r.get("/v1/callbacks", "Authorization", good).problem(http.StatusUnauthorized)
	r.get("/v1/callbacks").problem(http.StatusUnauthorized)
	if strings.Contains(r.log.String(), plain) {
		t.Error("a token was logged")
	}
}

// TestOpenOnLoopback lets in the machine itself, and nothing that only seems to be it.
func TestOpenOnLoopback(t *testing.T) {
	r := newRig(t)
	r.get("/v1/callbacks").want(http.StatusOK)
	for _, host := range []string{"localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "LOCALHOST"} {
		r.get("/v1/callbacks", "Host", host).want(http.StatusOK)
	}
	for _, host := range []string{"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]:80"} {
		r.get("/v1/callbacks", "Host", host).problem(http.StatusForbidden)
		r.get("/metrics", "Host", host).problem(http.StatusForbidden)
		if a := r.get("/", "Host", host); a.status != http.StatusForbidden {
			t.Errorf("console for %s: %d", host, a.status)
		}
	}
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "Via", "X-Forwarded-Host"} {
		r.get("/v1/callbacks", h, "x").problem(http.StatusUnauthorized)
	}
	r.post("/v1/callbacks", form("f-1"), "Origin", r.url).want(http.StatusCreated)
	r.post("/v1/callbacks", form("f-2"), "Origin", "https://evil.example").problem(http.StatusForbidden)
	r.post("/v1/callbacks", form("f-2"), "Sec-Fetch-Site", "cross-site").problem(http.StatusForbidden)
	r.post("/v1/callbacks", form("f-2"), "Origin", "null").problem(http.StatusForbidden)

	closed := newRig(t, func(o *server.Options) { o.OpenOnLoopback = false })
	closed.get("/v1/callbacks").problem(http.StatusUnauthorized)

	r.addToken("desk", callback.RoleIntake)
	r.get("/v1/callbacks").problem(http.StatusUnauthorized)
}

// TestCheckListen says where a server without tokens may listen.
func TestCheckListen(t *testing.T) {
	for _, c := range []struct {
		addr   string
		tokens bool
		ok     bool
	}{
		{"127.0.0.1:8080", false, true}, {"localhost:8080", false, true}, {"[::1]:8080", false, true}, {"127.8.8.8:1", false, true},
		{":8080", false, false}, {"0.0.0.0:8080", false, false}, {"[::]:8080", false, false}, {"10.0.0.5:8080", false, false}, {"clinic.example:80", false, false},
		{":8080", true, true}, {"8080", true, false}, {"", false, false},
	} {
		err := server.CheckListen(c.addr, c.tokens)
		if (err == nil) != c.ok {
			t.Errorf("CheckListen(%q, %v) = %v", c.addr, c.tokens, err)
		}
		if err != nil && !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("the error does not say what to do: %v", err)
		}
	}
}

// TestNewToken makes tokens that differ, and refuses what cannot be one.
func TestNewToken(t *testing.T) {
	a, tokA, err := server.NewToken("desk", callback.RoleStaff, monday)
	if err != nil {
		t.Fatal(err)
	}
	b, tokB, _ := server.NewToken("desk", callback.RoleStaff, monday)
	if a.Reveal() == b.Reveal() || tokA.Hash == tokB.Hash || len(a.Reveal()) != 4+43 || len(tokA.Hash) != 64 || strings.Contains(tokA.Hash, a.Reveal()[4:]) {
		t.Errorf("tokens %d %+v %+v", len(a.Reveal()), tokA, tokB)
	}
	for _, c := range []struct {
		name string
		role callback.Role
	}{{"", callback.RoleStaff}, {"a\nb", callback.RoleStaff}, {strings.Repeat("a", 101), callback.RoleStaff}, {"desk", "root"}, {"desk", ""}} {
		if plain, _, err := server.NewToken(c.name, c.role, monday); !errors.Is(err, callback.ErrInvalid) || plain != (redact.Secret{}) {
			t.Errorf("NewToken(%q, %q) = %v", c.name, c.role, err)
		}
	}
}

// TestSignIn goes the way of a person at the console.
func TestSignIn(t *testing.T) {
	r := newRig(t)
	id := r.create("f-1")
	staff, intake := r.addToken("desk", callback.RoleStaff), r.addToken("form", callback.RoleIntake)

	a := r.get("/callbacks/" + id + "?refresh=off").want(http.StatusSeeOther)
	login := a.header.Get("Location")
	if login != "/login?next="+url.QueryEscape("/callbacks/"+id+"?refresh=off") {
		t.Errorf("sent to %s", login)
	}
	if page := string(r.get(login).want(http.StatusOK).body); !strings.Contains(page, `type="password"`) {
		t.Error("no form")
	}
	send := func(token, next string, headers ...string) answer {
		return r.post("/login", url.Values{"token": {token}, "next": {next}}.Encode(),
			append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
	}
	if page := string(send("rbk_wrong", "/").want(http.StatusUnauthorized).body); strings.Contains(page, "rbk_wrong") || !strings.Contains(page, `role="alert"`) {
		t.Errorf("page: %s", page)
	}
	send(intake, "/").want(http.StatusForbidden)
	send(staff, "/", "Origin", "https://evil.example").want(http.StatusForbidden)

	a = send(" "+staff+"\n", "/callbacks/"+id).want(http.StatusSeeOther)
	if got := a.header.Get("Location"); got != "/callbacks/"+id {
		t.Errorf("sent to %s", got)
	}
	cookie := a.header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie without %s", part)
		}
	}
	value, _, _ := strings.Cut(cookie, ";")
	if page := string(r.get("/", "Cookie", value).want(http.StatusOK).body); !strings.Contains(page, "Sign out") {
		t.Error("not signed in")
	}
	r.get("/", "Cookie", value+"x").want(http.StatusSeeOther)
	if over := send(staff, "/", "X-Forwarded-Proto", "https").header.Get("Set-Cookie"); !strings.Contains(over, "Secure") {
		t.Error("cookie behind TLS is not Secure")
	}
	out := r.post("/logout", "", "Cookie", value).want(http.StatusSeeOther)
	if got := out.header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") {
		t.Errorf("cookie after signing out: %q", got)
	}
	for _, next := range []string{"https://evil.example", "//evil.example", "////evil.example", `/\evil.example`, "javascript:alert(1)", "evil", "", "/\r\nx"} {
		if got := send(staff, next).want(http.StatusSeeOther).header.Get("Location"); got != "/" {
			t.Errorf("next=%q leads to %q", next, got)
		}
	}
}
