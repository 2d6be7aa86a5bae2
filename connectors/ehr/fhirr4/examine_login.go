package fhirr4

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/doctor/reach"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/rest"
	"github.com/ringback-health/ringback/internal/scopes"
)

// smart is what an EHR says of its logins (SMART App Launch 2.2, "Conformance").
type smart struct {
	TokenEndpoint string   `json:"token_endpoint"`
	Grants        []string `json:"grant_types_supported"`
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"token_endpoint_auth_signing_alg_values_supported"`
}

// byToken reports whether a token is fetched.
func (a Auth) byToken() bool { return a.grant() != "" }

// grant is the name of the OAuth grant, "" for a login without one.
func (a Auth) grant() string {
	switch a.Kind {
	case authClientCredentials, authPrivateKeyJWT:
		return "client_credentials"
	case authRefreshToken:
		return "refresh_token"
	default:
		return ""
	}
}

// signs reports whether the client proves itself with a key.
func (a Auth) signs() bool {
	return a.Kind == authPrivateKeyJWT || a.Kind == authRefreshToken && a.SigningKeysFile != ""
}

// method is how the client proves itself, in the words of OAuth; "" for one that
// does not.
func (a Auth) method() string {
	switch {
	case a.signs():
		return "private_key_jwt"
	case cmp.Or(a.ClientSecretEnv, a.ClientSecretFile) == "":
		return ""
	case a.Style == rest.StyleForm:
		return "client_secret_post"
	default:
		return "client_secret_basic"
	}
}

const smartPath = ".well-known/smart-configuration"

// discovery reads the SMART configuration and holds ours against it.
func (e *exam) discovery(ctx context.Context) {
	ctx, cancel := step(ctx)
	defer cancel()
	auth := e.c.cfg.Auth
	needed := auth.byToken() && auth.TokenURL == ""
	resp, err := e.open.Do(ctx, rest.Request{Op: "read SMART configuration", Method: http.MethodGet, Path: smartPath,
		Header: http.Header{"Accept": {"application/json"}}})
	var said smart
	switch {
	case err == nil && json.Unmarshal(resp.Body, &said) == nil && said.TokenEndpoint != "":
		e.smart = said
		e.compare(auth, said)
	case fault.Is(err, fault.Unauthorized):
		e.skip("the EHR shows it only after the login", checkDiscovery)
	case needed && err != nil:
		whose, what, _ := told(err)
		e.note(checkDiscovery, doctor.Failed, whose, "the EHR does not say where tokens are fetched: "+smartPath+": "+what,
			"ask the EHR's operator for the address of the token endpoint and set auth.token_url")
	case needed:
		e.note(checkDiscovery, doctor.Failed, doctor.You, smartPath+" holds something else than a SMART configuration",
			"check base_url: it may point to a login page or a portal; or set auth.token_url")
	case auth.byToken():
		e.note(checkDiscovery, doctor.Note, doctor.Nobody, "the EHR has no SMART configuration; auth.token_url says where tokens are fetched", "")
	default:
		e.note(checkDiscovery, doctor.Note, doctor.Nobody, "the EHR has no SMART configuration; this login needs none", "")
	}
}

// compare holds what is configured against what the EHR says.
func (e *exam) compare(auth Auth, said smart) {
	lacks := func(offered []string, wanted ...string) bool {
		return len(offered) > 0 && !slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(offered, w) })
	}
	var wrong []string
	if auth.TokenURL != "" && auth.TokenURL != said.TokenEndpoint {
		wrong = append(wrong, "it hands out tokens at "+said.TokenEndpoint+", and auth.token_url is "+auth.TokenURL)
	}
	if grant := auth.grant(); grant != "" && lacks(said.Grants, grant) {
		wrong = append(wrong, "it does not name the grant "+grant+"; it names "+list(said.Grants))
	}
	if method := auth.method(); method != "" && lacks(said.Methods, method) {
		wrong = append(wrong, "it does not name the login "+method+"; it names "+list(said.Methods))
	}
	if auth.signs() && lacks(said.Algorithms, "RS384", "ES384") {
		wrong = append(wrong, "it verifies neither RS384 nor ES384; it names "+list(said.Algorithms))
	}
	if !auth.byToken() {
		e.note(checkDiscovery, doctor.Note, doctor.Nobody, "the EHR offers logins by token at "+said.TokenEndpoint+"; auth.kind is "+auth.Kind, "")
		return
	}
	if len(wrong) > 0 {
		e.say(doctor.Finding{Check: checkDiscovery, Status: doctor.Warning, Whose: doctor.You, What: "the EHR describes its login otherwise than this configuration", More: wrong,
			Do: "if the token below is granted all the same, its description is incomplete; otherwise follow it"})
		return
	}
	as := ""
	if auth.TokenURL != "" {
		as = ", as configured"
	}
	e.note(checkDiscovery, doctor.OK, doctor.Nobody, "tokens are fetched at "+said.TokenEndpoint+as, "")
}

// login fetches a token and looks at what it is good for.
func (e *exam) login(ctx context.Context) {
	granter, ok := e.c.auth.(rest.Granter)
	if !ok {
		e.token = true
		e.noToken()
		return
	}
	if at := cmp.Or(e.c.cfg.Auth.TokenURL, e.smart.TokenEndpoint); at != "" && !e.sameHost(at) {
		target := reach.Target{URL: at, Key: "auth.token_url", Prefix: "token-"}
		if !reach.Examine(ctx, target, reach.Options{Clock: e.c.clock}, e.say) {
			e.skip("the token endpoint cannot be reached", checkToken)
			return
		}
	}
	ctx, cancel := step(ctx)
	defer cancel()
	grant, err := granter.Granted(ctx)
	if err != nil {
		e.noGrant(err)
		return
	}
	e.token, e.grant = true, &grant
	e.note(checkToken, doctor.OK, doctor.Nobody, fmt.Sprintf("the EHR grants a token, good for %s", grant.ExpiresIn.Round(time.Second)), "")
}

// noToken says why there is no token to look at.
func (e *exam) noToken() {
	if e.c.auth == nil {
		e.note(checkToken, doctor.Note, doctor.Nobody, "no login is configured (auth.kind: none): everybody who reaches this EHR may read it",
			"set auth, unless this is a sandbox")
	} else {
		e.note(checkToken, doctor.Skipped, doctor.Nobody, "not tried, because a login of the kind "+e.c.cfg.Auth.Kind+" fetches no token: whether the EHR takes it shows in the searches below", "")
	}
}

func (e *exam) sameHost(rawURL string) bool {
	a, errA := url.Parse(rawURL)
	b, errB := url.Parse(e.c.rest.BaseURL())
	return errA == nil && errB == nil && a.Scheme == b.Scheme && a.Host == b.Host
}

// refusals say the error codes of a token endpoint (RFC 6749 §5.2) to a person.
var refusals = []struct {
	code, what, do string
	whose          doctor.Party
}{
	{"invalid_client", "the EHR does not accept this client (invalid_client)",
		"compare client_id with the EHR's registration; check that the client is active there (it can take half a day to be), and that the secret is right, or that the EHR knows the public key: ringback keys list. " +
			"Some EHRs also say this when token_url is not exactly their own address, or when the clocks differ", doctor.EHRAdmin},
	{"invalid_scope", "the EHR does not grant a scope that is asked for (invalid_scope)",
		"have the scopes in auth.scopes granted to this client in the EHR, or take those out that it does not know", doctor.EHRAdmin},
	{"invalid_grant", "the EHR refuses the proof of this client (invalid_grant)",
		"check that token_url is exactly the EHR's address, for it is what the proof is made out to, that the clocks agree, and that the client is mapped to a user in the EHR; a refresh token may be used up", doctor.EHRAdmin},
	{"unauthorized_client", "the EHR knows this client and does not let it log in without a person (unauthorized_client)",
		"have the client registered for backend services (the grant client_credentials)", doctor.EHRAdmin},
	{"unsupported_grant_type", "the EHR does not offer this kind of login (unsupported_grant_type)",
		"ask the EHR's operator how systems log in, and set auth.kind", doctor.You},
	{"access_denied", "the EHR denies access to this client (access_denied)", "ask the EHR's operator to let it in", doctor.EHRAdmin},
	{"invalid_request", "the EHR does not understand the token request (invalid_request)",
		"check auth.kind and auth.style; some EHRs want the secret in the form, others in the header", doctor.You},
}

// noGrant says why there is no token, in words.
func (e *exam) noGrant(err error) {
	whose, what, do := told(err)
	for _, r := range refusals {
		if strings.Contains(what, r.code) {
			e.note(checkToken, doctor.Failed, r.whose, r.what, r.do)
			return
		}
	}
	var f *fault.Error
	if errors.As(err, &f) && (f.Disposition == fault.Permanent || f.Status >= 200 && f.Status < 300) {
		whose = doctor.You
	}
	e.note(checkToken, doctor.Failed, whose, what, do)
}

// needs are the scopes for what is done in this EHR: on the rungs that are filed on,
// and on those that are only fed, because items of an earlier time may stand there.
// What it does not offer, as its /metadata says, needs none: some EHRs refuse to hear
// of scopes they do not know.
func (e *exam) needs() []scopes.Need {
	all := e.c.cfg.NeededScopes()
	if len(e.caps.Rungs) == 0 {
		return all
	}
	var needs []scopes.Need
	fed := e.c.fed(e.m)
	for _, t := range filed {
		r, here := e.caps.On(t), e.filesAs(t)
		n := scopes.Need{Resource: string(t), Letters: letters(map[string]bool{scopes.Create: here, scopes.Read: here && r.ReadBack,
			scopes.Update: here && r.Close, scopes.Search: here && r.MarkerSearch || slices.Contains(fed, t)})}
		if n.Letters != "" {
			needs = append(needs, n)
		}
	}
	for _, n := range all {
		switch t := callback.ResourceType(n.Resource); {
		case slices.Contains(callback.Rungs, t):
			continue
		case t == callback.AppointmentResource:
			watch := e.caps.AppointmentFeed != callback.FeedNone
			propose := e.caps.Proposal.Usable() && strings.Contains(n.Letters, scopes.Create)
			n.Letters = letters(map[string]bool{scopes.Create: propose, scopes.Update: propose,
				scopes.Read: propose || watch, scopes.Search: watch})
		case t == "Patient":
			n.Letters = letters(map[string]bool{scopes.Read: e.caps.PatientByID, scopes.Search: e.m.Can("Patient", "search-type")})
		case n.Resource == subscription && !e.c.subscribes(e.m):
			continue
		}
		if n.Letters != "" {
			needs = append(needs, n)
		}
	}
	return needs
}

// letters joins those that are needed, in the order in which scopes write them.
func letters(needed map[string]bool) string {
	text := ""
	for _, l := range []string{scopes.Create, scopes.Read, scopes.Update, scopes.Search} {
		if needed[l] {
			text += l
		}
	}
	return text
}

// scopes holds what was granted against what Ringback does.
func (e *exam) scopes() {
	grant := e.grant
	switch {
	case grant == nil && e.token:
		e.skip("this login has no scopes", checkScopes)
		return
	case grant == nil:
		e.skip("there is no token", checkScopes)
		return
	case len(grant.Scopes) == 0:
		e.note(checkScopes, doctor.Note, doctor.Nobody, "the EHR does not say what the token is good for; the searches below show it", "")
		return
	}
	needs := e.needs()
	d := scopes.Compare(needs, grant.Scopes)
	d.Other = nil // words of the server
	untold := ""
	if !grant.Told {
		untold = ". The EHR did not say so: it grants what was asked for, if it follows the rules"
	}
	if d.Enough() {
		e.say(doctor.Finding{Check: checkScopes, Status: doctor.OK, What: "every scope that is needed is granted" + untold, Detail: d})
	} else {
		status := doctor.Warning
		if slices.ContainsFunc(d.Missing, e.files) {
			status = doctor.Failed
		}
		e.say(doctor.Finding{Check: checkScopes, Status: status, Whose: doctor.EHRAdmin, What: "the token is good for less than is needed" + untold,
			More: lostScopes(d), Detail: d, Do: "have these granted to the client in the EHR: " + strings.Join(scopes.Ask(needs), " ")})
	}
	if more := surplus(d); len(more) > 0 {
		e.say(doctor.Finding{Check: checkScopesExcess, Status: doctor.Note, What: "the token is good for more than is needed", More: more,
			Do: "have them taken away: whoever steals a token can do that much"})
	}
}

// files reports whether without a scope nothing is filed.
func (e *exam) files(a scopes.Access) bool {
	return e.filesAs(callback.ResourceType(a.Resource)) && strings.Contains(a.Letters, scopes.Create)
}

// filesAs reports whether callbacks become a type here: those whose chart is known, or
// those whose is not.
func (e *exam) filesAs(t callback.ResourceType) bool {
	return t == e.caps.RungFor(true).Type || t == e.caps.RungFor(false).Type
}

// lostScopes says what does not work without the scopes that are missing.
func lostScopes(d scopes.Difference) []string {
	var lines []string
	for _, list := range []struct {
		of  []scopes.Access
		how string
	}{{d.Missing, "not granted"}, {d.Partial, "granted only in part"}} {
		for _, a := range list.of {
			lines = append(lines, fmt.Sprintf("%s.%s is %s: %s", a.Resource, a.Letters, list.how, lostScope(a)))
		}
	}
	return lines
}

// lostScope says what does not work without some interactions with a type.
func lostScope(a scopes.Access) string {
	has := func(letter string) bool { return strings.Contains(a.Letters, letter) }
	switch {
	case a.Resource == subscription:
		return "the EHR is not asked to tell of changes, or not again in time: they are found by polls"
	case a.Resource == "Patient":
		return "callers are not matched with charts"
	case a.Resource == "Appointment" && (has(scopes.Read) || has(scopes.Search)):
		return "booked visits close nothing"
	case a.Resource == "Appointment":
		return "visits cannot be proposed"
	case has(scopes.Create):
		return "callbacks cannot be filed as " + a.Resource
	case has(scopes.Search):
		return "what staff do is not seen in time, and a lost answer cannot be cleared up"
	case has(scopes.Read):
		return "what staff do is not seen"
	default:
		return "what is filed stays as it was: it is never closed"
	}
}

// surplus lists what is granted and not needed.
func surplus(d scopes.Difference) []string {
	lines := scopes.Difference{Surplus: d.Surplus}.Lines()
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "granted and not needed: ")
	}
	return lines
}
