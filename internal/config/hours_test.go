package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/config"
)

func TestHours(t *testing.T) {
	const good = "zone: America/New_York\nregion: US\nhours:\n  mon: [\"08:00-12:00\", \"13:00-17:00\"]\nclosed: [\"2026-03-09\"]\n"
	path := filepath.Join(t.TempDir(), "workflow.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := config.LoadHours(path)
	if err != nil {
		t.Fatal(err)
	}
	cal, err := h.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	for at, open := range map[string]bool{
		"2026-03-02T09:00:00-05:00": true, "2026-03-02T12:30:00-05:00": false, "2026-03-03T09:00:00-05:00": false, "2026-03-09T09:00:00-04:00": false,
	} {
		when, _ := time.Parse(time.RFC3339, at)
		if cal.Open(when) != open {
			t.Errorf("open at %s: %t", at, !open)
		}
	}

	for name, c := range map[string]struct{ file, want string }{
		"a misspelt key":     {strings.Replace(good, "zone", "zon", 1), `line 1: there is no key "zon"; did you mean "zone"?`},
		"no zone":            {strings.Replace(good, "zone: America/New_York\n", "", 1), "zone is missing"},
		"no hours":           {"zone: America/New_York\n", "hours is missing"},
		"not a day":          {strings.Replace(good, "mon", "moon", 1), `"moon" is not a day`},
		"not a span":         {strings.Replace(good, "08:00-12:00", "8 to 12", 1), "is not a span"},
		"an unknown country": {strings.Replace(good, "US", "XX", 1), `region "XX" is not known`},
		"nothing":            {"", "empty"},
	} {
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.LoadHours(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if _, err := config.LoadHours(path + "x"); err == nil {
		t.Error("a file that is not there has hours")
	}
}
