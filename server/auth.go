package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// tokenPrefix makes a token known for what it is, to people and to the tools
// that look for leaked credentials.
const tokenPrefix = "rbk_"

// NewToken makes an API token with 256 bits of randomness. plain is to be shown
// once and is kept nowhere; tok, which holds its hash, goes to the ledger. The
// error is callback.ErrInvalid for a name that is empty, longer than 100 bytes
// or not plain text, and for an unknown role.
func NewToken(name string, role callback.Role, at time.Time) (plain redact.Secret, tok callback.Token, err error) {
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return redact.Secret{}, callback.Token{}, fmt.Errorf("%w: a token needs a name of 1 to 100 characters that says who uses it", callback.ErrInvalid)
	}
	if !slices.Contains(callback.Roles, role) {
		return redact.Secret{}, callback.Token{}, fmt.Errorf("%w: the role of a token is one of %v", callback.ErrInvalid, callback.Roles)
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails; it ends the program instead
	plain = redact.NewSecret(tokenPrefix + base64.RawURLEncoding.EncodeToString(random[:]))
	return plain, callback.Token{ID: callback.NewID(), Name: name, Role: role, Hash: hashToken(plain), CreatedAt: at}, nil
}

// hashToken needs no salt and no slow function: a token is not a password but
// 256 random bits.
func hashToken(plain redact.Secret) string {
	sum := sha256.Sum256([]byte(plain.Reveal()))
	return hex.EncodeToString(sum[:])
}

// CheckListen reports why a server may not listen on addr ("host:port"): without
// any token everybody is let in, and that is only for the machine itself.
func CheckListen(addr string, haveTokens bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address to listen on: write it as 127.0.0.1:8080: %w", err)
	}
	if haveTokens || loopbackHost(host) {
		return nil
	}
	return fmt.Errorf("refused to listen on %s: there is no API token yet, so everybody who reaches it could read every callback; "+
		"create one with: ringback tokens create, or listen on 127.0.0.1", addr)
}

// loopbackHost reports whether a host name or address is the machine itself.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// identity is who asks.
type identity struct {
	name string
	role callback.Role
}

func (i identity) actor() callback.Actor { return callback.Actor{Kind: callback.Person, Name: i.name} }

type contextKey int

const (
	identityKey contextKey = iota
	bodyKey
)

func who(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey).(identity)
	return id
}

// cookieName is the console's cookie. It holds the token itself: a revoked token
// ends the session, and a restart does not.
const cookieName = "ringback_token"

// identify says who sends the request, or why nobody is let in. Cookies count
// only for the console: the API takes the header alone, so that no other web
// site can make a browser use it.
func (s *Server) identify(r *http.Request, cookies bool) (identity, *Problem) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return identity{}, kindUnauthorized.problem()
		}
		return s.byToken(r.Context(), redact.NewSecret(strings.TrimSpace(token)))
	}
	if c, err := r.Cookie(cookieName); cookies && err == nil {
		if p := sameOrigin(r); p != nil {
			return identity{}, p
		}
		return s.byToken(r.Context(), redact.NewSecret(c.Value))
	}
	return s.byLoopback(r)
}

// byToken looks a token up.
func (s *Server) byToken(ctx context.Context, plain redact.Secret) (identity, *Problem) {
	if !strings.HasPrefix(plain.Reveal(), tokenPrefix) {
		return identity{}, kindUnauthorized.say("This is not an API token; one begins with rbk_.")
	}
	t, err := s.tokens.TokenByHash(ctx, hashToken(plain))
	switch {
	case errors.Is(err, callback.ErrNotFound):
		return identity{}, kindUnauthorized.say("The token is not known, or it was revoked. Ask whoever runs the server for a new one.")
	case err != nil:
		return identity{}, s.ledgerFailed(ctx, "look up a token", err)
	}
	return identity{name: t.Name, role: t.Role}, nil
}

// local is who asks where no token is needed.
var local = identity{name: "local", role: callback.RoleAdmin}

// byLoopback lets in who is on the machine itself, as long as no token was ever
// made and the server was told to be open there.
func (s *Server) byLoopback(r *http.Request) (identity, *Problem) {
	if !s.openOnLoopback || s.closed.Load() {
		return identity{}, kindUnauthorized.problem()
	}
	tokens, err := s.tokens.ListTokens(r.Context())
	if err != nil {
		return identity{}, s.ledgerFailed(r.Context(), "list tokens", err)
	}
	if len(tokens) > 0 {
		s.closed.Store(true)
		return identity{}, kindUnauthorized.problem()
	}
	if p := fromMachineItself(r); p != nil {
		return identity{}, p
	}
	if p := sameOrigin(r); p != nil {
		return identity{}, p
	}
	return local, nil
}

// fromMachineItself refuses what only seems to come from this machine: through a
// proxy in front of it, or from a web page whose name was made to point here
// (DNS rebinding), which shows in the Host header.
func fromMachineItself(r *http.Request) *Problem {
	if !arrivedOnLoopback(r) {
		return kindUnauthorized.say("Without a token only the machine itself is let in. Create one (ringback tokens create) and send it.")
	}
	for _, h := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "Via"} {
		if r.Header.Get(h) != "" {
			return kindUnauthorized.say("A proxy stands in front of this server, so a token is needed. Create one (ringback tokens create) and send it.")
		}
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if !loopbackHost(host) {
		return kindForbidden.say("Without a token this server answers only to its own name. Open it as http://localhost or http://127.0.0.1, with its port.")
	}
	return nil
}

func arrivedOnLoopback(r *http.Request) bool {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if addr == nil {
		return false
	}
	host, _, err := net.SplitHostPort(addr.String())
	return err == nil && loopbackHost(host)
}

// sameOrigin refuses a change that a page of another site makes a browser send.
func sameOrigin(r *http.Request) *Problem {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return kindForbidden.say("A page of another web site sent this. Send it from this server's own pages, or with a token in the Authorization header.")
	}
	return nil
}

// allowed reports whether one of the roles is the one that asks.
func allowed(roles []callback.Role, role callback.Role) bool { return slices.Contains(roles, role) }

var (
	anyRole   = []callback.Role{callback.RoleIntake, callback.RoleStaff, callback.RoleAdmin}
	staffOnly = []callback.Role{callback.RoleStaff, callback.RoleAdmin}
)

// authorize lets an operation of the API go on for the roles, and tells it who asks.
func (s *Server) authorize(roles []callback.Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		id, problem := s.identify(r, false)
		if problem == nil && !allowed(roles, id.role) {
			problem = kindForbidden.problem()
		}
		if problem != nil {
			challenge(problem).write(w)
			return
		}
		next(huma.WithValue(ctx, identityKey, id))
	}
}

// challenge adds what RFC 9110 wants beside a 401.
func challenge(p *Problem) *Problem {
	if p.Status == http.StatusUnauthorized {
		return p.with("WWW-Authenticate", `Bearer realm="ringback"`)
	}
	return p
}

// rolesNeeded says in the documentation which tokens will do.
func rolesNeeded(roles []callback.Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, string(r))
	}
	return "Token of role: " + strings.Join(names, ", ") + "."
}
