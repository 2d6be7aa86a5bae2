package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ringback-health/ringback/internal/config"
)

// TestBadFiles: one file per rule, named after it, with what the operator is told.
func TestBadFiles(t *testing.T) {
	want := map[string]string{
		"misspelt-key":          `line 1: there is no key "listne"; did you mean "listen"?`,
		"misspelt-nested-key":   `line 6: there is no key "connecter"; did you mean "connector"?`,
		"not-yaml":              `line 1: `,
		"empty":                 `the configuration is empty`,
		"no-clinic":             `at least one clinic`,
		"clinic-id":             `use small letters, digits and hyphens`,
		"clinic-twice":          `the id is given twice`,
		"zone":                  `zone "Mars/Olympus" is not known`,
		"no-zone":               `zone is missing; write it as America/New_York`,
		"day":                   `"monday" is not a day; use sun, mon,`,
		"hours":                 `"8-17" is not a span of opening hours; write it as 08:30-17:00`,
		"hours-overlap":         `overlap`,
		"closed":                `"25.12.2026" is not a day; write it as 2026-12-25`,
		"ehr-shared":            `give each clinic its own connection`,
		"ehr-without-connector": `ehr.connector is missing`,
		"search-lag":            "clinic a: ehr.search_lag must not be negative; write it as 10s",
		"look-again":            "clinic a: ehr.look_again: at_first (1m where it is not set) must not be longer than at_most",
		"look-again-at-most":    "clinic a: ehr.look_again: at_first (1m where it is not set) must not be longer than at_most",
		"duration":              "write a length of time as 30s, 15m or 24h",
		"duration-bare":         "line 1: write a length of time as 30s, 15m or 24h",
		"log-level":             `none of debug, info, warn, error`,
		"log-format":            `neither text nor json`,
		"password-in-file":      `put the address into database_file or database_env`,
		"database-twice":        `only one of database, database_env and database_file`,
		"type":                  `line 1: `,
		"listen":                `"nonsense" is not an address`,
		"database":              `sqlite:PATH or postgres://`,
		"region":                `region "ZZ" is not known`,
		"two-documents":         `second document`,
		"public-url":            `must begin with https://`,
		"public-url-nonsense":   `write it as https://ringback.example.org`,
		"push-without-address":  `clinic a: ehr.push needs public_url`,
		"push-without-secret":   `clinic a: ehr.push.secret_file is missing; make one with: openssl`,
		"signing-keys-file":     `give it a file of its own`,
	}
	files, err := filepath.Glob("testdata/bad.*.yml")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files for %d rules, %v", len(files), len(want), err)
	}
	for _, f := range files {
		rule := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "bad."), ".yml")
		t.Run(rule, func(t *testing.T) {
			_, err := config.Load(f)
			if err == nil || !strings.Contains(err.Error(), want[rule]) || !strings.HasPrefix(err.Error(), f+": ") {
				t.Fatalf("%v\nshould say: %s", err, want[rule])
			}
			if strings.Contains(err.Error(), "secret-canary") || strings.Contains(err.Error(), "\n>") {
				t.Errorf("the file is quoted: %v", err)
			}
		})
	}
}

func TestGoodFile(t *testing.T) {
	c, err := config.Load("testdata/good.yml")
	if err != nil {
		t.Fatal(err)
	}
	cl := c.Clinics[0]
	cal, err := cl.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 23, 12, 30, 0, 0, cal.Zone)
	if cal.Open(noon) || !cal.Open(noon.Add(time.Hour)) || cal.Open(noon.AddDate(0, 0, 1)) {
		t.Error("open on Monday but for lunch, closed on Tuesday")
	}
	var settings struct {
		BaseURL string `yaml:"base_url"`
	}
	if err := cl.EHR.DecodeSettings()(&settings); err != nil || settings.BaseURL != "https://ehr.example/fhir/R4" {
		t.Errorf("%+v, %v", settings, err)
	}
	var other struct {
		BaseURI string `yaml:"base_uri"`
	}
	err = cl.EHR.DecodeSettings()(&other)
	if err == nil || !strings.Contains(err.Error(), `line 16: there is no key "base_url"; did you mean "base_uri"?`) {
		t.Errorf("a connector's unknown key should be named with its line: %v", err)
	}
	if cl.EHR.SearchLag != 12*time.Second {
		t.Errorf("search_lag: %s", cl.EHR.SearchLag)
	}
	if got := c.Path(c.SigningKeysFile); got != filepath.Join("testdata", "signing.json") || config.Default().SigningKeysFile != "" {
		t.Errorf("signing_keys_file: %q", got)
	}
	dsn, err := c.DSN()
	if err != nil || dsn.Reveal() != "sqlite:"+filepath.Join("testdata", "ledger.db") {
		t.Errorf("a relative path starts at the file's folder: %q %v", dsn.Reveal(), err)
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "dsn")
	if err := os.WriteFile(file, []byte(" postgres://u:p@h/d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("RINGBACK_CONFIG_TEST", "from-env\n")
	t.Setenv("RINGBACK_CONFIG_TWO", "canary\nof-a-secret\n")
	t.Setenv("RINGBACK_CONFIG_EMPTY", "\n")
	c := config.Default()
	for _, x := range []struct{ env, file, want, fault string }{
		{"", file, "postgres://u:p@h/d", ""},
		{"RINGBACK_CONFIG_TEST", "", "from-env", ""},
		{"", "", "", ""},
		{"RINGBACK_CONFIG_UNSET", "", "", "is not set"},
		{"", filepath.Join(dir, "none"), "", "cannot be read"},
		{"A", "b", "", "only one of"},
		{"", put("crlf", "canary-of-a-secret\r\n\r\n"), "canary-of-a-secret", ""},
		{"", put("broken", "canary\nof-a-secret\n"), "", "broken has a line break inside"},
		{"", put("broken-crlf", "canary\r\nof-a-secret"), "", "has a line break inside"},
		{"", put("utf16", "c\x00a\x00n\x00a\x00r\x00y\x00"), "", "has a character inside that cannot be seen"},
		{"", put("empty", "\n"), "", "is empty"},
		{"", put("bom", "\ufeffcanary"), "", "has a character inside that cannot be seen"},
		{"RINGBACK_CONFIG_TWO", "", "", "RINGBACK_CONFIG_TWO has a line break inside"},
		{"RINGBACK_CONFIG_EMPTY", "", "", "RINGBACK_CONFIG_EMPTY is empty"},
	} {
		s, err := c.Secret("database", x.env, x.file)
		if s.Reveal() != x.want || (err == nil) != (x.fault == "") || err != nil && !strings.Contains(err.Error(), x.fault) {
			t.Errorf("%+v: %q, %v", x, s.Reveal(), err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	if _, err := config.Load(filepath.Join(dir, "none.yaml")); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("a missing file should say how to name one: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/good.yml", "testdata/bad.type.yml", "testdata/bad.not-yaml.yml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := config.Parse(raw)
		if err == nil && len(c.Clinics) == 0 {
			t.Error("accepted without a clinic")
		}
	})
}
