// Package config reads ringback.yaml, strictly: a key that is not known is an
// error that names the line and the nearest key that is. Secrets never stand in
// the file itself but in an environment variable or a file of their own, which a
// key ending in _env or _file names.
//
// What a connector understands is its own: its settings are handed on undecoded.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"github.com/ringback-health/ringback/internal/phone"
	"github.com/ringback-health/ringback/internal/redact"
)

// Config is the whole of ringback.yaml.
type Config struct {
	// Listen is where the HTTP server listens, "host:port".
	Listen string `yaml:"listen"`
	// PublicURL is where EHRs and phone systems reach this installation, for those that tell of changes and calls.
	PublicURL string `yaml:"public_url"`
	// Database is "sqlite:PATH" or a postgres:// address. An address with a
	// password belongs into database_env or database_file.
	Database     string `yaml:"database"`
	DatabaseEnv  string `yaml:"database_env"`
	DatabaseFile string `yaml:"database_file"`
	// KeysFile holds the keys that the ledger's sealed columns are encrypted with.
	KeysFile string `yaml:"keys_file"`
	// SigningKeysFile holds the keys with which Ringback proves to EHRs who it is, and
	// whose public part it publishes. Empty: there are none.
	SigningKeysFile string `yaml:"signing_keys_file"`
	// QueueFile is the job queue's own SQLite file. With PostgreSQL the queue lives
	// there, and beside this name stands only what a daemon knows its own jobs by.
	QueueFile string   `yaml:"queue_file"`
	Log       Log      `yaml:"log"`
	Alerts    Alerts   `yaml:"alerts"`
	Clinics   []Clinic `yaml:"clinics"`

	dir string // where relative paths start
}

// Log says how the log is written.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Alerts say how the operator is told that an EHR does not do its work, and that it
// does again. It stands in the log in any case.
type Alerts struct {
	// WebhookEnv or WebhookFile name where the address is that a JSON message is
	// posted to. Such addresses often hold a secret.
	WebhookEnv  string `yaml:"webhook_env"`
	WebhookFile string `yaml:"webhook_file"`
}

// Clinic is one clinic.
type Clinic struct {
	ID     string              `yaml:"id"`
	Name   string              `yaml:"name"`
	Zone   string              `yaml:"zone"`   // IANA name: America/New_York
	Region string              `yaml:"region"` // for phone numbers without a country code: US
	Hours  map[string][]string `yaml:"hours"`  // mon: ["08:00-12:00", "13:00-17:00"]
	Closed []string            `yaml:"closed"` // days: 2026-12-25
	EHR    *EHR                `yaml:"ehr"`    // none: callbacks stay in Ringback's own list
	Phones []Phone             `yaml:"phones"` // that tell of their calls by themselves
}

// EHR is a clinic's connection to its EHR.
type EHR struct {
	ID        string `yaml:"id"`
	Connector string `yaml:"connector"`
	Poll      string `yaml:"poll"` // cron schedule in UTC
	// ProposeVisits also files the caller's preferred times as a proposed appointment.
	ProposeVisits bool `yaml:"propose_visits"`
	// SearchLag is how late the EHR's search may show what was written; 0: the
	// daemon's own guess. `ringback doctor --test-patient` measures it.
	SearchLag time.Duration `yaml:"search_lag"`
	// LookAgain is how often what no feed shows is asked for by itself.
	LookAgain LookAgain `yaml:"look_again"`
	// Push lets the EHR tell that something has changed. nil: it is only polled.
	Push *Push `yaml:"push"`
	// Settings are the connector's own.
	Settings ast.Node `yaml:"settings"`
}

// LookAgain bounds the time between two requests for one patient, or one visit: it
// grows from the one to the other.
type LookAgain struct {
	AtFirst time.Duration `yaml:"at_first"` // 0: 1m
	AtMost  time.Duration `yaml:"at_most"`  // 0: 6h
}

// Default returns what holds where the file says nothing.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:8080", Database: "sqlite:ringback.db", KeysFile: "ringback.keys.json", QueueFile: "ringback.queue.db",
		Log: Log{Level: "info", Format: "text"},
	}
}

// Load reads and checks the file. The error lists everything that is wrong.
func Load(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return Config{}, fmt.Errorf("there is no configuration %s; name it with --config, or start from docs/ringback.example.yaml", path)
		}
		return Config{}, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	c, err := Parse(raw)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	c.dir = filepath.Dir(path)
	return c, nil
}

