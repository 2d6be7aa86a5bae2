package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/internal/intake"
	"github.com/ringback-health/ringback/server"
)

// FuzzCreateCallback sends any bytes as a request. Whatever they are, the answer
// is one of those that the OpenAPI document promises, a refusal is a complete
// problem, and the bytes that are kept are those that were sent.
func FuzzCreateCallback(f *testing.F) {
	for _, s := range []string{form("f-1"), `{}`, `[]`, `null`, `{"source":"a","source_id":"b","clinic":"c"}`, `{"caller":{"name":1e999}}`,
		`{"source":"a","source":"b"}`, "\xff\xfe", strings.Repeat("[", 20000), form("x", "received_at", `"2026-02-30T00:00:00Z"`),
		form("x", "preferred_times", `[{"start":"9999-12-31T23:59:59Z","end":"0000-01-01T00:00:00Z"}]`), form("x", "new_patient", `0`)} {
		f.Add([]byte(s))
	}
	var raw []byte
	ledger := newLedger(f, nil)
	s, err := server.New(server.Options{Ledger: ledger, Tokens: ledger, Take: func(_ context.Context, s intake.Submission) (callback.Taken, error) {
		raw = s.Raw
		return callback.Taken{Disposition: callback.Ignored, Reason: "fuzz"}, nil
	}})
	if err != nil {
		f.Fatal(err)
	}
	plain, tok, err := server.NewToken("fuzz", callback.RoleIntake, monday)
	if err != nil {
		f.Fatal(err)
	}
	if err := ledger.AddToken(f.Context(), tok); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequest(http.MethodPost, "/v1/callbacks", strings.NewReader(string(body)))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+plain.Reveal())
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		a := answer{t, w.Code, w.Header(), w.Body.Bytes()}
		switch w.Code {
		case http.StatusOK:
			if !json.Valid(body) || string(raw) != string(body) {
				t.Errorf("took %q of %q", raw, body)
			}
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
			a.problem(w.Code)
		case http.StatusRequestEntityTooLarge:
			if len(body) <= 1<<20 {
				t.Errorf("%d bytes are too large", len(body))
			}
		default:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
