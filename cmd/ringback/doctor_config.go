package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/doctor"
	"github.com/ringback-health/ringback/internal/jose"
	"github.com/ringback-health/ringback/scheduler"
)

const aboutConfiguration = "configuration"

// configuration reads the file. What is wrong with it is one finding each.
func (d *diagnosis) configuration(cmd *cobra.Command) (config.Config, error) {
	say := d.section(aboutConfiguration)
	cfg, err := loadConfig(cmd)
	if err != nil {
		for _, e := range each(err) {
			say("file", doctor.Failed, doctor.You, e.Error(), "correct it and run this again; nothing else was looked at")
		}
		return cfg, errors.New("the configuration cannot be used")
	}
	connected := 0
	for _, cl := range cfg.Clinics {
		if cl.EHR != nil {
			connected++
		}
	}
	say.ok("file", fmt.Sprintf("it can be read, and every key is known: %s, %s", count(len(cfg.Clinics), "clinic"), count(connected, "EHR")))
	if os.Geteuid() == 0 {
		say("user", doctor.Note, doctor.Nobody, "root may read and write everything: whether the daemon's own user may, was not seen",
			"run this as the user that runs the daemon")
	}
	return cfg, nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// secrets looks at the files that keys ending in _file name, and at those of the
// ledger: who else may read them?
func (d *diagnosis) secrets(cfg config.Config) {
	say := d.section(aboutConfiguration)
	if runtime.GOOS == "windows" {
		say.skip("permissions", "this machine does not tell them")
		return
	}
	open := 0
	files := secretFiles(cfg)
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			continue // whoever needs it says so
		}
		if mode := info.Mode().Perm(); mode&0o007 != 0 {
			open++
			say("permissions", doctor.Warning, doctor.You, fmt.Sprintf("everybody on this machine may read %s (mode %04o)", f, mode), "run: chmod o= "+f)
		}
	}
	if open == 0 {
		say.ok("permissions", "nobody else on this machine may read the secrets, the keys and the ledger")
	}
}

// alerts looks at where the operator is told that an EHR fails.
func (d *diagnosis) alerts(cfg config.Config) {
	say := d.section(aboutConfiguration)
	tell, err := newTell(cfg)
	switch {
	case err != nil:
		say("alerts", doctor.Failed, doctor.You, err.Error(), "correct what alerts in the configuration names")
	case tell != nil:
		say.ok("alerts", "there is an address to post alerts to; it was not tried")
	}
}

// signingKeys looks at the keys with which Ringback proves who it is.
func (d *diagnosis) signingKeys(cfg config.Config) {
	if cfg.SigningKeysFile == "" {
		return // a login that needs them says so
	}
	say := d.section(aboutConfiguration)
	keys, err := jose.Load(cfg.Path(cfg.SigningKeysFile))
	if err != nil {
		say.fail("signing-keys", doctor.You, err)
		return
	}
	say.ok("signing-keys", "there are keys to sign logins with: "+join(keys.Algorithms()))
}

// secretFiles are the files that nobody else should read, without repetition.
func secretFiles(cfg config.Config) []string {
	files := []string{cfg.KeysFile, cfg.SigningKeysFile, cfg.DatabaseFile, cfg.Alerts.WebhookFile}
	if file, ok := strings.CutPrefix(cfg.Database, "sqlite:"); ok && cfg.DatabaseEnv == "" && cfg.DatabaseFile == "" {
		files = append(files, file, file+"-wal")
	}
	for _, cl := range cfg.Clinics {
		if cl.EHR == nil {
			continue
		}
		if p := cl.EHR.Push; p != nil {
			files = append(files, p.SecretFile, p.SigningSecretFile)
		}
		var settings map[string]any
		if cl.EHR.DecodeSettings()(&settings) == nil {
			files = append(files, filesIn(settings)...)
		}
	}
	var list []string
	for _, f := range files {
		if p := cfg.Path(f); p != "" && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// filesIn returns the values of all keys that end in _file.
func filesIn(settings any) []string {
	var list []string
	switch s := settings.(type) {
	case map[string]any:
		for key, v := range s {
			if file, ok := v.(string); ok && strings.HasSuffix(key, "_file") {
				list = append(list, file)
			}
			list = append(list, filesIn(v)...)
		}
	case []any:
		for _, v := range s {
			list = append(list, filesIn(v)...)
		}
	}
	return list
}

// holidaysWithin is how far ahead days on which the clinic is closed are expected.
const holidaysWithin = 365 * 24 * time.Hour

// clinic looks at one clinic's own settings.
func (d *diagnosis) clinic(cl config.Clinic) {
	say := d.section("clinic " + cl.ID)
	zone, err := cl.Location()
	if err != nil { // config.Load has checked the same
		say.fail("zone", doctor.You, err)
		return
	}
	now := time.Now()
	say.ok("zone", fmt.Sprintf("%s: it is %s there", cl.Zone, now.In(zone).Format("Monday 15:04 MST")))
	d.hours(say, cl, now)
	if cl.Region == "" {
		say("region", doctor.Warning, doctor.You, "region is not set: a phone number without a country code is not understood",
			"write the country's two letters, as region: US")
	} else {
		say.ok("region", "phone numbers without a country code are read as numbers of "+cl.Region)
	}
	if cl.EHR == nil {
		say("ehr", doctor.Note, doctor.Nobody, "there is no EHR: its callbacks stay in Ringback's own list", "")
		return
	}
	poll := cmp.Or(cl.EHR.Poll, defaultPoll)
	if _, err := scheduler.ParseSchedule(poll); err != nil {
		say("poll", doctor.Failed, doctor.You, fmt.Sprintf("ehr.poll: %q is no schedule", poll), `write it as "@every 30s", or as cron has it: "*/5 * * * *"`)
		return
	}
	say.ok("poll", "the EHR is asked for changes "+poll)
}

func (d *diagnosis) hours(say section, cl config.Clinic, now time.Time) {
	rules, err := clinicRules(cl)
	if err != nil {
		say.fail("hours", doctor.You, err)
		return
	}
	next := rules.Calendar.NextOpen(now)
	switch {
	case next.IsZero():
		say("hours", doctor.Failed, doctor.You, "the clinic never opens: no callback is ever due", "correct hours and closed")
	case next.Sub(now) > 14*24*time.Hour:
		say("hours", doctor.Warning, doctor.You, "the clinic "+openness(rules.Calendar, now)+": until then no callback is due", "correct hours and closed, if that is not meant")
	default:
		say.ok("hours", "the clinic "+openness(rules.Calendar, now))
	}
	for _, day := range cl.Closed {
		if t, err := time.ParseInLocation(time.DateOnly, day, rules.Calendar.Zone); err == nil && t.After(now) && t.Sub(now) < holidaysWithin {
			return
		}
	}
	say("holidays", doctor.Note, doctor.Nobody, "no day of the next twelve months is named as closed: on a holiday callbacks are due as on any other day",
		"list the days under closed, as 2026-12-25")
}
