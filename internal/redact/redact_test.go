package redact_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ringback-health/ringback/internal/redact"
)

const canary = "Ann Canary +15550100999"

type hidden struct {
	text   redact.Text
	secret redact.Secret
}

type shown struct {
	Text   redact.Text
	Secret redact.Secret
	inner  hidden
}

// TestNothingPrintsTheContent tries every way a value gets into an output.
func TestNothingPrintsTheContent(t *testing.T) {
	v := shown{
		Text: redact.NewText(canary), Secret: redact.NewSecret(canary),
		inner: hidden{redact.NewText(canary), redact.NewSecret(canary)},
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		for _, a := range []any{v, &v, v.Text, &v.Text, v.Secret, v.inner, []redact.Text{v.Text}, map[string]redact.Secret{"k": v.Secret}} {
			fmt.Fprintf(&out, verb, a)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("call", "v", v, "text", v.Text, "secret", v.Secret, "inner", v.inner)
	}
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&out, errors.Join(fmt.Errorf("caller %v", v.Text), fmt.Errorf("token %s", v.Secret)))
	if strings.Contains(out.String(), "Canary") || strings.Contains(out.String(), "0100999") ||
		strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Fatalf("the content was printed:\n%s", out.String())
	}
}

func TestTextKeepsItsContent(t *testing.T) {
	a := redact.NewText(" ann lee")
	if a.Reveal() != " ann lee" || a.IsEmpty() || !redact.NewText("").IsEmpty() {
		t.Fatal("content lost")
	}
	if a.Equal(redact.NewText("Ann Lee")) || !a.EqualFold(redact.NewText("Ann Lee ")) {
		t.Fatal("Equal compares exactly, EqualFold without case and outer space")
	}
}
