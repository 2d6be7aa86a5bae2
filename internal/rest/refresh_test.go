package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/fault"
	"github.com/ringback-health/ringback/internal/redact"
	"github.com/ringback-health/ringback/internal/rest"
)

// rotating is a server that takes each refresh token once. A second use of one ends
// the whole login, as RFC 9700 §4.14.2 wants.
type rotating struct {
	*httptest.Server
	mu     sync.Mutex
	good   string
	serial int
	ended  bool
	form   url.Values
	during func() // between the use of a token and the answer
}

func newRotating(t *testing.T) *rotating {
	s := &rotating{good: "r0-canary"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *rotating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.form = r.PostForm
	if s.ended || r.PostForm.Get("refresh_token") != s.good {
		s.ended = true
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_grant"}`)
		return
	}
	s.serial++
	s.good = fmt.Sprintf("r%d-canary", s.serial)
	if s.during != nil {
		s.during()
	}
	fmt.Fprintf(w, `{"access_token":"t%d","expires_in":100,"refresh_token":"%s"}`, s.serial, s.good)
}

// tokenFile writes a refresh token as an operator does.
func tokenFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "refresh-token")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func held(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func refresher(t *testing.T, url, file string, clk clock.Clock) rest.Authenticator {
	t.Helper()
	a, err := rest.RefreshToken(rest.RefreshTokenConfig{TokenEndpoint: rest.TokenEndpoint{URL: url, ClientID: "c", Clock: clk}, File: file})
	return closed(t, a, err)
}

func TestARotatedRefreshTokenIsKept(t *testing.T) {
	s := newRotating(t)
	file := tokenFile(t, "r0-canary\n")
	clk := clock.NewManual(start)
	a := refresher(t, s.URL, file, clk)
	for i := range 5 {
		got, err := renewed(t, a)
		if err != nil || got != fmt.Sprintf("Bearer t%d", i+1) || held(t, file) != fmt.Sprintf("r%d-canary", i+1) {
			t.Fatalf("%q %v, the file holds %q", got, err, held(t, file))
		}
		clk.Advance(100 * time.Second)
	}
	if got := s.form.Encode(); got != "client_id=c&grant_type=refresh_token&refresh_token=r4-canary" {
		t.Error(got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	// After a restart it goes on with what is in the file.
	if _, err := apply(t.Context(), refresher(t, s.URL, file, clk)); err != nil {
		t.Error(err)
	}
}

// TestARefreshTokenThatDoesNotRotate stays as the operator wrote it.
func TestARefreshTokenThatDoesNotRotate(t *testing.T) {
	for _, same := range []string{``, `,"refresh_token":"r-canary"`, `,"refresh_token":""`} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"access_token":"t"`+same+`}`)
		}))
		file := tokenFile(t, "  r-canary\n\n")
		before, _ := os.Stat(file)
		if _, err := apply(t.Context(), refresher(t, srv.URL, file, nil)); err != nil {
			t.Error(err)
		}
		if after, _ := os.Stat(file); !os.SameFile(before, after) {
			t.Errorf("%s: the file was written", same)
		}
		srv.Close()
	}
}

// TestTheSuccessorIsOnDiskBeforeItsAccessTokenIsUsed: whoever gets the access token
// finds the new refresh token in the file.
func TestTheSuccessorIsOnDiskBeforeItsAccessTokenIsUsed(t *testing.T) {
	s := newRotating(t)
	file := tokenFile(t, "r0-canary")
	a := refresher(t, s.URL, file, nil)
	c, _ := serve(t, rest.Config{Auth: a}, func(w http.ResponseWriter, r *http.Request) {
		if got := held(t, file); got != "r1-canary" {
			t.Errorf("the file holds %q", got)
		}
	})
	if _, err := c.Do(t.Context(), get("Task")); err != nil {
		t.Error(err)
	}
}

// TestASuccessorThatCannotBeKept is loud, is not used, and is tried again.
func TestASuccessorThatCannotBeKept(t *testing.T) {
	s := newRotating(t)
	file := tokenFile(t, "r0-canary")
	clk := clock.NewManual(start)
	a := refresher(t, s.URL, file, clk)
	// A folder where the file should be: even root cannot replace it.
	s.during = func() {
		if err := os.Rename(file, file+".old"); err != nil {
			t.Error(err)
		}
		if err := os.MkdirAll(filepath.Join(file, "x"), 0o700); err != nil {
			t.Error(err)
		}
	}
	for range 2 { // the second time it is the save that is tried again
		_, err := apply(t.Context(), a)
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "could not be kept") || strings.Contains(err.Error(), "canary") {
			t.Fatalf("%v", err)
		}
		clk.Advance(5 * time.Second)
	}
	if held(t, file+".old") != "r0-canary" || s.serial != 1 {
		t.Errorf("the old file holds %q, %d tokens were used", held(t, file+".old"), s.serial)
	}
	s.during = nil
	if err := os.RemoveAll(file); err != nil {
		t.Fatal(err)
	}
	if got, err := apply(t.Context(), a); err != nil || got != "Bearer t2" || held(t, file) != "r2-canary" {
		t.Errorf("once it is mended: %q %v", got, err)
	}
}

// TestNothingIsUsedUpWhereNothingCanBeKept: the folder is looked at first.
func TestNothingIsUsedUpWhereNothingCanBeKept(t *testing.T) {
	s := newRotating(t)
	for name, file := range map[string]string{
		"no folder":   filepath.Join(t.TempDir(), "none", "token"),
		"no file":     filepath.Join(t.TempDir(), "token"),
		"empty":       tokenFile(t, " \n"),
		"two words":   tokenFile(t, "r0-canary r1"),
		"open to all": tokenFile(t, "r0-canary"),
	} {
		if name == "open to all" {
			if err := os.Chmod(file, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := apply(t.Context(), refresher(t, s.URL, file, nil))
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.serial != 0 || s.ended {
		t.Error("a token was used up")
	}
}

func TestAnEndedRefreshTokenSaysWhatToDo(t *testing.T) {
	s := newRotating(t)
	file := tokenFile(t, "r-canary")
	_, err := apply(t.Context(), refresher(t, s.URL, file, nil))
	if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "invalid_grant") || !strings.Contains(err.Error(), "log in to the EHR again") {
		t.Errorf("%v", err)
	}
	if held(t, file) != "r-canary" {
		t.Error("the file was changed")
	}
}

// TestSeveralProcessesShareARotatingToken: each has a source of its own, as
// processes have, and none of them uses a token that another has used.
func TestSeveralProcessesShareARotatingToken(t *testing.T) {
	s := newRotating(t)
	file := tokenFile(t, "r0-canary")
	var wg sync.WaitGroup
	for range 6 {
		a := refresher(t, s.URL, file, nil)
		wg.Go(func() {
			for range 5 {
				if _, err := apply(t.Context(), a); err != nil {
					t.Error(err)
				}
				rest.Expire(a)
			}
		})
	}
	wg.Wait()
	if s.ended || s.serial != 30 || held(t, file) != "r30-canary" {
		t.Errorf("ended %v, %d tokens, the file holds %q", s.ended, s.serial, held(t, file))
	}
}

func TestARefreshProvesTheClient(t *testing.T) {
	file := tokenFile(t, "r0-canary")
	for name, c := range map[string]struct {
		change func(*rest.RefreshTokenConfig)
		want   string
	}{
		"public": {func(*rest.RefreshTokenConfig) {}, "client_id=c"},
		"basic":  {func(c *rest.RefreshTokenConfig) { c.Secret = redact.NewSecret("s") }, "user=c"},
		"form": {func(c *rest.RefreshTokenConfig) { c.Secret, c.Style = redact.NewSecret("s"), rest.StyleForm },
			"client_id=c client_secret=s"},
		"key": {func(c *rest.RefreshTokenConfig) { c.Key = signer(t) }, "client_assertion"},
	} {
		var got []string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			got = nil
			for _, name := range []string{"client_id", "client_secret"} {
				if v := r.PostForm.Get(name); v != "" {
					got = append(got, name+"="+v)
				}
			}
			if user, _, ok := r.BasicAuth(); ok {
				got = append(got, "user="+user)
			}
			if r.PostForm.Get("client_assertion") != "" {
				got = append(got, "client_assertion")
			}
			if r.PostForm.Get("scope") != "a b" || r.PostForm.Get("refresh_token") != "r0-canary" {
				t.Error(r.PostForm)
			}
			io.WriteString(w, `{"access_token":"t"}`)
		}))
		cfg := rest.RefreshTokenConfig{TokenEndpoint: rest.TokenEndpoint{URL: srv.URL, ClientID: "c", Scopes: []string{"a", "b"}}, File: file}
		c.change(&cfg)
		a, err := rest.RefreshToken(cfg)
		if _, err := apply(t.Context(), closed(t, a, err)); err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v %v", name, got, err)
		}
		srv.Close()
	}
	at := rest.TokenEndpoint{URL: "https://ehr.example.org/token", ClientID: "c"}
	for name, cfg := range map[string]rest.RefreshTokenConfig{
		"no file":        {TokenEndpoint: at},
		"no client id":   {TokenEndpoint: rest.TokenEndpoint{URL: at.URL}, File: file},
		"secret and key": {TokenEndpoint: at, File: file, Secret: redact.NewSecret("s"), Key: signer(t)},
		"bad style":      {TokenEndpoint: at, File: file, Secret: redact.NewSecret("s"), Style: "x"},
		"bad url":        {TokenEndpoint: rest.TokenEndpoint{URL: "x", ClientID: "c"}, File: file},
	} {
		if _, err := rest.RefreshToken(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
