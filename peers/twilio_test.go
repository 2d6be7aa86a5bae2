//go:build conformance

package peers_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/connectors/phone/twilio"
	"github.com/ringback-health/ringback/internal/redact"
)

// twilioRequest is a request as twilio-signatures.mjs reads it.
type twilioRequest struct {
	Token     string         `json:"token"`
	URL       string         `json:"url"`
	Params    map[string]any `json:"params,omitempty"`
	Body      *string        `json:"body,omitempty"`
	Signature *string        `json:"signature,omitempty"`
	Algorithm string         `json:"algorithm,omitempty"`
}

// twilioVerdict is what Twilio's library says of it.
type twilioVerdict struct {
	Signature string `json:"signature"`
	URL       string `json:"url"`
	Valid     bool   `json:"valid"`
}

// library is Twilio's own, running.
type library struct {
	in  io.Writer
	out *bufio.Scanner
}

func startLibrary(t *testing.T) *library {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "twilio-signatures.mjs")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the script ends with its input
		_ = cmd.Wait()
	})
	return &library{in: in, out: bufio.NewScanner(out)}
}

func (l *library) ask(t rapid.TB, r twilioRequest) (v twilioVerdict) {
	t.Helper()
	line, err := json.Marshal(r)
	if err == nil {
		_, err = l.in.Write(append(line, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
	if !l.out.Scan() {
		t.Fatalf("Twilio's library does not answer: %v", l.out.Err())
	}
	if err := json.Unmarshal(l.out.Bytes(), &v); err != nil {
		t.Fatalf("Twilio's library answers %q", l.out.Text())
	}
	return v
}

// takes reports whether Ringback takes a request with a signature.
func takes(t rapid.TB, r twilioRequest, body, signature string) bool {
	t.Helper()
	sys, err := twilio.New(phone.Settings{ID: "main-line", Secrets: []redact.Secret{redact.NewSecret(r.Token)}}, twilio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"X-Twilio-Signature": {signature}}
	if r.Algorithm != "" {
		h.Set("X-Twilio-Webhooks-Signature-Settings", "key=webhooks_sharedkey_1,algorithm="+r.Algorithm)
	}
	_, err = sys.Receive(phone.Request{Method: http.MethodPost, URL: r.URL, Body: []byte(body), Header: h, At: time.Now()})
	return err == nil
}

// form is how the parameters of a request are written in its body.
func (r twilioRequest) form() string {
	v := url.Values{}
	for name, value := range r.Params {
		switch value := value.(type) {
		case string:
			v.Add(name, value)
		case []string:
			v[name] = value
		}
	}
	return v.Encode()
}

const twilioAddress = "https://ringback.example.org/hooks/phone/main-line"

// Requests that Twilio's library signs are taken by Ringback, and no others.
func TestTwilioSignatures(t *testing.T) {
	lib := startLibrary(t)
	plain := map[string]any{"CallSid": "CA1234567890ABCDE", "From": "+12125550123", "To": "+12125550100", "CallStatus": "completed"}
	with := func(more map[string]any) map[string]any {
		out := map[string]any{}
		for _, m := range []map[string]any{plain, more} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for name, r := range map[string]twilioRequest{
		"form":                               {URL: twilioAddress, Params: plain},
		"a query in the address":             {URL: twilioAddress + "?clinic=1&b=2", Params: plain},
		"a parameter that is repeated":       {URL: twilioAddress, Params: with(map[string]any{"MediaUrl": []string{"b", "a", "b"}})},
		"an empty parameter":                 {URL: twilioAddress, Params: with(map[string]any{"ErrorCode": ""})},
		"unicode":                            {URL: twilioAddress, Params: with(map[string]any{"TranscriptionText": "Grüße, please call 你好 🦷", "naïve": "é", "\uff5e": "1", "😀": "2"})},
		"repeated, in the order of UTF-16":   {URL: twilioAddress, Params: with(map[string]any{"x": []string{"\uff5e", "😀"}})},
		"a name that begins with another":    {URL: twilioAddress, Params: with(map[string]any{"To": "client:jenny", "ToCity": "AUSTIN", "ToState": "TX"})},
		"a plus, a percent and an ampersand": {URL: twilioAddress, Params: with(map[string]any{"a": "1+1 = 2 & 100%"})},
		"the port of https":                  {URL: "https://ringback.example.org:443/hooks", Params: plain},
		"the port of http":                   {URL: "http://ringback.example.org:80/hooks", Params: plain},
		"another port":                       {URL: "https://ringback.example.org:8443/hooks", Params: plain},
		"an IPv6 address":                    {URL: "https://[2001:db8::1]/hooks?x=a:b@c", Params: plain},
		"an IPv6 address with a port":        {URL: "https://[2001:db8::1]:443/hooks", Params: plain},
		"a user in the address":              {URL: "https://user:secret@ringback.example.org/hooks", Params: plain},
		"a shared key":                       {URL: twilioAddress, Params: plain, Algorithm: "HMAC_SHA256"},
	} {
		t.Run(name, func(t *testing.T) {
			r.Token = "12345"
			body := r.form()
			signature := lib.ask(t, r).Signature
			if !takes(t, r, body, signature) {
				t.Error("refused, and Twilio's library signed it")
			}
			other := r
			other.Token = "67890"
			if takes(t, other, body, signature) {
				t.Error("taken under another token")
			}
			for _, changed := range []string{body + "&More=1", "X" + body} {
				if takes(t, r, changed, signature) {
					t.Errorf("taken with the body %q", changed)
				}
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		for _, to := range []string{twilioAddress, twilioAddress + "?clinic=1"} {
			body := `{"CallSid": "CA1234567890ABCDE", "name": "Grüße"}`
			v := lib.ask(t, twilioRequest{Token: "12345", URL: to, Body: &body})
			r := twilioRequest{Token: "12345", URL: v.URL}
			if !takes(t, r, body, v.Signature) {
				t.Error("refused, and Twilio's library signed it")
			}
			if takes(t, r, body+" ", v.Signature) {
				t.Error("taken with another body")
			}
		}
	})
}

// Ringback and Twilio's library agree about every request: who signed what, with which
// port, and how it came.
func TestTwilioVerdicts(t *testing.T) {
	lib := startLibrary(t)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9+:._ -]{0,8}`), rapid.StringN(0, 6, -1))
		name := rapid.OneOf(rapid.SampledFrom([]string{"To", "ToCity", "T", "o", "CallSid"}), rapid.StringMatching(`[A-Za-z]{1,5}`))
		params := map[string]any{"CallSid": "CA1"}
		for range rapid.IntRange(0, 5).Draw(rt, "parameters") {
			if rapid.Bool().Draw(rt, "repeated") {
				params[name.Draw(rt, "name")] = rapid.SliceOfN(text, 1, 3).Draw(rt, "values")
			} else {
				params[name.Draw(rt, "name")] = text.Draw(rt, "value")
			}
		}
		address := rapid.SampledFrom([]string{
			"https://ringback.example.org/hooks", "https://ringback.example.org:443/hooks", "https://ringback.example.org:80/hooks", "http://ringback.example.org/hooks",
			"http://ringback.example.org:80/hooks", "https://ringback.example.org:8443/hooks", "https://ringback.example.org/hooks?a=1", "https://ringback.example.org:443",
		})
		tokens := rapid.SampledFrom([]string{"12345", "67890"})
		algorithm := rapid.SampledFrom([]string{"", "HMAC_SHA1", "HMAC_SHA256"})
		signed := twilioRequest{Token: tokens.Draw(rt, "signed with"), URL: address.Draw(rt, "signed for"), Params: params, Algorithm: algorithm.Draw(rt, "signed by")}
		signature := lib.ask(rt, signed).Signature
		came := twilioRequest{Token: tokens.Draw(rt, "checked with"), URL: address.Draw(rt, "came to"), Params: params, Algorithm: algorithm.Draw(rt, "checked by"), Signature: &signature}
		if want, got := lib.ask(rt, came).Valid, takes(rt, came, came.form(), signature); got != want {
			rt.Errorf("Ringback takes it: %t; Twilio's library: %t", got, want)
		}
	})
}

// The same of JSON, whose hash may be another's or written otherwise.
func TestTwilioVerdictsOnJSON(t *testing.T) {
	lib := startLibrary(t)
	rapid.Check(t, func(rt *rapid.T) {
		bodies := rapid.SampledFrom([]string{`{}`, `{"a":1}`, `{"a": 1}`, `{"name":"Grüße"}`})
		body := bodies.Draw(rt, "body")
		signed := lib.ask(rt, twilioRequest{Token: "12345", URL: twilioAddress, Body: &body})
		came := bodies.Draw(rt, "came")
		r := twilioRequest{Token: "12345", URL: signed.URL, Body: &came, Signature: &signed.Signature}
		switch rapid.IntRange(0, 2).Draw(rt, "address") {
		case 1: // without the hash
			r.URL = twilioAddress
		case 2: // with the hash of what came
			sum := sha256.Sum256([]byte(came))
			r.URL = twilioAddress + "?bodySHA256=" + hex.EncodeToString(sum[:])
		}
		if want, got := lib.ask(rt, r).Valid, takes(rt, r, came, signed.Signature); got != want {
			rt.Errorf("Ringback takes it: %t; Twilio's library: %t", got, want)
		}
	})
}
