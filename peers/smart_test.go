//go:build conformance

package peers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestTokenServer holds the token server against SMART: what Ringback is tested
// with must be strict.
func TestTokenServer(t *testing.T) {
	c, jwks := newClient(t, "by-hand")
	server, issuer := newService(t, "token-server.mjs", "--audience", "http://127.0.0.1/fhir", "--client", c.id+"="+jwks, "--scope", everything)
	c.issuer = issuer
	stranger, _ := newClient(t, c.id)

	for _, alg := range []string{"RS384", "ES384"} {
		if status, answer := c.post(t, c.assertion(t, c.header(alg), c.claims()), "system/Task.cruds"); status != http.StatusOK ||
			answer["access_token"] == nil || answer["scope"] != "system/Task.cruds" {
			t.Errorf("a right assertion with %s is answered with %d %v", alg, status, answer)
		}
	}
	used := c.claims()
	c.post(t, c.assertion(t, c.header("RS384"), used), "")

	with := func(r resource, name string, value any) resource { r[name] = value; return r }
	for _, f := range []struct {
		name           string
		header, claims resource
		why            string // what the server says to itself
	}{
		{"a jti that was used", c.header("RS384"), used, "only be used once"},
		{"a jti that was used, with the other key", c.header("ES384"), used, "only be used once"},
		{"no jti", c.header("RS384"), with(c.claims(), "jti", nil), "jti"},
		{"for the FHIR server", c.header("RS384"), with(c.claims(), "aud", "http://127.0.0.1/fhir"), "aud"},
		{"for the server and not its token endpoint", c.header("RS384"), with(c.claims(), "aud", issuer), "aud must be the URL of the token endpoint"},
		{"no audience", c.header("RS384"), with(c.claims(), "aud", nil), "aud"},
		{"expired", c.header("RS384"), with(c.claims(), "exp", time.Now().Add(-time.Minute).Unix()), "expired"},
		{"valid for longer than five minutes", c.header("RS384"), with(c.claims(), "exp", time.Now().Add(6*time.Minute).Unix()), "five minutes"},
		{"never expires", c.header("RS384"), with(c.claims(), "exp", nil), "expiration"},
		{"not valid yet", c.header("RS384"), with(c.claims(), "nbf", time.Now().Add(time.Minute).Unix()), "not active yet"},
		{"RS512", c.header("RS512"), c.claims(), "alg"},
		{"a public key as the secret", c.header("HS384"), c.claims(), "alg"},
		{"not signed", c.header("none"), c.claims(), "alg"},
		{"a key that is not registered", with(c.header("RS384"), "kid", "rsa-2"), c.claims(), "key"},
		{"no kid", with(c.header("RS384"), "kid", nil), c.claims(), "kid"},
		{"another client's iss", c.header("RS384"), with(c.claims(), "iss", "somebody"), "iss"},
		{"a client that is not registered", c.header("RS384"), with(with(c.claims(), "iss", "x"), "sub", "x"), "client not found"},
	} {
		t.Run(f.name, func(t *testing.T) {
			refused(t, c, server, c.assertion(t, f.header, f.claims), f.why)
		})
	}
	t.Run("signed by somebody else", func(t *testing.T) {
		refused(t, c, server, stranger.assertion(t, c.header("RS384"), c.claims()), "signature")
	})
}

// refused wants an assertion to be refused, and the server to say why on its own
// output and not to the client.
func refused(t *testing.T, c *client, server *service, assertion, why string) {
	t.Helper()
	before := len(server.said())
	status, answer := c.post(t, assertion, "")
	if status != http.StatusUnauthorized || answer["error"] != "invalid_client" || answer["access_token"] != nil {
		t.Fatalf("answered with %d %v", status, answer)
	}
	eventually(t, "the server says why", func() (bool, string) {
		said := strings.Join(server.said()[before:], "\n")
		return strings.Contains(said, `"refused"`) && strings.Contains(said, why), said
	})
}

// guarded is Medplum's server behind a token server.
type guarded struct {
	peer
	tokens *service
	issuer string
}

// newGuarded starts both. Clients are registered as ID=JWKS; the tokens live for
// the time that is given.
func newGuarded(t *testing.T, life time.Duration, clients ...string) guarded {
	t.Helper()
	address := freeAddress(t)
	g := guarded{issuer: "http://" + address}
	_, port, _ := strings.Cut(address, ":")
	_, base := newService(t, "fhir-server.mjs", "--auth", g.issuer)
	g.peer = peer{name: "Medplum behind oidc-provider", base: base, tells: strings.TrimSuffix(base, "/fhir/R4") + "/__invalid"}
	args := []string{"token-server.mjs", "--port", port, "--audience", base, "--scope", everything, "--ttl", fmt.Sprint(life.Seconds())}
	for _, c := range clients {
		args = append(args, "--client", c)
	}
	g.tokens, _ = newService(t, args...)
	return g
}

// granted returns how each token for a client was asked for: "RS384 kid".
func (g guarded) granted(client string) (all []string) {
	for _, line := range g.tokens.said() {
		var l struct{ Granted, Alg, Kid string }
		if decode(line, &l) && l.Granted == client {
			all = append(all, l.Alg+" "+l.Kid)
		}
	}
	return all
}

