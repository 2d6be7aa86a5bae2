package server

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/redact"
)

// The pages need nothing from elsewhere: no script, no font, no image.
//
//go:embed pages
var pageFiles embed.FS

// pages are the parsed templates, each with the common frame.
type pages struct {
	byName map[string]*template.Template
	css    []byte
}

func newPages() (*pages, error) {
	css, err := pageFiles.ReadFile("pages/console.css")
	if err != nil {
		return nil, err
	}
	p := &pages{byName: map[string]*template.Template{}, css: css}
	for _, name := range []string{"list", "detail", "links", "login", "message", "docs"} {
		t, err := template.ParseFS(pageFiles, "pages/frame.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.byName[name] = t
	}
	return p, nil
}

// frame is what every page has.
type frame struct {
	Title   string
	Refresh int    // seconds; 0: the page stays as it is
	Toggle  string // address of the same page with updating switched, empty where there is none
	Nav     string // which entry of the navigation the page belongs to; empty: no navigation
	User    string // who is signed in with a token; empty: nobody, or the machine itself
	Version string
	Now     moment
	Body    any
}

func (s *Server) registerPages() (err error) {
	if s.pages, err = newPages(); err != nil {
		return err
	}
	s.mux.Handle("GET /{$}", s.page(s.listPage))
	s.mux.Handle("GET /callbacks/{id}", s.page(s.detailPage))
	s.mux.Handle("GET /links", s.page(s.linksPage))
	s.mux.Handle("POST /links/{id}/retry", s.page(s.retryFromPage))
	s.mux.Handle("POST /links/{id}/discard", s.page(s.discardFromPage))
	s.mux.HandleFunc("GET /login", s.loginPage)
	s.mux.HandleFunc("POST /login", s.login)
	s.mux.HandleFunc("POST /logout", s.logout)
	s.mux.HandleFunc("GET /docs", s.docsPage)
	s.mux.HandleFunc("GET /console.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(s.pages.css)
	})
	return nil
}

// page lets staff see a page of the console and sends everybody else to sign in.
func (s *Server) page(show func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, problem := s.identify(r, true)
		if problem == nil && !allowed(staffOnly, id.role) {
			problem = kindForbidden.problem()
		}
		if problem != nil && problem.Status == http.StatusUnauthorized && r.Method == http.MethodGet && r.Header.Get("Authorization") == "" {
			http.Redirect(w, r, "/login?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
			return
		}
		r2 := r.WithContext(context.WithValue(r.Context(), identityKey, id))
		if problem == nil {
			err := show(w, r2)
			if err == nil {
				return
			}
			if !errors.As(err, &problem) {
				problem = s.ledgerFailed(r.Context(), "show a page", err)
			}
		}
		s.messagePage(w, r2, problem)
	})
}

// messagePage shows a problem to a person. Where waiting helps, the page tries
// again by itself.
func (s *Server) messagePage(w http.ResponseWriter, r *http.Request, p *Problem) {
	f := s.frame(r, p.Title, "")
	if p.Status == http.StatusServiceUnavailable && r.Method == http.MethodGet {
		f.Refresh = refreshSeconds
	}
	f.Body = p
	s.render(w, p.Status, "message", f)
}

func (s *Server) frame(r *http.Request, title, nav string) frame {
	f := frame{Title: title, Nav: nav, Version: s.version, Now: s.moment("", s.clock.Now())}
	if id := who(r.Context()); id != local {
		f.User = id.name
	}
	return f
}

// render writes a page, whole or not at all.
func (s *Server) render(w http.ResponseWriter, status int, name string, f frame) {
	var page bytes.Buffer
	if err := s.pages.byName[name].ExecuteTemplate(&page, "frame.html", f); err != nil {
		// The error's own words may quote what the page shows.
		s.log.LogAttrs(context.Background(), slog.LevelError, "a page could not be made; this is a fault in the program, please report it",
			slog.String("page", name), slog.String("type", fmt.Sprintf("%T", err)))
		kindInternal.problem().write(w)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// loginForm is the most that is read of a sign-in form.
const loginForm = 8 << 10

type loginView struct{ Next, Problem string }

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	f := s.frame(r, "Sign in", "")
	f.Body = loginView{Next: localPath(r.URL.Query().Get("next"))}
	s.render(w, http.StatusOK, "login", f)
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, loginForm)
	next := localPath(r.PostFormValue("next"))
	token := redact.NewSecret(strings.TrimSpace(r.PostFormValue("token")))
	problem := sameOrigin(r)
	if problem == nil {
		var id identity
		if id, problem = s.byToken(r.Context(), token); problem == nil && !allowed(staffOnly, id.role) {
			problem = kindForbidden.say("This token may only send requests. Sign in with one of role staff or admin.")
		}
	}
	if problem != nil {
		f := s.frame(r, "Sign in", "")
		f.Body = loginView{Next: next, Problem: problem.Detail}
		s.render(w, problem.Status, "login", f)
		return
	}
	http.SetCookie(w, cookie(r, token.Reveal(), int(sessionLength/time.Second)))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if problem := sameOrigin(r); problem != nil {
		s.messagePage(w, r, problem)
		return
	}
	http.SetCookie(w, cookie(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// sessionLength is how long a sign-in lasts: a working day.
const sessionLength = 12 * time.Hour

func cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"}
}

// localPath keeps a sign-in from leading to another site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}

// moment is a time as the console shows it.
type moment struct {
	ISO  string // for machines, with the zone's offset
	Text string // for people
}

// moment writes t in the clinic's zone: the clock time today, with the date
// otherwise. A zero time is empty.
func (s *Server) moment(clinic callback.ClinicID, t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	zone := s.zone(clinic)
	now := s.clock.Now().In(zone)
	t = t.In(zone)
	layout := "Mon 2 Jan 2006 15:04"
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		layout = "15:04"
	case t.Year() == now.Year():
		layout = "Mon 2 Jan 15:04"
	}
	return moment{ISO: t.Format(time.RFC3339), Text: t.Format(layout)}
}

// categoryText writes a category as people say it.
func categoryText(c callback.Category) string {
	switch c {
	case callback.ExistingScheduling:
		return "Scheduling"
	case callback.RescheduleCancel:
		return "Reschedule or cancel"
	case callback.BenefitsBilling:
		return "Benefits and billing"
	case callback.RecordsReferral:
		return "Records or referral"
	case callback.SpamWrongNumber:
		return "Spam or wrong number"
	default:
		return words(c)
	}
}

// words writes a code for people: "new-patient" as "New patient".
func words[T ~string](code T) string {
	text := strings.ReplaceAll(string(code), "-", " ")
	if text == "" {
		return ""
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	for _, abbreviation := range []string{"ehr", "sms", "asap"} {
		text = strings.ReplaceAll(text, " "+abbreviation, " "+strings.ToUpper(abbreviation))
		if strings.EqualFold(text, abbreviation) {
			text = strings.ToUpper(text)
		}
	}
	return text
}

// span writes a length of time in its largest useful unit: "25 min", "3 h".
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < time.Minute:
		return "under 1 min"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}
