package main

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/sandbox"
)

const pushWord = "3c1f6c0e8d5b4a7f9e2d1c0b3a495867"

func pushConfig(public, base string) string {
	return strings.Replace("public_url: "+public+"\n"+ehrConfig(base, ""),
		"connector: fhirr4", "connector: fhirr4\n      poll: \"@every 1h\"\n      push: {secret_file: push.secret}", 1)
}

// TestPushThroughTheDaemon: the EHR is asked to tell, tells, and is heard, through all
// that stands between.
func TestPushThroughTheDaemon(t *testing.T) {
	box := sandbox.New(sandbox.Options{Types: append(sandbox.StandardTypes(), "Subscription")})
	web := httptest.NewServer(box)
	t.Cleanup(web.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCLI(t, pushConfig("http://"+l.Addr().String(), web.URL+sandbox.BasePath))
	c.write("push.secret", pushWord+"\n")
	c.run(exitDone, "migrate")
	cfg, err := config.Load(filepath.Join(c.dir, "ringback.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), pace{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.run(ctx, l) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	soon(t, "the EHR is asked to tell of both feeds", func() bool { return len(box.Store().List("Subscription")) == 2 })
	box.Deliver(t.Context())
	front := sandbox.NewFrontDesk(box.Store())
	who, err := front.RegisterPatient(sandbox.NewPatient{Family: "Lee", Given: "Ann", BirthDate: "1980-02-03"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := front.Book(sandbox.Booking{PatientID: who.ID, Start: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	box.ClearRequests()
	if sent := box.Deliver(t.Context()); sent != 1 {
		t.Errorf("%d notifications", sent)
	}
	soon(t, "the feed is read", func() bool {
		for _, r := range box.Requests() {
			if strings.HasSuffix(r.Path, "/Appointment") {
				return true
			}
		}
		return false
	})
	for _, h := range a.scheduler.Pushes() {
		if (h.Push.Feed == callback.FeedAppointments) != !h.Heard.IsZero() {
			t.Errorf("%+v", h)
		}
	}
	if len(a.pushes()) != 2 {
		t.Errorf("%+v", a.pushes())
	}
}

// TestPushSecrets: a secret that is missing, short or would not survive as a header
// keeps the daemon from starting, and doctor says so.
func TestPushSecrets(t *testing.T) {
	for content, words := range map[string]string{
		"":                                 "is empty",
		"short":                            "32 characters at least",
		"with spaces " + pushWord:          "without spaces",
		"with:a:colon:" + pushWord:         "colons",
		"with-an-umlaut-\u00e4" + pushWord: "openssl rand -hex 32",
	} {
		c := newCLI(t, pushConfig("https://ringback.example.org", serveSandbox(t, sandbox.Options{})))
		c.write("push.secret", content)
		c.run(exitDone, "migrate")
		c.doctorWants(exitFound, map[string]string{"ehr main-ehr push": "failed " + words})
		if _, errOut := c.run(exitUsage, "serve"); !strings.Contains(errOut, words) || content != "" && strings.Contains(errOut, content) {
			t.Errorf("%q: %s", content, errOut)
		}
	}
}

// TestPushIsChecked: what keeps the daemon from starting is found by check and doctor.
func TestPushIsChecked(t *testing.T) {
	config := pushConfig("https://ringback.example.org", serveSandbox(t, sandbox.Options{}))
	for name, x := range map[string]struct{ config, says string }{
		"no secret":      {config, "push.secret"},
		"a bad schedule": {strings.Replace(config, "push.secret}", "push.secret, poll: often}", 1), "push.poll: schedule"},
	} {
		c := newCLI(t, x.config)
		if name != "no secret" {
			c.write("push.secret", pushWord)
		}
		c.run(exitDone, "migrate")
		if _, errOut := c.run(exitUsage, "check"); !strings.Contains(errOut, x.says) {
			t.Errorf("%s: %s", name, errOut)
		}
		c.doctorWants(exitFound, map[string]string{"ehr main-ehr push": "failed " + x.says})
	}
}

// TestPushInDoctor: whose problem it is that an EHR does not tell.
func TestPushInDoctor(t *testing.T) {
	c := newCLI(t, pushConfig("https://ringback.example.org", serveSandbox(t, sandbox.Options{})))
	c.write("push.secret", pushWord)
	c.run(exitDone, "migrate")
	r := c.doctorWants(exitDone, map[string]string{"ehr main-ehr push": "warning does not offer to create and search Subscriptions"})
	for _, f := range r.Findings {
		if f.Check == "push" && f.Whose != doctor.Vendor {
			t.Errorf("%+v", f)
		}
	}
}

// soon waits until it is so, half a minute at most.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("did not happen: " + what)
		case <-tick.C:
		}
	}
}