// TestGuardedServer: a server that lets everybody in would prove nothing.
func TestGuardedServer(t *testing.T) {
	c, jwks := newClient(t, "by-hand")
	g := newGuarded(t, 2*time.Second, c.id+"="+jwks)
	c.issuer = g.issuer
	reader, writer := c.ask(t, "system/Task.rs"), c.ask(t, "system/Task.c system/Patient.cruds")
	for _, r := range []struct {
		what, method, path, token string
		status                    int
	}{
		{"nobody reads the capabilities", http.MethodGet, "/metadata", "", 200},
		{"nobody reads where tokens are had", http.MethodGet, "/.well-known/smart-configuration", "", 200},
		{"nobody searches", http.MethodGet, "/Task", "", 401},
		{"a token of no meaning", http.MethodGet, "/Task", "opaque", 401},
		{"a reader searches", http.MethodGet, "/Task", reader, 200},
		{"a reader creates", http.MethodPost, "/Task", reader, 403},
		{"a reader searches for patients", http.MethodGet, "/Patient", reader, 403},
		{"a writer creates", http.MethodPost, "/Task", writer, 201},
		{"a writer searches", http.MethodGet, "/Task", writer, 403},
		{"a writer replaces", http.MethodPut, "/Task/1", writer, 403},
	} {
		if got := status(t, r.method, g.base+r.path, r.token); got != r.status {
			t.Errorf("%s: answered with %d, want %d", r.what, got, r.status)
		}
	}
	eventually(t, "a token ends", func() (bool, string) {
		got := status(t, http.MethodGet, g.base+"/Task", reader)
		return got == http.StatusUnauthorized, fmt.Sprintf("answered with %d", got)
	})
}

// TestSMART runs Ringback with private_key_jwt: tokens live for seconds, the token
// server dies and comes back, and Ringback's own key changes.
func TestSMART(t *testing.T) {
	t.Parallel()
	for _, s := range []struct{ alg, endpoint string }{
		{"RS384", ""},                      // found in the EHR's SMART configuration
		{"ES384", "token_url: %s/token, "}, // configured
	} {
		t.Run(s.alg, func(t *testing.T) {
			t.Parallel()
			staff, jwks := newClient(t, "staff")
			listen := freeAddress(t)
			g := newGuarded(t, 5*time.Second, "ringback=http://"+listen+"/.well-known/jwks.json", "staff="+jwks)
			staff.issuer, g.staff = g.issuer, staff
			g.furnish(t)
			endpoint := s.endpoint
			if endpoint != "" {
				endpoint = fmt.Sprintf(endpoint, g.issuer)
			}
			w := newWorld(t, g.peer, "", settings{listen: listen, auth: "{kind: private_key_jwt, " + endpoint + "client_id: ringback}"})
			w.command(t, "keys", "generate", "--alg", s.alg)
			w.start(t)
			w.baseline(t)

			ids := []string{fileAndClose(t, w)}
			if all := g.granted("ringback"); len(all) == 0 || !strings.HasPrefix(all[0], s.alg+" ") {
				t.Errorf("the tokens were asked for with %q, and not with %s", all, s.alg)
			}
			ids = append(ids, outage(t, w, g)...)
			ids = append(ids, rotated(t, w, g))
			for _, id := range ids {
				w.one(t, id)
			}
			if n := g.count(t, "Task"); n != len(ids) {
				t.Errorf("%d callbacks, and %d work items", len(ids), n)
			}
			for _, line := range g.tokens.said() {
				if strings.Contains(line, `"refused"`) {
					t.Errorf("the token server has refused a request: %s", line)
				}
			}
			w.judge(t)
		})
	}
}

// fileAndClose takes one callback from its request to the visit.
func fileAndClose(t *testing.T, w *world) (id string) {
	t.Helper()
	who := somebody()
	chart := w.ehr.register(t, who)
	id = w.ask(t, who, nil)
	w.inStep(t, id)
	w.closedBy(t, id, w.ehr.book(t, visit{patient: chart, created: time.Now()}), "strong")
	w.inStep(t, id)
	return id
}

// outage kills the token server until Ringback has no token left and says so, while
// callbacks come in, and starts it again, with another key to sign with.
func outage(t *testing.T, w *world, g guarded) (ids []string) {
	t.Helper()
	g.tokens.stop()
	some := func() {
		for range 10 {
			ids = append(ids, w.ask(t, somebody(), nil))
		}
	}
	some()
	// The last token is still good for a while.
	eventually(t, "it says that the EHR does not work", func() (bool, string) {
		return strings.Contains(w.logged(), alert), "it does not"
	})
	some()
	up := time.Now()
	g.tokens.start(t)
	for _, id := range ids {
		w.inStep(t, id)
	}
	eventually(t, "it says that the EHR answers again", func() (bool, string) {
		return strings.Contains(w.logged(), recovery), "it does not"
	})
	if alerts, recoveries := strings.Count(w.logged(), alert), strings.Count(w.logged(), recovery); alerts != 1 || recoveries != 1 {
		t.Errorf("one outage, and %d alerts that it began and %d that it is over", alerts, recoveries)
	}
	t.Logf("%d callbacks came in while there was no token server; all were filed %s after it was back", len(ids), time.Since(up).Round(time.Second))
	return ids
}

// rotated changes Ringback's key while it runs and takes one more callback through.
func rotated(t *testing.T, w *world, g guarded) (id string) {
	t.Helper()
	before := g.granted("ringback")
	w.command(t, "keys", "rotate", "--force")
	eventually(t, "the next key signs", func() (bool, string) {
		all := g.granted("ringback")
		return all[len(all)-1] != before[len(before)-1], fmt.Sprintf("%q", all[len(before)-1:])
	})
	return fileAndClose(t, w)
}

// count returns how many resources of a type there are.
func (p peer) count(t testing.TB, resourceType string) int {
	t.Helper()
	var bundle struct{ Total int }
	p.do(t, http.MethodGet, p.base+"/"+resourceType+"?"+url.Values{"_total": {"accurate"}}.Encode(), nil, nil, &bundle)
	return bundle.Total
}
