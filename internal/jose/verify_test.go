package jose_test

import (
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/jose"
)

// TestVerify: what one of the published keys signed is believed, and nothing else.
func TestVerify(t *testing.T) {
	now := time.Date(2026, 3, 2, 16, 0, 0, 0, time.UTC)
	set, err := jose.Generate(now, jose.ES384)
	if err != nil {
		t.Fatal(err)
	}
	other, err := jose.Generate(now, jose.ES384)
	if err != nil {
		t.Fatal(err)
	}
	public, err := set.Public(now)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Public(now)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := set.Sign(map[string]any{"missing": 0})
	if err != nil {
		t.Fatal(err)
	}
	content, kid, err := jose.Verify([]byte(signed), public)
	if err != nil || string(content) != `{"missing":0}` || kid == "" {
		t.Fatalf("%s by %q: %v", content, kid, err)
	}
	if _, _, err := jose.Verify([]byte(signed), foreign); err == nil {
		t.Error("the keys of somebody else are good too")
	}
	if _, _, err := jose.Verify([]byte(signed), []byte("{}")); err == nil {
		t.Error("no keys are good too")
	}
	for i := range signed {
		changed := []byte(signed)
		if changed[i] == 'A' {
			changed[i] = 'B'
		} else {
			changed[i] = 'A'
		}
		if got, _, err := jose.Verify(changed, public); err == nil && string(got) != string(content) {
			t.Fatalf("changed at %d it is still believed: %s", i, got)
		}
	}
}
