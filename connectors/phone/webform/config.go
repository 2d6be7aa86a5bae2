package webform

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/connectors/phone"
	number "github.com/ringback-health/ringback/internal/phone"
)

// Config is what the operator sets up, beside the secret.
type Config struct {
	// ClinicName is how the page calls the clinic; empty: it is not named.
	ClinicName string `yaml:"clinic_name"`
	// Region (ISO 3166-1 alpha-2) is whose numbers are written without a country code;
	// empty: US. A number that cannot be called is told to the person at once.
	Region string `yaml:"region"`
	// Categories are the reasons that the page offers, in their order; empty: all but
	// spam-wrong-number.
	Categories []callback.Category `yaml:"categories"`
	// AskBirthDate adds a field for the date of birth, which nobody has to fill in.
	AskBirthDate bool `yaml:"ask_birth_date"`
	// Emergency is the number that the page names for emergencies; empty: 911.
	Emergency string `yaml:"emergency"`
	// PrivacyURL is the clinic's privacy notice, linked beside the consent; empty: none.
	PrivacyURL string `yaml:"privacy_url"`
	// EmbedOn are the origins whose pages may show the form in a frame
	// (https://www.clinic.example); empty: none may.
	EmbedOn []string `yaml:"embed_on"`
}

// Validate says what is wrong with the configuration and what to write instead.
func (c Config) Validate() error {
	if c.Region != "" && !number.KnownRegion(c.Region) {
		return errors.New("region is no country with telephones; write it as US")
	}
	for i, cat := range c.Categories {
		if !cat.Valid() || cat == callback.SpamWrongNumber || slices.Contains(c.Categories[:i], cat) {
			return fmt.Errorf("categories: %q is none that a person could choose, or stands there twice", cat)
		}
	}
	if strings.Trim(c.Emergency, "0123456789") != "" {
		return errors.New("emergency is a number of digits only, such as 911 or 112")
	}
	if u, err := url.Parse(c.PrivacyURL); c.PrivacyURL != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return errors.New("privacy_url is no address of a web page; write it as https://www.clinic.example/privacy")
	}
	for _, origin := range c.EmbedOn {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" || u.Host == "" || origin != "https://"+u.Host || strings.ContainsAny(u.Host, " ;,'\"") {
			return errors.New("embed_on holds what is no origin; write it as https://www.clinic.example, without a path")
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Region == "" {
		c.Region = "US"
	}
	if c.Emergency == "" {
		c.Emergency = "911"
	}
	if len(c.Categories) == 0 {
		c.Categories = slices.DeleteFunc(slices.Clone(callback.Categories), func(cat callback.Category) bool { return cat == callback.SpamWrongNumber })
	}
	return c
}

// Kind is how the form is named in the configuration and made.
func Kind() phone.Kind {
	return phone.Kind{
		Name: "webform",
		What: "a form on the clinic's web site: signed posts of its own server, or a page that Ringback serves",
		New: func(s phone.Settings, decode phone.Decode) (phone.System, error) {
			var c Config
			if err := decode(&c); err != nil {
				return nil, err
			}
			return New(s, c)
		},
	}
}