// Parse reads and checks a configuration; relative paths start at the working
// directory.
func Parse(raw []byte) (Config, error) {
	c := Default()
	if err := decodeStrict(raw, &c); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Validate lists everything that is wrong, each with what is expected.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	set := 0
	for _, s := range []string{c.DatabaseEnv, c.DatabaseFile} {
		if s != "" {
			set++
		}
	}
	if set > 1 || (set == 1 && c.Database != Default().Database) {
		bad("database: give only one of database, database_env and database_file")
	}
	if strings.Contains(c.Database, "@") && strings.Contains(c.Database, "://") && hasPassword(c.Database) {
		bad("database: a password does not belong in this file; put the address into database_file or database_env")
	}
	if c.SigningKeysFile != "" && c.Path(c.SigningKeysFile) == c.Path(c.KeysFile) {
		bad("signing_keys_file: it is the same as keys_file, which holds the ledger's keys; give it a file of its own, such as ringback.signing.json")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen: %q is not an address; write it as 127.0.0.1:8080", c.Listen)
	}
	if c.PublicURL != "" {
		if err := validatePublicURL(c.PublicURL); err != nil {
			errs = append(errs, err)
		}
	}
	if scheme, _, _ := strings.Cut(c.Database, ":"); scheme != "sqlite" && scheme != "postgres" && scheme != "postgresql" {
		bad("database: write it as sqlite:PATH or postgres://user@host/database")
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("log.level: %q is none of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("log.format: %q is neither text nor json", c.Log.Format)
	}
	if len(c.Clinics) == 0 {
		bad("clinics: at least one clinic is needed")
	}
	clinics, ehrs := map[string]bool{}, map[string]bool{}
	for i, cl := range c.Clinics {
		at := fmt.Sprintf("clinics[%d]", i)
		if !idPattern.MatchString(cl.ID) {
			bad("%s.id: %q is not an id; use small letters, digits and hyphens", at, cl.ID)
		} else {
			at = "clinic " + cl.ID
		}
		if clinics[cl.ID] {
			bad("%s: the id is given twice", at)
		}
		clinics[cl.ID] = true
		if cl.Region != "" && !phone.KnownRegion(cl.Region) {
			bad("%s: region %q is not known; write the country's two letters, as US", at, cl.Region)
		}
		if _, err := cl.Calendar(); err != nil {
			bad("%s: %w", at, err)
		}
		if err := validatePhones(cl.Phones, c.PublicURL); err != nil {
			bad("%s: %w", at, err)
		}
		if e := cl.EHR; e != nil {
			if !idPattern.MatchString(e.ID) {
				bad("%s: ehr.id: %q is not an id; use small letters, digits and hyphens", at, e.ID)
			}
			if ehrs[e.ID] {
				bad("%s: ehr.id %s belongs to another clinic; give each clinic its own connection, also to the same server", at, e.ID)
			}
			ehrs[e.ID] = true
			if e.Connector == "" {
				bad("%s: ehr.connector is missing", at)
			}
			if e.SearchLag < 0 {
				bad("%s: ehr.search_lag must not be negative; write it as 10s", at)
			}
			if l := e.LookAgain; l.AtFirst < 0 || l.AtMost < 0 || l.AtMost != 0 && l.AtMost < cmp.Or(l.AtFirst, time.Minute) {
				bad("%s: ehr.look_again: at_first (1m where it is not set) must not be longer than at_most, and neither negative; write {at_first: 1m, at_most: 6h}", at)
			}
			if e.Push != nil {
				if err := e.Push.validate(c.PublicURL); err != nil {
					bad("%s: %w", at, err)
				}
			}
		}
	}
	return errors.Join(errs...)
}

var passwordPattern = regexp.MustCompile(`://[^/@]*:[^/@]+@`)

func hasPassword(dsn string) bool { return passwordPattern.MatchString(dsn) }

// Path returns p relative to the configuration file's folder.
func (c Config) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// DSN returns the database's address from wherever it stands.
func (c Config) DSN() (redact.Secret, error) {
	s, err := c.Secret("database", c.DatabaseEnv, c.DatabaseFile)
	if err != nil || !s.IsEmpty() {
		return s, err
	}
	if file, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		return redact.NewSecret("sqlite:" + c.Path(file)), nil
	}
	return redact.NewSecret(c.Database), nil
}

// Secret reads a secret from the environment variable or the file that the
// configuration names; an empty Secret when it names neither. Line breaks at the end
// are not part of it, and one inside is an error. name is for errors.
func (c Config) Secret(name, env, file string) (redact.Secret, error) {
	switch {
	case env != "" && file != "":
		return redact.Secret{}, fmt.Errorf("%s: give only one of %s_env and %s_file", name, name, name)
	case env != "":
		v := os.Getenv(env)
		if v == "" {
			return redact.Secret{}, fmt.Errorf("%s: the environment variable %s is not set", name, env)
		}
		return newSecret(name, "the environment variable "+env, strings.TrimRight(v, "\r\n"))
	case file != "":
		raw, err := os.ReadFile(c.Path(file))
		if err != nil {
			return redact.Secret{}, fmt.Errorf("%s: the secret file cannot be read: %w", name, err)
		}
		return newSecret(name, "the secret file "+c.Path(file), strings.TrimSpace(string(raw)))
	}
	return redact.Secret{}, nil
}

// newSecret takes one line as a secret. What is cut in two, or comes with characters
// of another encoding, would be refused by whoever gets it, with words that mislead.
func newSecret(name, from, v string) (redact.Secret, error) {
	switch {
	case v == "":
		return redact.Secret{}, fmt.Errorf("%s: %s is empty", name, from)
	case strings.ContainsAny(v, "\r\n"):
		return redact.Secret{}, fmt.Errorf("%s: %s has a line break inside; write the secret on one line, and nothing else", name, from)
	case strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }):
		return redact.Secret{}, fmt.Errorf("%s: %s has a character inside that cannot be seen; write the secret again as plain text (UTF-8, without a byte order mark)", name, from)
	}
	return redact.NewSecret(v), nil
}

// Location returns the clinic's zone.
func (cl Clinic) Location() (*time.Location, error) {
	if cl.Zone == "" {
		return nil, errors.New("zone is missing; write it as America/New_York")
	}
	z, err := time.LoadLocation(cl.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone %q is not known; write it as America/New_York", cl.Zone)
	}
	return z, nil
}
