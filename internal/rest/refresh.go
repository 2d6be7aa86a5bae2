package rest

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"strings"

	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/secretfile"
)

const authorizeAgain = "let somebody log in to the EHR again and put the new refresh token into the file"

// refreshGrant fetches tokens for the refresh token in a file.
//
// Where the server rotates refresh tokens, each may be used once, and a second use
// is taken for theft: the whole login ends (RFC 9700 §4.14.2). So the file is read
// anew and held under a lock from before the request until its successor is on disk:
// reading it again after an invalid_grant would be too late.
type refreshGrant struct {
	endpoint *tokenEndpoint
	file     string

	// unsaved is a successor that could not be written: the only token that is still
	// good. It is nobody else's; the token source fetches one at a time.
	unsaved redact.Secret
}

func (g *refreshGrant) close() { g.endpoint.close() }

func (g *refreshGrant) fetch() (token, error) {
	waiting, cancel := context.WithTimeout(context.Background(), g.endpoint.cfg.Timeout)
	defer cancel()
	release, err := secretfile.Lock(waiting, fetchToken, g.file)
	if err != nil {
		return token{}, err
	}
	defer release()
	// The request has a deadline of its own: one that is cut short because the wait
	// was long may cost the login.
	ctx, cancel := context.WithTimeout(context.Background(), g.endpoint.cfg.Timeout)
	defer cancel()
	if err := g.saveUnsaved(); err != nil {
		return token{}, err
	}
	current, err := g.read()
	if err != nil {
		return token{}, err
	}
	// Before the token is used up, see that its successor will find a place.
	place, err := secretfile.Prepare(fetchToken, g.file, secretfile.Mode)
	if err != nil {
		return token{}, err
	}
	defer place.Drop()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {current.Reveal()}}
	if scopes := g.endpoint.cfg.Scopes; len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	t, next, err := g.endpoint.ask(ctx, form)
	if err != nil {
		return token{}, refreshRefused(err)
	}
	if next.IsEmpty() || next.Reveal() == current.Reveal() {
		return t, nil
	}
	if err := place.Commit([]byte(next.Reveal() + "\n")); err != nil {
		g.unsaved = next
		return token{}, notKept(err)
	}
	return t, nil
}

// saveUnsaved tries again to write what could not be written.
func (g *refreshGrant) saveUnsaved() error {
	if g.unsaved.IsEmpty() {
		return nil
	}
	if err := secretfile.Replace(fetchToken, g.file, secretfile.Mode, []byte(g.unsaved.Reveal()+"\n")); err != nil {
		return notKept(err)
	}
	g.unsaved = redact.Secret{}
	return nil
}

func (g *refreshGrant) read() (redact.Secret, error) {
	content, err := secretfile.Read(fetchToken, g.file)
	var f *fault.Error
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &f) {
		return redact.Secret{}, f.WithHint(authorizeAgain)
	}
	if err != nil {
		return redact.Secret{}, err
	}
	text := strings.TrimSpace(string(content))
	if text == "" || strings.ContainsAny(text, " \t\r\n") {
		return redact.Secret{}, fault.New(fault.Permanent, fetchToken, g.file+" does not hold one refresh token and nothing else").
			WithHint(authorizeAgain)
	}
	return redact.NewSecret(text), nil
}

// notKept is the failure to write a successor. The access token that came with it
// is not used: work that goes on until the next restart and then stops for good is
// worse than work that stops now.
func notKept(cause error) *fault.Error {
	f := fault.New(fault.Permanent, fetchToken, "the EHR handed out a new refresh token and it could not be kept: "+fault.Describe(cause)).Because(cause)
	return f.WithHint("make room or mend the permissions while Ringback is running, which still knows it and tries again; after a restart somebody has to log in to the EHR again")
}

// refreshRefused says what is to be done about a refresh token that is no longer good.
func refreshRefused(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && strings.HasSuffix(f.What, "invalid_grant") {
		again := *f
		return again.WithHint("the refresh token has ended, was withdrawn or was used by somebody else; " + authorizeAgain)
	}
	return err
}
