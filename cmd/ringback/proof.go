package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringback-health/ringback/callback"
	"github.com/ringback-health/ringback/callback/calls"
	"github.com/ringback-health/ringback/callback/proof"
	"github.com/ringback-health/ringback/connectors/phone"
	"github.com/ringback-health/ringback/internal/clock"
	"github.com/ringback-health/ringback/internal/config"
	"github.com/ringback-health/ringback/internal/jose"
)

type proofFlags struct {
	clinic, phone, date, out string
	log                      string
	read                     importFlags // how the log is read
	asJSON                   bool
}

func newProof() *cobra.Command {
	var f proofFlags
	cmd := &cobra.Command{
		Use:   "proof --date DAY",
		Short: "Hold a phone system's own log of a day against the ledger and the EHR, and sign what is missing",
		Long: `Ask a phone system for its own log of a day and hold it against the ledger, and the
ledger against the EHR: every call from outside stands in the ledger, with a
callback or with the reason why it has none, and every callback stands in the EHR.
What is missing is named, and the exit code is 1.

With --out the proof is written to a file and signed with the key that logs in to
EHRs. Anybody with the public keys can check it, without this installation:
  ringback keys publish > keys.json
  ringback proof verify proof.jws --keys keys.json

A proof holds no names and no numbers.`,
		Example: "  ringback proof --date 2026-12-01 --out proof.jws\n  ringback proof --date 2026-12-01 --phone pbx --log Master.csv --format asterisk",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runProof(cmd, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.date, "date", "", "the day, 2026-12-01, in the clinic's zone")
	fl.StringVar(&f.clinic, "clinic", "", "only this clinic")
	fl.StringVar(&f.phone, "phone", "", "only this phone system, or the source of an imported log")
	fl.StringVar(&f.log, "log", "", "a call log `FILE` in place of the phone system's answer")
	fl.StringVar(&f.read.format, "format", "", "the format of --log")
	fl.StringVar(&f.read.zone, "zone", "", "the zone of the times in --log (default: the clinic's)")
	fl.BoolVar(&f.read.utc, "utc", false, "the times in --log are in UTC")
	fl.StringVar(&f.out, "out", "", "write the signed proof to this `FILE`")
	fl.BoolVar(&f.asJSON, "json", false, "print JSON")
	must(cmd.MarkFlagRequired("date"))
	cmd.AddCommand(newProofVerify())
	return cmd
}

func runProof(cmd *cobra.Command, f proofFlags) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return err
	}
	days, err := proofDays(cmd.Context(), cfg, f)
	if err != nil {
		return err
	}
	var proofs []proof.Proof
	err = withLedger(cmd, func(ctx context.Context, l ledger) error {
		for _, d := range days {
			if err := fromLedger(ctx, l, &d); err != nil {
				return err
			}
			proofs = append(proofs, proof.Of(d, clock.System{}.Now().UTC().Truncate(time.Second)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := sign(cfg, f.out, proofs); err != nil {
			return err
		}
	}
	if f.asJSON {
		err = printJSON(cmd.OutOrStdout(), map[string]any{"proofs": proofs})
	} else {
		printProofs(cmd.OutOrStdout(), proofs)
	}
	for _, p := range proofs {
		if err == nil && !p.Holds() {
			err = found("the day does not hold: %d calls are missing in the ledger, %d are not explained, %d callbacks are not in the EHR", len(p.Missing), len(p.Unexplained), len(p.NotFiled))
		}
	}
	return err
}

// proofDays asks the phone systems for their logs.
func proofDays(ctx context.Context, cfg config.Config, f proofFlags) ([]proof.Day, error) {
	if f.log != "" {
		return logDay(ctx, cfg, f)
	}
	lines, err := newPhoneLines(cfg)
	if err != nil {
		return nil, err
	}
	var days []proof.Day
	for _, l := range lines {
		if f.clinic != "" && f.clinic != l.clinic.ID || f.phone != "" && f.phone != l.config.ID {
			continue
		}
		h, can := l.system.(phone.Historian)
		if !can {
			return nil, fmt.Errorf("phone %s of %s: a %s has no log that can be asked for; name a file with --log and --format", l.config.ID, l.clinic.ID, l.config.System)
		}
		d, err := emptyDay(l.clinic, l.config.ID, f.date)
		if err != nil {
			return nil, err
		}
		var legs []calls.Leg
		err = h.History(ctx, d.In, func(events []calls.Event) error {
			for _, e := range events {
				report, err := l.system.Read(e)
				if err != nil {
					return fmt.Errorf("a record of the phone system's log cannot be read: %w", err)
				}
				legs = append(legs, report.Legs...)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("phone %s of %s: its log cannot be had, so that nothing is proved: %w", l.config.ID, l.clinic.ID, err)
		}
		d.Carrier = "asked for from the " + l.config.System
		d.Log = within(calls.Collapse(calls.Latest(legs), l.config.Calls.Rules()), d.In)
		days = append(days, d)
	}
	if len(days) == 0 {
		return nil, errors.New("there is no such phone system in the configuration; for the log of one that is not, name it with --log, --format, --clinic and --phone")
	}
	return days, nil
}

// logDay reads the log from a file.
func logDay(ctx context.Context, cfg config.Config, f proofFlags) ([]proof.Day, error) {
	if f.clinic == "" && len(cfg.Clinics) == 1 {
		f.clinic = cfg.Clinics[0].ID
	}
	cl, err := clinicNamed(cfg, f.clinic)
	if err != nil {
		return nil, err
	}
	if f.phone == "" {
		f.phone = f.read.format
	}
	d, err := emptyDay(cl, f.phone, f.date)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(f.log)
	if err != nil {
		return nil, fmt.Errorf("the call log cannot be read: %w", err)
	}
	f.read.clinic = f.clinic
	log, sessions, err := readLog(ctx, cfg, f.log, f.read)
	if err == nil {
		err = f.read.dated(f.log, log)
	}
	if err != nil {
		return nil, err
	}
	for i := range sessions {
		sessions[i].ID = importedID(sessions[i])
	}
	sum := sha256.Sum256(content)
	d.Carrier = "a file, sha256 " + hex.EncodeToString(sum[:])
	d.Log = within(sessions, d.In)
	return []proof.Day{d}, nil
}

func emptyDay(cl config.Clinic, phone, date string) (proof.Day, error) {
	zone, err := cl.Location()
	if err != nil {
		return proof.Day{}, err
	}
	from, err := time.ParseInLocation(time.DateOnly, date, zone)
	if err != nil {
		return proof.Day{}, fmt.Errorf("--date: %q is not a day; write it as 2026-12-01", date)
	}
	return proof.Day{Clinic: callback.ClinicID(cl.ID), Phone: callback.PhoneID(phone), Date: date, Zone: zone, EHR: cl.EHR != nil,
		In: callback.Span{From: from.UTC(), Until: from.AddDate(0, 0, 1).UTC()}}, nil
}

// within keeps the sessions that began in a span.
func within(sessions []calls.Session, in callback.Span) []calls.Session {
	var kept []calls.Session
	for _, s := range sessions {
		if !s.StartedAt.Before(in.From) && s.StartedAt.Before(in.Until) {
			kept = append(kept, s)
		}
	}
	return kept
}

// fromLedger fills a day with what the ledger knows of it.
func fromLedger(ctx context.Context, l ledger, d *proof.Day) error {
	f := callback.CallFilter{Clinic: d.Clinic, Phone: d.Phone, Began: d.In, Limit: 500}
	for {
		page, next, err := l.Calls(ctx, f)
		if err != nil {
			return err
		}
		d.Ledger = append(d.Ledger, page...)
		if f.After = next; next == "" {
			break
		}
	}
	records, known := map[callback.ID]callback.Record{}, map[string]bool{}
	for _, c := range d.Ledger {
		known[c.ID] = true
		if _, have := records[c.Callback]; c.Callback == "" || have {
			continue
		}
		r, err := l.Record(ctx, c.Callback)
		if err != nil {
			return err
		}
		records[c.Callback] = r
	}
	for _, s := range d.Log {
		if known[s.ID] {
			continue
		}
		_, err := l.Call(ctx, callback.CallKey{Clinic: d.Clinic, Phone: d.Phone, Session: s.ID})
		if err != nil && !errors.Is(err, callback.ErrNotFound) {
			return err
		}
		known[s.ID] = err == nil
	}
	d.Known = func(session string) bool { return known[session] }
	d.Record = func(id callback.ID) (callback.Record, bool) { r, ok := records[id]; return r, ok }
	return nil
}

// sign writes the proofs as a JWS.
func sign(cfg config.Config, file string, proofs []proof.Proof) error {
	if cfg.SigningKeysFile == "" {
		return errors.New("--out: the configuration names no file for signing keys; add the line: signing_keys_file: ringback.signing.json, and make it with: ringback keys generate")
	}
	signed, err := jose.File{Path: cfg.Path(cfg.SigningKeysFile)}.Sign(map[string]any{"proofs": proofs})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append([]byte(signed), '\n'), 0o644); err != nil {
		return fmt.Errorf("--out: the proof cannot be written: %w", err)
	}
	return nil
}

// namedAtMost bounds how many calls are named in a list.
const namedAtMost = 20

func printProofs(w io.Writer, proofs []proof.Proof) {
	for _, p := range proofs {
		fmt.Fprintf(w, "%s, %s, %s (%s)\n", p.Clinic, p.Phone, p.Date, p.Zone)
		fmt.Fprintf(w, "  phone system   %d calls from outside (%s)\n", p.Inbound, p.Carrier)
		fmt.Fprintf(w, "  ledger         %d of them, %d missing, %d without a callback or a reason why not\n", p.Kept, len(p.Missing), len(p.Unexplained))
		if p.EHR {
			fmt.Fprintf(w, "  EHR            %d of %d callbacks\n", p.Filed, p.Callbacks)
		} else {
			fmt.Fprintf(w, "  callbacks      %d; the clinic has no EHR\n", p.Callbacks)
		}
		for i, m := range p.Missing {
			if i == namedAtMost {
				fmt.Fprintf(w, "  ... and %d more; --json names them all\n", len(p.Missing)-i)
				break
			}
			fmt.Fprintf(w, "  MISSING        call %s of %s, %s\n", m.Call, localTo(p, m.Began), m.Verdict)
		}
		for i, k := range append(p.Unexplained, p.NotFiled...) {
			if i == namedAtMost {
				fmt.Fprintf(w, "  ... and %d more; --json names them all\n", len(p.Unexplained)+len(p.NotFiled)-i)
				break
			}
			what := "NOT EXPLAINED  call "
			if k.Callback != "" {
				what = "NOT IN THE EHR callback " + k.Callback + ", call "
			}
			fmt.Fprintf(w, "  %s%s of %s, %s %s\n", what, k.Call, localTo(p, k.Began), k.Verdict, k.Why)
		}
		if len(p.Beyond) > 0 {
			fmt.Fprintf(w, "  (%d calls stand in the ledger and not in the phone system's log of the day)\n", len(p.Beyond))
		}
	}
}

// localTo writes a time as the clinic's clocks showed it.
func localTo(p proof.Proof, t time.Time) string {
	if zone, err := time.LoadLocation(p.Zone); err == nil {
		t = t.In(zone)
	}
	return t.Format("2006-01-02 15:04:05")
}

func newProofVerify() *cobra.Command {
	var keys string
	cmd := &cobra.Command{
		Use:   "verify FILE --keys KEYS",
		Short: "Check a signed proof without this installation: who signed it, and what it says",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			signed, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("the proof cannot be read: %w", err)
			}
			set, err := os.ReadFile(keys)
			if err != nil {
				return fmt.Errorf("--keys: the keys cannot be read: %w", err)
			}
			content, kid, err := jose.Verify(bytes.TrimSpace(signed), set)
			if err != nil {
				return found("%v", err)
			}
			var got struct {
				Proofs []proof.Proof `json:"proofs"`
			}
			if err := json.Unmarshal(content, &got); err != nil || len(got.Proofs) == 0 {
				return found("what was signed is no proof of Ringback's")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Signed with the key %s at %s.\n", kid, instant(got.Proofs[0].MadeAt))
			printProofs(cmd.OutOrStdout(), got.Proofs)
			return nil
		},
	}
	cmd.Flags().StringVar(&keys, "keys", "", "the JWK Set with the public keys, a `FILE`")
	must(cmd.MarkFlagRequired("keys"))
	return cmd
}
